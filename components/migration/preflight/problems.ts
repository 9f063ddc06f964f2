import { CutoverError, describeError, sqlState } from "../../errors.ts";
import type { Finding } from "../finding.ts";
import { findingsOf } from "./definitions.ts";

/** Failures of the modules below that a preflight reports as findings under the same code, with their own remedy. */
export const problemDefinitions = {
  SERVER_UNREACHABLE: unchecked("Check the service and the transport, then run again."),
  CONNECTION_FAILED: unchecked("Check the service on Railway, then run again."),
  TOO_MANY_CONNECTIONS: unchecked("Close sessions or raise max_connections, then run again."),
  WRONG_PASSWORD: blocker("Compare the service's password variable on Railway with the server's."),
  TLS_NOT_OFFERED: blocker(
    "Give the server a certificate, or reach it through the private network or a tunnel.",
  ),
  CERTIFICATE_NOT_PINNED: blocker(
    "Compare the certificate with the server's own, and write its fingerprint down.",
  ),
  CERTIFICATE_CHANGED: blocker(
    "Compare the certificate with the server's own, and pin the new one if they are equal.",
  ),
  PRIVATE_URL_NOT_PRIVATE: blocker("Set the service's DATABASE_URL to its private host."),
  URL_INVALID: blocker("Check the rendered URL among the service's variables on Railway."),
  DATABASE_NOT_FOUND: blocker("Check the database name in the service's URL."),
  DATABASE_SEALED: blocker("`npm run status` says whether a cutover sealed it, and what comes next."),
  PROJECT_NOT_FOUND: blocker("Correct `project`, or use a token that sees the project."),
  PROJECT_AMBIGUOUS: blocker("Name the project by its id."),
  ENVIRONMENT_NOT_FOUND: blocker("Correct `environment`, or use a token that sees it."),
  ENVIRONMENT_AMBIGUOUS: blocker("Name the environment by its id."),
  RAILWAY_NOT_AUTHORIZED: blocker("Use a token of the named kind that has access to this environment."),
  RAILWAY_NOT_FOUND: blocker("Check that the object still exists in this environment."),
  RAILWAY_TOKEN_OF_OTHER_ENVIRONMENT: blocker("Use a project token of the configured environment."),
  RAILWAY_SCHEMA_CHANGED: blocker("Run `npm run check-schema`, then update the project."),
  RAILWAY_ANSWER_UNEXPECTED: blocker("Run `npm run check-schema`, then update the project."),
  RAILWAY_REQUEST_FAILED: unchecked("Look at status.railway.com, then run again."),
  RAILWAY_UNREACHABLE: unchecked("Check the network and status.railway.com, then run again."),
  RAILWAY_RATE_LIMITED: unchecked("Wait for the reset, then run again."),
  CHECK_FAILED: unchecked("Run again; if it stays, look at the server's log for the named SQLSTATE."),
} as const;

const found = findingsOf(problemDefinitions);

/**
 * Runs one look-up; what it throws becomes a finding about `object`, and the result is `undefined`.
 *
 * @param toFinding which one
 */
export async function attempt<Result>(
  findings: Finding[],
  object: string,
  look: () => Promise<Result>,
  toFinding: (object: string, error: unknown) => Finding = problem,
): Promise<Result | undefined> {
  try {
    return await look();
  } catch (error) {
    findings.push(toFinding(object, error));
    return undefined;
  }
}

/** The finding for a failed look-up. Its text comes from a typed error or is a bare SQLSTATE, so it is safe to print. */
export function problem(object: string, error: unknown): Finding {
  // A pooler such as PgBouncer refuses the start-up settings that every session of ours pins, as a protocol violation.
  if (error instanceof CutoverError && sqlState(error.cause) === "08P01") {
    return {
      code: "POOLER_IN_BETWEEN",
      severity: "blocker",
      object,
      why: "What answers refuses the session's start-up settings, as connection poolers do.",
      remedy:
        "Use the server's own URL: session settings, advisory locks and exported snapshots do not survive a pooler.",
    };
  }
  if (error instanceof CutoverError && error.code in problemDefinitions) {
    return found(error.code as keyof typeof problemDefinitions, object, error.message, error.remedy);
  }
  if (error instanceof CutoverError) return found("CHECK_FAILED", object, error.message, error.remedy);
  return found("CHECK_FAILED", object, `A check could not be carried out: ${describeError(error)}.`);
}

function unchecked(remedy: string) {
  return { severity: "unchecked", acceptable: false, remedy } as const;
}

function blocker(remedy: string) {
  return { severity: "blocker", acceptable: false, remedy } as const;
}
