import { z } from "zod";
import type { PromotedMigration } from "../migration/exclusion/exclusive-run.ts";
import { type MigrationInputs, migrationInputsSchema } from "../migration/inputs.ts";

/** The outputs of the DataMigration resource: evidence of a promoted cutover, free of secrets and stable. */
export const migrationStateSchema = migrationInputsSchema.extend({
  migrationId: z.string(),
  verdict: z.literal("green"),
  promotedAt: z.iso.datetime(),
  /** From the moment writers began to wait until the target accepted writes. */
  writePauseMs: z.number(),
  tables: z.int(),
  rows: z.number(),
  copiedBytes: z.number(),
  sourceServiceId: z.string(),
  targetServiceId: z.string(),
  deployments: z.record(z.string(), z.string().nullable()),
  /** What a refresh found different from how the migration left it; empty when all is well. */
  drift: z.array(z.string()),
});

export type MigrationState = z.infer<typeof migrationStateSchema>;

/** The outputs of a promoted migration, computed from its journal record alone: a lost state gets the same ones back. */
export function stateOf(inputs: MigrationInputs, { id, record }: PromotedMigration): MigrationState {
  const { fence, promotion, context } = record;
  return {
    ...inputs,
    migrationId: id,
    verdict: "green",
    promotedAt: promotion.promotedAt,
    writePauseMs: promotion.writePauseMs,
    tables: fence.tables.length,
    rows: fence.tables.reduce((total, { source }) => total + Number(source.rows), 0),
    copiedBytes: fence.copiedBytes,
    sourceServiceId: context.source.serviceId,
    targetServiceId: context.target.serviceId,
    deployments: Object.fromEntries(
      Object.entries(fence.services).map(([name, { deploymentId }]) => [name, deploymentId]),
    ),
    drift: [],
  };
}
