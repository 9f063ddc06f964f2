import { quoteIdentifier } from "../identifiers.ts";

/** What pg_dump is asked for, without anything about the connection. */
export function dumpArguments(schemas: readonly string[], snapshot: string): string[] {
  return [
    "--schema-only",
    "--no-tablespaces",
    "--no-publications",
    "--no-subscriptions",
    // A label is refused where its provider is not loaded; the preflight names each, and the gate misses it.
    "--no-security-labels",
    // The server writes views and the like itself, and an older one knows fewer of the names that are reserved by now.
    "--quote-all-identifiers",
    "--strict-names",
    `--snapshot=${snapshot}`,
    // A pattern's double-quoted part stands for itself, as psql's \d takes it.
    ...schemas.map((schema) => `--schema=${quoteIdentifier(schema)}`),
  ];
}
