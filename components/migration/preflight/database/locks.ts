import type { ClientBase } from "pg";
import type { Finding } from "../../finding.ts";
import { findingsOf } from "../definitions.ts";
import type { ServerFacts } from "./server.ts";

/** How many relations one transaction has to lock; each takes a place in the server's shared lock table. */
export interface LockNeeds {
  /** On the source: every table, and the indexes of those that are read. */
  readonly copying: number;
  /** On the target, where an abort drops everything in one transaction: sequences, views and TOAST as well. */
  readonly dropping: number;
}

export const lockDefinitions = {
  LOCK_TABLE_TOO_SMALL: {
    severity: "blocker",
    acceptable: true,
    remedy: "Raise max_locks_per_transaction on this server and restart it.",
  },
} as const;

const found = findingsOf(lockDefinitions);

/** Other sessions need locks, too. */
const usableShare = 0.8;

export async function readLockNeeds(client: ClientBase, schemas: readonly string[]): Promise<LockNeeds> {
  const { rows } = await client.query<LockNeeds>(lockNeedsQuery, [schemas]);
  return rows[0] as LockNeeds;
}

/** Whether one transaction can lock what it must: "out of shared memory" would strike in the middle of it. */
export function checkLockTable(side: "source" | "target", server: ServerFacts, needs: LockNeeds): Finding[] {
  const needed = side === "source" ? needs.copying : needs.dropping;
  if (needed <= server.lockCapacity * usableShare) return [];
  return [
    found(
      "LOCK_TABLE_TOO_SMALL",
      side,
      `About ${needed} locks are needed in one transaction, and the server's lock table holds ${server.lockCapacity}.`,
    ),
  ];
}

const lockNeedsQuery = `
  WITH relation AS (
    SELECT c.relkind, c.reltoastrelid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = ANY ($1::text[]) AND c.relkind <> 'c'
  )
  SELECT count(*) FILTER (WHERE relkind IN ('r', 'p', 'm', 'v', 'i', 'I'))::int AS copying,
         (count(*) + 2 * count(*) FILTER (WHERE reltoastrelid <> 0))::int AS dropping
    FROM relation`;
