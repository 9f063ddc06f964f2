import { quoteIdentifier, quoteLiteral } from "../../postgres/identifiers.ts";

/**
 * DDL of a table of the journal on the target: one row for each thing that is done there, with the epoch of the run that owns it,
 * its state, and everything else. The index refuses a second one that is in none of the `over` states. Safe to repeat.
 */
export function journalTable(name: string, over: readonly string[]): string {
  const table = `pgvector_cutover.${quoteIdentifier(name)}`;
  return `
    create schema if not exists pgvector_cutover;
    revoke all on schema pgvector_cutover from public;
    create table if not exists ${table} (
      id text primary key,
      epoch bigint not null,
      state text not null,
      record jsonb not null,
      started_at timestamptz not null default now(),
      updated_at timestamptz not null default now()
    );
    create unique index if not exists ${quoteIdentifier(`${name}_live`)} on ${table} ((true))
      where state not in (${over.map(quoteLiteral).join(", ")});`;
}
