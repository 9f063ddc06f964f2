import { type DumpClient, describeDumpClient } from "../../postgres/dump.ts";
import type { Finding } from "../finding.ts";
import { findingsOf } from "./definitions.ts";

export const dumpClientDefinitions = {
  DUMP_CLIENT_MISSING: {
    severity: "blocker",
    acceptable: false,
    remedy:
      "Install PostgreSQL's client programs of at least the newer server's major version on this machine.",
  },
} as const;

const found = findingsOf(dumpClientDefinitions);

/** Finds the pg_dump that would read the schema; one older than either server refuses or misreads it. */
export async function checkDumpClient(
  minimumMajor: number,
  findings: Finding[],
): Promise<DumpClient | undefined> {
  const answer = await describeDumpClient(minimumMajor);
  if (answer.ok) return answer.client;
  findings.push(found("DUMP_CLIENT_MISSING", "this machine", answer.error.message, answer.error.remedy));
  return undefined;
}
