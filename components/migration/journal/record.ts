import { z } from "zod";
import { protectedFingerprintSchema } from "../../postgres/fingerprint/fingerprint.ts";
import { sequenceStateSchema } from "../../postgres/sequences.ts";
import { driftBaselineSchema } from "../drift/baseline-schema.ts";
import { fingerprintDigestSchema } from "../evidence/fingerprint-digest.ts";
import { preflightNoteSchema, runNoteSchema } from "../evidence/run-note.ts";
import { sourcePositionSchema } from "../fence/source-position.ts";
import { gateReportSchema } from "../gate/report.ts";
import { retirementRecordSchema } from "../retirement/evidence.ts";
import { backupsRecordSchema } from "./backup-record.ts";

/**
 * The life of one migration, as the journal in the target keeps it:
 *
 *     loading ──► switching ──► promoted ──► finished
 *        │            │
 *        └─► aborting ◄┘ ──► aborted
 *
 * - `loading`: writes are paused by locks on the source, the copy is being made or checked. No fence stands on the
 *   source; losing the run loses nothing but the copy.
 * - `switching`: both databases are fenced; nothing can diverge. Services are being pointed at the target.
 * - `promoted`: the target accepts writes. Only forward from here.
 * - `finished`: the target's fence is taken down too.
 * - `aborting`: on the way back to the source; can only become `aborted`.
 */
export const migrationStates = [
  "loading",
  "switching",
  "promoted",
  "finished",
  "aborting",
  "aborted",
] as const;

export type MigrationState = (typeof migrationStates)[number];

/** What a variable held before the switch. A literal may contain a password, so it is kept encrypted. */
export const previousValueSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("absent") }),
  z.object({ kind: z.literal("reference"), text: z.string() }),
  z.object({ kind: z.literal("literal"), encrypted: z.string() }),
]);

export const serviceRecordSchema = z.object({
  serviceId: z.string(),
  previous: z.record(z.string(), previousValueSchema),
  /** Deployments that ran before the switch and must be gone before the service counts as moved. */
  replaces: z.array(z.string()),
  /** The target server's clock before anything of the service was touched: its sessions there are younger. */
  startedAt: z.string().nullable(),
  /** When a deployment was asked for, noted before: from then on one may come although nobody knows its id. */
  askedAt: z.iso.datetime().nullable().optional(),
  deploymentId: z.string().nullable(),
  provenAt: z.iso.datetime().nullable(),
  /** What the proof rests on. Records of earlier versions lack it. */
  proof: z
    .object({
      /** Whether Railway told what the deployment was given; where it did not, the sessions are the proof. */
      givenTold: z.boolean(),
      /** Whether the configured health check answered 200; `null` where none is configured. */
      healthy: z.literal(true).nullable(),
      /** New sessions on the target since the service was touched. */
      sessions: z.int(),
    })
    .optional(),
});

const contextSchema = z.object({
  project: z.string(),
  environment: z.string(),
  source: z.object({
    serviceName: z.string(),
    serviceId: z.string(),
    systemIdentifier: z.string(),
    database: z.string(),
  }),
  target: z.object({ serviceName: z.string(), serviceId: z.string() }),
  schemas: z.array(z.string()),
  protectedSchemas: z.array(z.string()),
  startedAt: z.iso.datetime(),
  /** How both were reached, in words. Records of earlier versions lack it. */
  transport: z.object({ source: z.string(), target: z.string() }).optional(),
  // Evidence alone, of these two: what of it does not read must not stand in the way of going on or back.
  /** Every run that worked on it, first to last. Records of earlier versions lack it and what follows. */
  runs: z.array(runNoteSchema).optional().catch(undefined),
  /** What the preflight saw before writers were paused. */
  preflight: preflightNoteSchema.optional().catch(undefined),
});

const loadSchema = z.object({
  /** Schemas the load creates; the others (such as `public`) were there and stay when the copy is dropped. */
  createdSchemas: z.array(z.string()),
  /** Names (`schema.name`) of the relations the load makes. */
  expectedRelations: z.array(z.string()),
  /** Kind and name of every object the load makes, relations among them. Records of earlier versions lack it. */
  expectedObjects: z.array(z.string()).optional(),
  /** From here on the hook may have made relations, too. */
  hookStarted: z.boolean().optional(),
  /** When writers began to wait. Records of earlier versions lack it. */
  pausedAt: z.iso.datetime().optional(),
  protectedBefore: protectedFingerprintSchema,
  /** Railway's volume backups from before the pause. Records of earlier versions lack it. */
  backups: backupsRecordSchema.optional(),
});

