import { expect, test } from "vitest";
import type { ConnectionTarget } from "../../../components/postgres/connection.ts";
import { dumpFailed, dumpTimedOut } from "../../../components/postgres/dump/dump-errors.ts";

const source: ConnectionTarget = {
  ...{ label: "source", host: "db", port: 5432, database: "railway", user: "u", password: "s3cret" },
  tls: "off",
};

/** The built-in client's output has no line breaks. */
test.each([
  ['pg_dump: error: no matching schemas were found for pattern ""absent""\n', "DUMP_SCHEMA_MISSING"],
  [
    "pg_dump failed with exit code 1. \nError message: pg_dump: error: query failed: ERROR:  out of shared memoryHINT:  You might need to increase max_locks_per_transaction.pg_dump: detail: Query was: LOCK TABLE public.a",
    "DUMP_LOCKS_EXHAUSTED",
  ],
  [
    "pg_dump: error: query failed: FATAL:  terminating connection due to administrator command\nserver closed the connection unexpectedly\n",
    "DUMP_CONNECTION_LOST",
  ],
  [
    'pg_dump: error: connection to server at "10.0.0.1", port 5432 failed: timeout expired\n',
    "DUMP_CONNECTION_LOST",
  ],
  ["pg_dump: error: out of memory\n", "DUMP_CLIENT_CRASHED"],
  ["pg_dump: error: query failed: ERROR:  permission denied for table patient\n", "DUMP_FAILED"],
  ["", "DUMP_FAILED"],
])("%s is %s", (output, code) => {
  expect(dumpFailed(source, output)).toMatchObject({ code });
});

test("quotes the headline, and neither query, hint nor password", () => {
  const { message } = dumpFailed(
    source,
    "pg_dump: error: query failed: ERROR:  s3cret is denied HINT:  a hintpg_dump: detail: Query was: SELECT 1",
  );
  expect(message).toBe(
    "The schema of the source database cannot be read: query failed: ERROR:  [redacted] is denied.",
  );
});

test("a time limit that passed in silence is the server's, else the client's", () => {
  const client = { kind: "wasm", version: "18.3" } as const;
  const silent = dumpTimedOut({ client, timeoutMs: 1_000, silentMs: 900 });
  expect(silent.message).toContain("the server had sent nothing for 900 ms");
  expect(silent.remedy).toMatch(/^Look for a session that holds a table or the catalogue locked/);
  const busy = dumpTimedOut({ client, timeoutMs: 1_000, silentMs: 20 });
  expect(busy.remedy).toMatch(/^Install PostgreSQL's own client programs/);
  const installed = dumpTimedOut({
    client: { kind: "installed", version: "17.1" },
    timeoutMs: 1_000,
    silentMs: undefined,
  });
  expect(installed.message).not.toContain("sent nothing");
  expect(installed.remedy).toMatch(/^Look for a session/);
});
