import type pg from "pg";
import { quoteLiteral } from "./identifiers.ts";
import { inTurn } from "./in-turn.ts";

/** SQL that begins a read-only transaction with one view of the database: its own, or an exported snapshot's. */
export function readOnlyTransaction(snapshot?: string): string {
  const begin = "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY";
  return snapshot === undefined ? begin : `${begin}; SET TRANSACTION SNAPSHOT ${quoteLiteral(snapshot)}`;
}

/**
 * Begins a read-only transaction and exports its view of the database, which other sessions can read under as long as the
 * transaction lasts.
 *
 * @returns the snapshot's name
 */
export async function beginExportingSnapshot(client: pg.Client): Promise<string> {
  const [, { rows }] = await inTurn(client, [
    () => client.query(readOnlyTransaction()),
    () => client.query<{ snapshot: string }>("SELECT pg_catalog.pg_export_snapshot() AS snapshot"),
  ]);
  return (rows[0] as { snapshot: string }).snapshot;
}
