import * as pulumi from "@pulumi/pulumi";
import type { MigrationInputs } from "./migration/inputs.ts";
import type { StackOutputs } from "./outputs.ts";
import { RailwayResource } from "./railway-resource.ts";

/** Arguments of {@link DataMigration}: plain data, known at preview. */
export type DataMigrationArgs = MigrationInputs;

/**
 * The cutover: the one-time move of the schemas and the whole dangerous window up to the promotion, in one operation.
 * Creating it does the move, exactly once for all stacks and states; source, target and schemas are refused to change
 * afterwards; deleting it only forgets it.
 */
export class DataMigration extends RailwayResource {
  declare readonly migrationId: pulumi.Output<string>;
  declare readonly verdict: pulumi.Output<"green">;
  declare readonly promotedAt: pulumi.Output<string>;
  declare readonly writePauseMs: pulumi.Output<number>;
  declare readonly tables: pulumi.Output<number>;
  declare readonly rows: pulumi.Output<number>;

  constructor(name: string, args: DataMigrationArgs, options?: pulumi.CustomResourceOptions) {
    const outputs = {
      migrationId: undefined,
      verdict: undefined,
      promotedAt: undefined,
      writePauseMs: undefined,
      tables: undefined,
      rows: undefined,
      copiedBytes: undefined,
      sourceServiceId: undefined,
      targetServiceId: undefined,
      deployments: undefined,
      drift: undefined,
    };
    super("DataMigration", "#providers/data-migration", name, { ...args, ...outputs }, options);
  }

  /** What the stack's outputs tell of the migration. */
  evidence(): pulumi.Output<NonNullable<StackOutputs["lastMigration"]>> {
    const { migrationId: id, verdict, promotedAt, writePauseMs, tables, rows } = this;
    return pulumi.output({ id, verdict, promotedAt, writePauseMs, tables, rows });
  }
}
