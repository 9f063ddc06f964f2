import type { ClientBase, QueryResult } from "pg";
import { quoteLiteral } from "./identifiers.ts";

const answerSetting = "pgvector_cutover.answer";

/**
 * What a PL/pgSQL block raises, and catches, at the end of each of its looks, so that locks and settings are given back. Of a
 * class that PostgreSQL leaves to applications.
 */
export const isLookedAt = "UB000";

/** The statement by which such a block answers. @param json an SQL expression */
export function answerWith(json: string): string {
  return `PERFORM set_config('${answerSetting}', (${json})::text, true);`;
}

/**
 * Runs a PL/pgSQL block, in which each of many looks may fail for itself, and returns its answer. DO has none of its own: it is
 * left in a setting of the transaction by {@link answerWith}.
 *
 * @param before statements in the same transaction, such as SET LOCAL
 */
export async function askBlock<Answer>(
  client: ClientBase,
  block: string,
  before: readonly string[] = [],
): Promise<Answer> {
  const statements = [
    ...before,
    `DO ${quoteLiteral(block)}`,
    `SELECT current_setting('${answerSetting}') AS answer`,
  ];
  // Several statements in one text are one transaction, and answered by a list.
  const results = (await client.query(statements.join("; "))) as unknown as QueryResult[];
  return JSON.parse(results.at(-1)?.rows[0].answer);
}
