import { describeError } from "../errors.ts";
import { withConnection } from "../postgres/connection.ts";
import type { Railway } from "../railway/railway.ts";
import { decideNext, type SourceObservation } from "./decide.ts";
import { isRunActive } from "./exclusion.ts";
import type { MigrationInputs } from "./inputs.ts";
import { type JournalEntry, readEvents } from "./journal.ts";
import { observeSource } from "./observe.ts";
import { readPrimary } from "./primary.ts";
import { resolveDatabase } from "./resolve.ts";

/** What state things are in, for one screen. Holds no secret. */
export interface Status {
  readonly migration: { readonly id: string; readonly state: string; readonly since: string } | null;
  /** Who accepts the application's writes now. */
  readonly writesGoTo: string;
  readonly source: string;
  readonly runActive: boolean;
  readonly services: ReadonlyArray<{ readonly name: string; readonly state: string }>;
  readonly history: ReadonlyArray<{ readonly at: string; readonly text: string }>;
  /** The exact next command, and why. */
  readonly next: string;
}

/** Looks at the journal, the source and the services. Reads only, and says what it could not see. */
export async function readStatus(railway: Railway, inputs: MigrationInputs): Promise<Status> {
  const { entry, scope, target } = await readPrimary(railway, inputs);
  const { runActive, history } = await withConnection(
    target.connection,
    { purpose: "status", readOnly: true },
    async (client) => ({
      runActive: await isRunActive(client),
      history: entry === undefined ? [] : await readEvents(client, entry.id),
    }),
  );
  let observed: SourceObservation | null = null;
  let source = "";
  try {
    observed = await observeSource(await resolveDatabase(railway, scope, inputs, "source"), inputs.schemas);
    source = describeSource(observed);
  } catch (error) {
    source = `could not be looked at (${describeError(error)})`;
  }
  return {
    migration:
      entry === undefined ? null : { id: entry.id, state: entry.record.state, since: entry.updatedAt },
    writesGoTo: describeWriter(entry, observed, inputs),
    source,
    runActive,
    services: describeServices(entry),
    history: history.slice(-8).map(({ at, state, text }) => ({ at, text: `${state}: ${text}` })),
    next: describeNext(entry, observed, runActive),
  };
}

function describeSource({ sealed, witness, fenceUnbroken }: SourceObservation): string {
  if (sealed) return "sealed: it accepts no connections";
  if (witness !== null)
    return `fenced by migration ${witness.migrationId}${fenceUnbroken === true ? "" : ", but the fence is not whole"}`;
  return "open: neither fenced nor sealed";
}

function describeWriter(
  entry: JournalEntry | undefined,
  observed: SourceObservation | null,
  inputs: MigrationInputs,
): string {
  const state = entry?.record.state;
  if (state === "promoted" || state === "finished") return inputs.target;
  if (observed === null) return "unknown: the source could not be looked at";
  if (observed.sealed || observed.witness !== null) return "nobody: writes are paused, reads go on";
  return inputs.source;
}

function describeServices(entry: JournalEntry | undefined): Status["services"] {
  const record = entry?.record;
  // Once put back, what the attempt had reached says nothing about the services any more.
  if (record === undefined || record.state === "aborted" || !("fence" in record) || record.fence === null)
    return [];
  return Object.entries(record.fence.services).map(([name, { provenAt, deploymentId, startedAt }]) => ({
    name,
    state: describeStage(provenAt, deploymentId, startedAt),
  }));
}

function describeStage(
  provenAt: string | null,
  deploymentId: string | null,
  startedAt: string | null,
): string {
  if (provenAt !== null) return `proven on the target at ${provenAt}`;
  if (deploymentId !== null) return `deployment ${deploymentId} under way`;
  return startedAt === null ? "not touched" : "being pointed at the target";
}

function describeNext(
  entry: JournalEntry | undefined,
  observed: SourceObservation | null,
  runActive: boolean,
): string {
  if (runActive) return "wait: a run is at work";
  const decision = decideNext(entry, observed);
  switch (decision.action) {
    case "start":
      return "pulumi preview, then pulumi up (phase: cutover)";
    case "go-on":
      return `pulumi up goes on (${decision.why}); npm run abort puts everything back`;
    case "put-back":
      return `pulumi up puts back and starts afresh (${decision.why}); npm run abort only puts back`;
    case "finish":
      return `pulumi up (${decision.why})`;
    case "nothing":
      return "nothing to do; later legacyPostgres: stop, then remove";
    case "refuse":
      return `${decision.why}. ${decision.remedy}`;
    default:
      return decision satisfies never;
  }
}
