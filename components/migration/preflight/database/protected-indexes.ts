import type { ClientBase } from "pg";
import type { Finding } from "../../finding.ts";
import { findingsOf } from "../definitions.ts";

export const protectedIndexDefinitions = {
  PROTECTED_INDEX_INVALID: {
    severity: "warning",
    acceptable: false,
    remedy:
      "REINDEX it yourself, before the cutover or after: nothing in a protected schema is repaired for you.",
  },
} as const;

const found = findingsOf(protectedIndexDefinitions);

/** Indexes of the protected schemas that are damaged already: the cutover neither made nor mends that. */
export async function readInvalidProtectedIndexes(
  client: ClientBase,
  protectedSchemas: readonly string[],
): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT n.nspname || '.' || c.relname AS name
       FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = ANY ($1::text[]) AND NOT (i.indisvalid AND i.indisready) ORDER BY 1`,
    [protectedSchemas],
  );
  return rows.map(({ name }) => name);
}

export function checkProtectedIndexes(invalid: readonly string[]): Finding[] {
  return invalid.map((index) =>
    found(
      "PROTECTED_INDEX_INVALID",
      index,
      "This index of a protected schema is invalid and not used, before anything was done.",
    ),
  );
}
