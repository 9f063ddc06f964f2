import { quoteIdentifier, quoteLiteral } from "../identifiers.ts";

/** A relation that carries the fence: a table or a partition. */
export interface FencedTable {
  readonly schema: string;
  readonly name: string;
}

export const fenceTriggerName = "pgvector_cutover_fence";

export const eventTriggerNames = ["pgvector_cutover_ddl", "pgvector_cutover_drop"];

/**
 * Tables and partitions without a fence trigger that always fires; those of an extension come with it. `NOT IN` is
 * answered from a hash, where the planner, whose statistics know none of what was just made, takes `NOT EXISTS` for a
 * comparison of every table with every trigger.
 */
export function unfencedTables(schemas: string): string {
  return `
    select n.nspname as schema, c.relname as name
      from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where n.nspname = any(${schemas}) and c.relkind in ('r', 'p')
       and not exists (select from pg_catalog.pg_depend d
                        where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid
                          and d.deptype = 'e')
       and c.oid not in (select t.tgrelid from pg_catalog.pg_trigger t
                          where t.tgname = ${quoteLiteral(fenceTriggerName)} and t.tgenabled = 'A')
     order by 1, 2`;
}

export const dropEventTriggers = eventTriggerNames
  .map((name) => `drop event trigger if exists ${quoteIdentifier(name)};`)
  .join(" ");
