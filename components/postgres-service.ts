import * as pulumi from "@pulumi/pulumi";
import { lazyProvider } from "./dynamic/lazy-provider.ts";
import type {
  PostgresServiceFacts,
  PostgresServiceInputs,
  Retirement,
} from "./migration/postgres-service.ts";

/** Arguments of {@link PostgresService}: plain data, known at preview. */
export type PostgresServiceArgs = PostgresServiceInputs;

/**
 * A Railway service that runs PostgreSQL, adopted by name and pinned by id, or created (`create`, the target only).
 * `lifecycle` retires the old database behind its guards; every other change only adopts what is there. Deleting the
 * resource forgets it and touches nothing.
 */
export class PostgresService extends pulumi.dynamic.Resource {
  declare readonly serviceId: pulumi.Output<string>;
  declare readonly observed: pulumi.Output<PostgresServiceFacts>;
  declare readonly retirement: pulumi.Output<Retirement>;

  constructor(name: string, args: PostgresServiceArgs, options?: pulumi.CustomResourceOptions) {
    const outputs = { serviceId: undefined, observed: undefined, adopted: undefined, retirement: undefined };
    super(
      lazyProvider("#providers/postgres-service"),
      name,
      { ...args, ...outputs },
      options,
      "railway",
      "PostgresService",
    );
  }
}
