import { quoteLiteral } from "./identifiers.ts";

/** SQL that begins a read-only transaction with one view of the database: its own, or an exported snapshot's. */
export function readOnlyTransaction(snapshot?: string): string {
  const begin = "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY";
  return snapshot === undefined ? begin : `${begin}; SET TRANSACTION SNAPSHOT ${quoteLiteral(snapshot)}`;
}
