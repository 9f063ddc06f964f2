import { makePlan } from "../plan.ts";
import type { DatabaseObservation } from "../preflight/database/observe.ts";
import type { PreflightResult } from "../preflight/run-preflight.ts";
import type { PreflightNote } from "./run-note.ts";

/** What the preflight saw, for the journal: the plan, and the versions of the servers. Pure. */
export function notePreflight(result: PreflightResult): PreflightNote {
  const { facts } = result;
  const plan = makePlan(result);
  return {
    plan: JSON.parse(JSON.stringify(plan)),
    source: noteServer(facts.source),
    target: noteServer(facts.target),
    dumpClient: plan.dumpClient,
  };
}

function noteServer(seen: DatabaseObservation | undefined): PreflightNote["source"] {
  const number = seen?.server?.versionNumber;
  return {
    // From 10 on: major * 10000 + minor (PostgreSQL manual, server_version_num).
    version: number === undefined ? "unknown" : `${Math.floor(number / 10_000)}.${number % 10_000}`,
    extensions: [...(seen?.extensions?.installed ?? [])],
  };
}
