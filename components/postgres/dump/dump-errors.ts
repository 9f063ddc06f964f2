import { CutoverError } from "../../errors.ts";
import type { ConnectionTarget } from "../connection.ts";

/**
 * What a pg_dump that ended with an error means for the operator.
 *
 * @param output what the program wrote to its standard error
 */
export function dumpFailed(source: ConnectionTarget, output: string): CutoverError {
  const headline = headlineOf(output);
  const { code, remedy } = knownFailures.find(({ pattern }) => pattern.test(headline)) ?? unknownFailure;
  return new CutoverError({
    code,
    message: `The schema of the ${source.label} database cannot be read: ${headline.replaceAll(source.password || "\0", "[redacted]")}.`,
    remedy,
  });
}

/** How long a dump had run when its time was up, and for how long its server had said nothing. */
export interface ElapsedDump {
  readonly client: { readonly kind: "installed" | "wasm"; readonly version: string };
  readonly timeoutMs: number;
  /** `undefined` where it cannot be known. */
  readonly silentMs: number | undefined;
}

export function dumpTimedOut({ client, timeoutMs, silentMs }: ElapsedDump): CutoverError {
  const isStalled = silentMs !== undefined && silentMs > timeoutMs / 2;
  const silence =
    silentMs === undefined ? "" : `; the server had sent nothing for ${Math.round(silentMs)} ms`;
  return new CutoverError({
    code: "DUMP_TIMEOUT",
    message: `Reading the source's schema with pg_dump ${client.version} (${client.kind}) took longer than ${timeoutMs} ms${silence}.`,
    remedy:
      client.kind === "installed" || isStalled
        ? "Look for a session that holds a table or the catalogue locked on the source (in pg_stat_activity, wait_event_type is Lock for whoever waits), and check the network path."
        : "Install PostgreSQL's own client programs on this machine, which are faster, or run nearer to the source.",
  });
}

/** Only the headline: what follows may quote the query. The WebAssembly client's lines come without line breaks. */
function headlineOf(output: string): string {
  const match = /pg_dump: error: (.*?)(?=pg_dump: |DETAIL: |HINT: |CONTEXT: |\n|$)/s.exec(output);
  return match?.[1]?.trim() || "pg_dump gave no reason";
}

const unknownFailure = {
  code: "DUMP_FAILED",
  remedy: "Give the source's user the right to read every object of the moved schemas, then run again.",
};

const knownFailures: ReadonlyArray<{ pattern: RegExp; code: string; remedy: string }> = [
  {
    pattern: /no matching schemas/,
    code: "DUMP_SCHEMA_MISSING",
    remedy: "Correct the list of schemas in the configuration.",
  },
  {
    // pg_dump locks every table that it reads, all in one transaction.
    pattern: /out of shared memory/,
    code: "DUMP_LOCKS_EXHAUSTED",
    remedy: "Raise max_locks_per_transaction on the source, restart it, then run again.",
  },
  {
    pattern:
      /terminating connection|server closed the connection|connection to server .* failed|could not receive data/,
    code: "DUMP_CONNECTION_LOST",
    remedy: "Check the source service's logs and the network path, then run again; nothing was changed.",
  },
  {
    pattern: /^out of memory/,
    code: "DUMP_CLIENT_CRASHED",
    remedy:
      "Run on a machine with more memory; if the client was the built-in one, install PostgreSQL's own programs.",
  },
];
