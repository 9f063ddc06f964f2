import type { JournalEntry, JournalEvent } from "../journal/journal.ts";
import type { MigrationRecord } from "../journal/record.ts";
import { isPromoted, makeReport, type Report } from "../report.ts";
import { evidenceSentences } from "../retirement/evidence.ts";
import type { Documents, Evidence } from "./documents.ts";
import { digestOf } from "./fingerprint-digest.ts";
import type { RunNote } from "./run-note.ts";

/** Names for a record that keeps only ids. */
export type Where = Pick<Report, "project" | "environment">;

/** What the journal tells of one migration, as documents: the same for the same journal. Pure. */
export interface Assembled {
  readonly documents: Omit<Documents, "export.json">;
  readonly report: Report;
}

/**
 * Turns a journal's row and history into the documents of a bundle.
 *
 * @param where as the project and environment are called now, for a record that did not note it
 */
export function assemble(entry: JournalEntry, events: readonly JournalEvent[], where: Where): Assembled {
  const { record, id, epoch, updatedAt } = entry;
  const { context } = record;
  const report = makeReport(entry, [...events], namesOf(record) ?? where);
  const runs = withSettings(context.runs ?? []);
  const fence = "fence" in record ? record.fence : null;
  const promotion = "promotion" in record ? record.promotion : null;
  return {
    report,
    documents: {
      "evidence.json": summarise(record, report),
      "configuration.json": {
        version: 1,
        runs: runs.map(({ epoch: run, configuration: { sha256, settings } }) => ({
          epoch: run,
          sha256,
          settings,
        })),
      },
      "plan.json": { version: 1, preflight: context.preflight ?? null },
      "gate.json": {
        version: 1,
        report: verdictOf(record),
        tables: fence?.tables ?? [],
        sequences: promotion?.sequences ?? null,
        sourceCatalogue: fence?.sourceCatalogue ?? null,
        copiedBytes: fence?.copiedBytes ?? null,
      },
      "journal.json": { version: 1, id, epoch, updatedAt, record: withoutLiterals(record) },
      "events.json": { version: 1, events: events.map((event) => ({ ...event })) },
    },
  };
}

function summarise(record: MigrationRecord, report: Report): Evidence {
  const { context, load, state } = record;
  const fence = "fence" in record ? record.fence : null;
  const promotion = "promotion" in record ? record.promotion : null;
  const { preflight, runs = [] } = context;
  const notedOfLoad: Readonly<Record<string, unknown>> = load;
  const verdict = verdictOf(record);
  return {
    version: 1,
    migration: report.id,
    state,
    outcome: isPromoted(state) ? "promoted" : state === "aborted" ? "put back" : "unfinished",
    reason: report.reason,
    project: { id: context.project, name: report.project },
    environment: { id: context.environment, name: report.environment },
    source: { ...context.source, version: preflight?.source.version ?? null },
    target: { ...context.target, version: preflight?.target.version ?? null },
    schemas: context.schemas,
    protectedSchemas: context.protectedSchemas,
    times: {
      startedAt: context.startedAt,
      fencedAt: report.times.fencedAt,
      promotedAt: report.times.promotedAt,
    },
    pause: pauseOf(record),
    runs: runs.map(({ configuration, ...run }) => ({ ...run, configuration: configuration.sha256 })),
    dumpClient: preflight?.dumpClient ?? null,
    backups: (notedOfLoad.backups ?? null) as Evidence["backups"],
    gate:
      verdict === null
        ? null
        : {
            verdict: verdict.verdict,
            tables: verdict.compared.tables,
            rows: report.moved?.rows ?? "0",
            accepted: verdict.differences.filter(({ accepted }) => accepted !== null).length,
            notAccepted: verdict.differences.filter(({ accepted }) => accepted === null).length,
          },
    protected: {
      before: digestOf(load.protectedBefore),
      after: promotion?.protectedAfter ?? null,
      writtenByOthers: promotion?.protectedWritten ?? verdict?.writtenByOthers ?? [],
    },
    services: report.services.map((service) => ({
      ...service,
      serviceId: fence?.services[service.name]?.serviceId ?? "",
      proof: fence?.services[service.name]?.proof ?? null,
    })),
    restored: ("restored" in record ? record.restored : undefined) ?? null,
    oldDatabase:
      "retirement" in record && record.retirement !== undefined
        ? evidenceSentences(record.retirement, context.source.serviceName)
        : [],
    notRecorded: gapsOf(record),
  };
}

/** The names that the run's own plan had; a project may have been renamed since. */
function namesOf({ context }: MigrationRecord): Where | undefined {
  const { project, environment } = context.preflight?.plan ?? {};
  return typeof project === "string" && typeof environment === "string"
    ? { project, environment }
    : undefined;
}

function verdictOf(record: MigrationRecord): Documents["gate.json"]["report"] {
  return ("fence" in record ? record.fence?.gate : null) ?? ("gate" in record ? record.gate : null) ?? null;
}

/** A record of an earlier version that never came to the fence was written right after the locks. */
function pauseOf(record: MigrationRecord): Evidence["pause"] {
  const from =
    ("fence" in record ? record.fence?.pausedAt : undefined) ??
    record.load.pausedAt ??
    record.context.startedAt;
  const to =
    ("promotion" in record ? record.promotion.promotedAt : undefined) ??
    ("restored" in record ? record.restored?.sourceOpenedAt : undefined) ??
    null;
  return { from, to, lengthMs: to === null ? null : Date.parse(to) - Date.parse(from) };
}

/** Each run with its settings written out, where the journal only says that they are the former run's. */
function withSettings(
  runs: readonly RunNote[],
): (RunNote & { configuration: { settings: NonNullable<RunNote["configuration"]["settings"]> } })[] {
  let settings: NonNullable<RunNote["configuration"]["settings"]> = {};
  return runs.map((run) => {
    settings = run.configuration.settings ?? settings;
    return { ...run, configuration: { ...run.configuration, settings } };
  });
}

/** What a variable held that was no reference stays in the journal, encrypted. */
function withoutLiterals(record: MigrationRecord): Documents["journal.json"]["record"] {
  const isLiteral = (value: unknown): value is { kind: "literal" } =>
    typeof value === "object" && value !== null && "encrypted" in value;
  return JSON.parse(
    JSON.stringify(record, (_key, value: unknown) => (isLiteral(value) ? { kind: "literal" } : value)),
  );
}

function gapsOf(record: MigrationRecord): string[] {
  const { context } = record;
  const fence = "fence" in record ? record.fence : null;
  const promotion = "promotion" in record ? record.promotion : null;
  const gaps: [boolean, string][] = [
    [context.runs === undefined, "who ran it, with what program and by which configuration"],
    [context.preflight === undefined, "the plan, the preflight's findings and the servers' versions"],
    [fence !== null && fence.gate === undefined, "the gate's verdict beyond the tables"],
    [promotion !== null && promotion.sequences === undefined, "where the sequences stood"],
    [
      promotion !== null && promotion.protectedAfter === undefined,
      "the protected schemas' fingerprint afterwards",
    ],
    [
      Object.values(fence?.services ?? {}).some(
        ({ provenAt, proof }) => provenAt !== null && proof === undefined,
      ),
      "health and sessions of the services",
    ],
    [record.state === "aborted" && record.restored === undefined, "what was put back"],
  ];
  return gaps.filter(([isMissing]) => isMissing).map(([, what]) => what);
}
