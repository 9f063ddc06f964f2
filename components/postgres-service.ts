import type * as pulumi from "@pulumi/pulumi";
import type {
  PostgresServiceFacts,
  PostgresServiceInputs,
  Retirement,
} from "./migration/postgres-service.ts";
import { RailwayResource } from "./railway-resource.ts";

/** Arguments of {@link PostgresService}: plain data, known at preview. */
export type PostgresServiceArgs = PostgresServiceInputs;

/**
 * A Railway service that runs PostgreSQL, adopted by name and pinned by id, or created (`create`, the target only).
 * `lifecycle` retires the old database behind its guards; every other change only adopts what is there. Deleting the
 * resource forgets it and touches nothing.
 */
export class PostgresService extends RailwayResource {
  declare readonly serviceId: pulumi.Output<string>;
  declare readonly observed: pulumi.Output<PostgresServiceFacts>;
  declare readonly retirement: pulumi.Output<Retirement>;

  constructor(name: string, args: PostgresServiceArgs, options?: pulumi.CustomResourceOptions) {
    const outputs = { serviceId: undefined, observed: undefined, adopted: undefined, retirement: undefined };
    super("PostgresService", "#providers/postgres-service", name, { ...args, ...outputs }, options);
  }
}