const contentSchema = z.object({ rows: z.string(), hash: z.string() });

const fenceSchema = z.object({
  fencedAt: z.iso.datetime(),
  /** The epoch the witness on the source carries. */
  epoch: z.int(),
  pausedAt: z.iso.datetime(),
  /** Where the source stood: one that is behind it later has lost writes. */
  sourcePosition: sourcePositionSchema.optional(),
  /** Content at the fence. `target` is `null` where a hook changed it and the difference was accepted. */
  tables: z.array(
    z.object({
      schema: z.string(),
      name: z.string(),
      source: contentSchema,
      target: contentSchema.nullable(),
    }),
  ),
  copiedBytes: z.number(),
  /** What the gate saw, for the report; its tables are those above. Records of earlier versions lack it. */
  gate: gateReportSchema
    .pick({ verdict: true, compared: true, differences: true, writtenByOthers: true })
    .optional(),
  /** Hash over the source's catalogue that the gate compared: it must be the same as long as the fence stands. */
  sourceCatalogue: z.string(),
  services: z.record(z.string(), serviceRecordSchema),
});

const promotionSchema = z.object({
  promotedAt: z.iso.datetime(),
  writePauseMs: z.number(),
  /** Where the sealed source's sequences stood: the target's were moved there. Records of earlier versions lack it and what follows. */
  sequences: z.array(sequenceStateSchema).optional(),
  /** The protected schemas after the last service had moved. */
  protectedAfter: fingerprintDigestSchema.optional(),
  /** Protected tables and sequences that their own users wrote between the two looks. */
  protectedWritten: z.array(z.string()).optional(),
});

/** What was put back, by the run that brought it to its end. */
export const restoredSchema = z.object({
  sourceOpenedAt: z.iso.datetime(),
  services: z.array(
    z.object({
      name: z.string(),
      outcome: z.enum(["not touched", "restarted", "gone", "put back"]),
      /** That serves with the former variables; `null` where none was needed. */
      deploymentId: z.string().nullable(),
    }),
  ),
  copyDroppedAt: z.iso.datetime(),
});

/** What a migration that turned back tells beside its reason. */
const backSchema = z.object({
  /** The verdict that made it turn back, if that was the gate's. */
  gate: gateReportSchema
    .pick({ verdict: true, compared: true, differences: true, writtenByOthers: true })
    .optional(),
  restored: restoredSchema.optional(),
});

/** What is noted of a finished migration, by runs that do not wait for each other. */
export const afterwardsSchema = z.object({
  /** Records of earlier versions lack it, and those whose finish could not look at everything. */
  baseline: driftBaselineSchema.optional(),
  /** What became of the old database; absent as long as nothing did. */
  retirement: retirementRecordSchema.optional(),
});

/** What the journal remembers, by state: each state carries all that finishing or undoing it needs. */
export const migrationRecordSchema = z.discriminatedUnion("state", [
  z.object({ state: z.literal("loading"), context: contextSchema, load: loadSchema }),
  z.object({ state: z.literal("switching"), context: contextSchema, load: loadSchema, fence: fenceSchema }),
  z.object({
    state: z.literal("promoted"),
    context: contextSchema,
    load: loadSchema,
    fence: fenceSchema,
    promotion: promotionSchema,
  }),
  z.object({
    state: z.literal("finished"),
    context: contextSchema,
    load: loadSchema,
    fence: fenceSchema,
    promotion: promotionSchema,
    ...afterwardsSchema.shape,
  }),
  z.object({
    state: z.literal("aborting"),
    context: contextSchema,
    load: loadSchema,
    fence: fenceSchema.nullable(),
    reason: z.string(),
    ...backSchema.shape,
  }),
  z.object({
    state: z.literal("aborted"),
    context: contextSchema,
    load: loadSchema,
    fence: fenceSchema.nullable(),
    reason: z.string(),
    ...backSchema.shape,
  }),
]);

export type MigrationRecord = z.infer<typeof migrationRecordSchema>;
export type RecordIn<State extends MigrationState> = Extract<MigrationRecord, { state: State }>;
export type PromotedRecord = RecordIn<"promoted"> | RecordIn<"finished">;
export type MigrationContext = z.infer<typeof contextSchema>;
export type FenceRecord = z.infer<typeof fenceSchema>;

export type ServiceRecord = z.infer<typeof serviceRecordSchema>;
export type RestoredService = z.infer<typeof restoredSchema>["services"][number];
export type PreviousValue = z.infer<typeof previousValueSchema>;
