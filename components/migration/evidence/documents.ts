import { z } from "zod";
import { sequenceStateSchema } from "../../postgres/sequences.ts";
import { gateReportSchema } from "../gate/report.ts";
import { migrationStates, restoredSchema } from "../journal/record.ts";
import { reportSchema } from "../report.ts";
import { fingerprintDigestSchema } from "./fingerprint-digest.ts";
import { operatorSchema, preflightNoteSchema, programSchema, runNoteSchema } from "./run-note.ts";

const version = z.literal(1);
const time = z.iso.datetime();
const hexDigest = z.string().regex(/^[0-9a-f]{64}$/);
const settingsSchema = z.record(z.string(), z.json());

/** The summary: the answers to who, when, what and on what proof. Details are in the other documents. */
export const evidenceSchema = z.strictObject({
  version,
  migration: z.string(),
  state: z.enum(migrationStates),
  outcome: z.enum(["promoted", "put back", "unfinished"]),
  /** Why it was put back; `null` unless it was, or is being. */
  reason: z.string().nullable(),
  project: z.strictObject({ id: z.string(), name: z.string() }),
  environment: z.strictObject({ id: z.string(), name: z.string() }),
  source: z.strictObject({
    serviceName: z.string(),
    serviceId: z.string(),
    database: z.string(),
    systemIdentifier: z.string(),
    version: z.string().nullable(),
  }),
  target: z.strictObject({
    serviceName: z.string(),
    serviceId: z.string(),
    version: z.string().nullable(),
  }),
  schemas: z.array(z.string()),
  protectedSchemas: z.array(z.string()),
  /** By the clock of the machine that ran it. */
  times: z.strictObject({
    startedAt: time,
    fencedAt: time.nullable(),
    promotedAt: time.nullable(),
  }),
  /** How long writers waited. `to` is the promotion, or when the old database accepted writes again; `null` where the journal does not tell. */
  pause: z.strictObject({ from: time, to: time.nullable(), lengthMs: z.number().nullable() }).nullable(),
  /** The runs that worked on it, first to last; what each was configured by is in configuration.json. */
  runs: z.array(runNoteSchema.omit({ configuration: true }).extend({ configuration: hexDigest })),
  dumpClient: z.string().nullable(),
  /** Railway's volume backups from before the pause, as the journal notes them; `null` where it notes none. */
  backups: z.json(),
  gate: z
    .strictObject({
      verdict: gateReportSchema.shape.verdict,
      tables: z.int(),
      rows: z.string(),
      accepted: z.int(),
      notAccepted: z.int(),
    })
    .nullable(),
  protected: z.strictObject({
    before: fingerprintDigestSchema,
    /** After the last service had moved; `null` where it did not come so far, or the journal does not tell. */
    after: fingerprintDigestSchema.nullable(),
    /** What its own users wrote meanwhile: there the two may differ. */
    writtenByOthers: z.array(z.string()),
  }),
  services: z.array(
    reportSchema.shape.services.element.extend({
      serviceId: z.string(),
      proof: z
        .strictObject({ givenTold: z.boolean(), healthy: z.literal(true).nullable(), sessions: z.int() })
        .nullable(),
    }),
  ),
  /** What was put back; `null` unless it was. */
  restored: restoredSchema.nullable(),
  /** What became of the old database later, one sentence each. */
  oldDatabase: z.array(z.string()),
  /** What the journal does not tell because an older version wrote it. */
  notRecorded: z.array(z.string()),
});

export const configurationDocumentSchema = z.strictObject({
  version,
  runs: z.array(z.strictObject({ epoch: z.int(), sha256: hexDigest, settings: settingsSchema })),
});

export const planDocumentSchema = z.strictObject({ version, preflight: preflightNoteSchema.nullable() });

export const gateDocumentSchema = z.strictObject({
  version,
  /** `null` where the gate was not come to, or its verdict not kept. */
  report: gateReportSchema
    .pick({ verdict: true, compared: true, differences: true, writtenByOthers: true })
    .nullable(),
  /** Every table that moved, with rows and content hash; `target` is `null` where a hook changed it and that was accepted. */
  tables: z.array(
    z.strictObject({
      schema: z.string(),
      name: z.string(),
      source: z.strictObject({ rows: z.string(), hash: z.string() }),
      target: z.strictObject({ rows: z.string(), hash: z.string() }).nullable(),
    }),
  ),
  /** Where the sealed source's sequences stood and the target's were moved to; `null` without a promotion that noted them. */
  sequences: z.array(sequenceStateSchema).nullable(),
  /** Hash over everything that the source's schemas declare. */
  sourceCatalogue: z.string().nullable(),
  copiedBytes: z.number().nullable(),
});

/** The journal's row, all of it but the encrypted former values of variables. */
export const journalDocumentSchema = z.strictObject({
  version,
  id: z.string(),
  epoch: z.int(),
  updatedAt: time,
  record: z.record(z.string(), z.json()),
});

export const eventsDocumentSchema = z.strictObject({
  version,
  /** Every transition and note, oldest first, by the target server's clock. */
  events: z.array(z.strictObject({ at: time, epoch: z.int(), state: z.string(), text: z.string() })),
});

/** Who made the bundle: the only document that differs between two bundles of the same migration. */
export const exportDocumentSchema = z.strictObject({
  version,
  exportedAt: time,
  exporter: operatorSchema,
  program: programSchema,
  stack: z.string(),
  /** SHA-256 of all lines of SHA256SUMS but this document's. */
  contents: hexDigest,
});

/** The documents of a bundle by file name, with the schema of each. */
export const documentSchemas = {
  "evidence.json": evidenceSchema,
  "configuration.json": configurationDocumentSchema,
  "plan.json": planDocumentSchema,
  "gate.json": gateDocumentSchema,
  "journal.json": journalDocumentSchema,
  "events.json": eventsDocumentSchema,
  "export.json": exportDocumentSchema,
} as const;

export type DocumentName = keyof typeof documentSchemas;
export type Documents = { readonly [Name in DocumentName]: z.infer<(typeof documentSchemas)[Name]> };
export type Evidence = Documents["evidence.json"];

/** The same schemas as JSON Schema (draft 2020-12), for whoever reads a bundle without this program. */
export function jsonSchemas(): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(documentSchemas).map(([name, schema]) => [name, z.toJSONSchema(schema)]),
  );
}
