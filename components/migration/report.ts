import { z } from "zod";
import { CutoverError } from "../errors.ts";
import { withConnection } from "../postgres/connection.ts";
import type { Railway } from "../railway/railway.ts";
import { reference } from "../railway/references.ts";
import { readPrimary } from "./decide/primary.ts";
import { gateReportSchema } from "./gate/report.ts";
import type { MigrationInputs } from "./inputs.ts";
import { backupsRecordSchema } from "./journal/backup-record.ts";
import { type JournalEntry, readEvents } from "./journal/journal.ts";
import { type MigrationState, migrationStates, type PreviousValue } from "./journal/record.ts";

/** What became of one migration, as the journal tells it. Plain data without secrets, values, hashes or row content. */
export const reportSchema = z.object({
  version: z.literal(1),
  id: z.string(),
  project: z.string(),
  environment: z.string(),
  state: z.enum(migrationStates),
  source: z.string(),
  target: z.string(),
  /** How both were reached, in words; `null` where the journal was written by a version that did not note it. */
  transport: z.object({ source: z.string(), target: z.string() }).nullable(),
  schemas: z.array(z.string()),
  protectedSchemas: z.array(z.string()),
  /** By the clock of the machine that ran it; `null` where it did not come so far, or the journal does not tell. */
  times: z.object({
    pausedAt: z.iso.datetime().nullable(),
    fencedAt: z.iso.datetime().nullable(),
    promotedAt: z.iso.datetime().nullable(),
  }),
  /** From the first lock to the promotion; `null` without one. */
  writePauseMs: z.number().nullable(),
  /** Railway's volume backups from before the pause; `null` where the journal was written by a version that made none. */
  backups: backupsRecordSchema.nullable(),
  /** Why it was put back; `null` unless it was. */
  reason: z.string().nullable(),
  /** `null` where the copy was never found equal. */
  moved: z
    .object({
      copiedBytes: z.number(),
      /** As many as a bigint holds. */
      rows: z.string(),
      tables: z.array(
        z.object({
          schema: z.string(),
          name: z.string(),
          rows: z.string(),
          /** `false` where a hook changed the copy and the difference was accepted. */
          equal: z.boolean(),
        }),
      ),
    })
    .nullable(),
  /** `null` where the copy was never found equal, or the journal was written by a version that kept no verdict. */
  gate: gateReportSchema
    .pick({ verdict: true, compared: true, differences: true, writtenByOthers: true })
    .nullable(),
  services: z.array(
    z.object({
      name: z.string(),
      variables: z.array(z.object({ name: z.string(), from: z.string(), to: z.string() })),
      replaces: z.array(z.string()),
      askedAt: z.iso.datetime().nullable(),
      deploymentId: z.string().nullable(),
      provenAt: z.iso.datetime().nullable(),
    }),
  ),
  /** The journal's history, oldest first, by the target server's clock. */
  events: z.array(z.object({ at: z.iso.datetime(), state: z.string(), text: z.string() })),
});

export type Report = z.infer<typeof reportSchema>;

/**
 * Reads the newest migration's report from the journal in the target. Reads only, and never needs the source.
 *
 * @throws CutoverError `NOTHING_TO_REPORT`, and those of reaching Railway and the target
 */
export async function readReport(railway: Railway, inputs: MigrationInputs): Promise<Report> {
  const { entry, scope, target } = await readPrimary(railway, inputs);
  if (entry === undefined) {
    throw nothingToReport(target.service.name);
  }
  const events = await withConnection(target.connection, { purpose: "report", readOnly: true }, (client) =>
    readEvents(client, entry.id),
  );
  return makeReport(entry, events, { project: scope.projectName, environment: scope.environmentName });
}

/** Turns a journal's row and history into a report. Pure. */
export function makeReport(
  { id, record }: JournalEntry,
  events: Report["events"],
  where: Pick<Report, "project" | "environment">,
): Report {
  const { context } = record;
  const fence = "fence" in record ? record.fence : null;
  const promotion = "promotion" in record ? record.promotion : null;
  const to = reference(context.target.serviceName, "DATABASE_URL");
  return reportSchema.parse({
    version: 1,
    id,
    ...where,
    state: record.state,
    source: context.source.serviceName,
    target: context.target.serviceName,
    transport: context.transport ?? null,
    schemas: context.schemas,
    protectedSchemas: context.protectedSchemas,
    times: {
      pausedAt: fence?.pausedAt ?? null,
      fencedAt: fence?.fencedAt ?? null,
      promotedAt: promotion?.promotedAt ?? null,
    },
    writePauseMs: promotion?.writePauseMs ?? null,
    backups: record.load.backups ?? null,
    reason: "reason" in record ? record.reason : null,
    moved:
      fence === null
        ? null
        : {
            copiedBytes: fence.copiedBytes,
            rows: String(fence.tables.reduce((total, { source }) => total + BigInt(source.rows), 0n)),
            tables: fence.tables.map(({ schema, name, source, target }) => ({
              schema,
              name,
              rows: source.rows,
              equal: target !== null,
            })),
          },
    gate: fence?.gate ?? null,
    services: Object.entries(fence?.services ?? {}).map(([name, service]) => ({
      name,
      variables: Object.entries(service.previous).map(([variable, previous]) => ({
        name: variable,
        from: describePrevious(previous),
        to,
      })),
      replaces: service.replaces,
      askedAt: service.askedAt ?? null,
      deploymentId: service.deploymentId,
      provenAt: service.provenAt,
    })),
    events,
  } satisfies Report);
}

/** The same without the tables and their row counts, which can tell much about a clinic; totals stay. */
export function totalsOf(report: Report): Report {
  return { ...report, moved: report.moved && { ...report.moved, tables: [] } };
}

/** There is no journal, or it is empty. */
export function nothingToReport(target: string): CutoverError {
  return new CutoverError({
    code: "NOTHING_TO_REPORT",
    message: `${target} holds no journal of a migration: none has begun.`,
    remedy: "`npm run plan` shows what a cutover would do; the report is for afterwards.",
  });
}

/** Whether the target became the application's database. */
export function isPromoted(state: MigrationState): boolean {
  return state === "promoted" || state === "finished";
}

function describePrevious(previous: PreviousValue): string {
  switch (previous.kind) {
    case "absent":
      return "(no such variable)";
    case "reference":
      return previous.text;
    case "literal":
      return "a value of its own, kept encrypted";
    default:
      return previous satisfies never;
  }
}
