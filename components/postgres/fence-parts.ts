import type pg from "pg";
import { quoteIdentifier } from "./identifiers.ts";

/** A relation that carries the fence: a table or a partition. */
export interface FencedTable {
  readonly schema: string;
  readonly name: string;
}

export const fenceTriggerName = "pgvector_cutover_fence";

export const eventTriggerNames = ["pgvector_cutover_ddl", "pgvector_cutover_drop"];

export async function dropEventTriggers(client: pg.Client): Promise<void> {
  for (const name of eventTriggerNames)
    await client.query(`drop event trigger if exists ${quoteIdentifier(name)}`);
}
