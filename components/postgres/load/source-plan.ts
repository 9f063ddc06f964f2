import type { ClientBase } from "pg";
import type { DumpEntry } from "../dump.ts";
import { quoteQualified } from "../identifiers.ts";
import { type ConstraintName, listDeferrableKeys } from "./constraints.ts";
import { type CopyFormat, planCopies, type TableName } from "./copy-format.ts";
import { byEntryTag } from "./entries.ts";
import { listPopulatedViews, type ViewName } from "./materialized-views.ts";
import { listSharedNotNullNames, type NotNullName } from "./not-null-names.ts";

/** What the load has to know about the source beside its dump, read in one go under the snapshot. */
export interface SourcePlan {
  formatOf(table: TableName): CopyFormat;
  /**
   * The table of an index, key or statistics object, where that is an ordinary one and its rows alone are waited for:
   * not where functions or operators of the application are used, which may read any other table.
   */
  partOf(entry: DumpEntry): TablePart | undefined;
  /** Whether its statistics are its own affair: no partition, nothing inherits from it, all that it has is its part. */
  standsAlone(table: TableName): boolean;
  readonly deferrableKeys: readonly ConstraintName[];
  readonly populatedViews: readonly ViewName[];
  readonly sharedNotNullNames: readonly NotNullName[];
}

/** Something that belongs to a table, as its entry in the dump is told apart. */
export interface TablePart {
  readonly table: TableName;
  /** A key in two statements: an index, which can be built beside others of the table, and the key that takes it over. */
  readonly asIndex: { readonly build: string; readonly adopt: string } | null;
}

/** @param thresholds.checkedApart see {@link listDeferrableKeys} */
export async function readSourcePlan(
  source: ClientBase,
  schemas: readonly string[],
  thresholds: { readonly checkedApart: number },
): Promise<SourcePlan> {
  const formatOf = await planCopies(source, schemas);
  const { rows: parts } = await source.query<PartRow>(partsQuery, [schemas]);
  const partsByTag = byEntryTag(parts, ({ type, schema, name }) => `${type} ${schema} ${name}`);
  const { rows: unrelated } = await source.query<TableName>(aloneQuery, [schemas]);
  const alone = new Set(unrelated.map(({ schema, name }) => quoteQualified(schema, name)));
  for (const { mayReadOthers, tableSchema, tableName } of parts) {
    if (mayReadOthers) alone.delete(quoteQualified(tableSchema, tableName));
  }
  return {
    formatOf,
    partOf: ({ type, schema, name }) => {
      const part = partsByTag.get(`${type} ${schema} ${name}`);
      return part === undefined || part.mayReadOthers ? undefined : tablePart(part);
    },
    standsAlone: ({ schema, name }) => alone.has(quoteQualified(schema, name)),
    deferrableKeys: await listDeferrableKeys(source, schemas, thresholds.checkedApart),
    populatedViews: await listPopulatedViews(source, schemas),
    sharedNotNullNames: await listSharedNotNullNames(source, schemas),
  };
}

interface PartRow {
  readonly type: string;
  readonly schema: string;
  readonly name: string;
  readonly tableSchema: string;
  readonly tableName: string;
  readonly build: string | null;
  readonly adopt: string | null;
  readonly mayReadOthers: boolean;
}

function tablePart({ tableSchema, tableName, build, adopt }: PartRow): TablePart {
  return {
    table: { schema: tableSchema, name: tableName },
    asIndex: build === null || adopt === null ? null : { build, adopt },
  };
}

/** A key WITHOUT OVERLAPS (`conperiod`, PostgreSQL 18) needs another index than the one it would take over. */
const partsQuery = `
  WITH own AS (
    SELECT c.oid, n.nspname, c.relname
      FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = ANY($1::text[]) AND c.relkind = 'r'
  ),
  application_code AS (
    SELECT d.classid, d.objid
      FROM pg_catalog.pg_depend d
     WHERE d.refobjid >= 16384
       AND d.refclassid IN ('pg_catalog.pg_proc'::pg_catalog.regclass, 'pg_catalog.pg_operator'::pg_catalog.regclass,
                            'pg_catalog.pg_opclass'::pg_catalog.regclass)
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e
                        WHERE e.classid = d.refclassid AND e.objid = d.refobjid AND e.deptype = 'e')
  )
  SELECT 'INDEX' AS type, own.nspname::text AS schema, i.relname::text AS name,
         own.nspname::text AS "tableSchema", own.relname::text AS "tableName",
         NULL::text AS build, NULL::text AS adopt,
         ('pg_catalog.pg_class'::pg_catalog.regclass, i.oid) IN (SELECT * FROM application_code) AS "mayReadOthers"
    FROM own JOIN pg_catalog.pg_index x ON x.indrelid = own.oid JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
  UNION ALL
  SELECT 'CONSTRAINT', own.nspname, own.relname || ' ' || k.conname, own.nspname, own.relname, key.build,
         pg_catalog.format('ALTER TABLE ONLY %I.%I ADD CONSTRAINT %I %s USING INDEX %I%s%s', own.nspname, own.relname,
           k.conname, CASE k.contype WHEN 'p' THEN 'PRIMARY KEY' ELSE 'UNIQUE' END, i.relname,
           CASE WHEN k.condeferrable THEN ' DEFERRABLE' END, CASE WHEN k.condeferred THEN ' INITIALLY DEFERRED' END),
         ('pg_catalog.pg_class'::pg_catalog.regclass, i.oid) IN (SELECT * FROM application_code)
    FROM own JOIN pg_catalog.pg_constraint k ON k.conrelid = own.oid JOIN pg_catalog.pg_class i ON i.oid = k.conindid
   CROSS JOIN LATERAL (SELECT CASE WHEN k.contype IN ('p', 'u')
                                    AND NOT COALESCE((pg_catalog.to_jsonb(k) ->> 'conperiod')::bool, false)
                                   THEN pg_catalog.pg_get_indexdef(k.conindid) END AS build) AS key
   WHERE k.contype IN ('p', 'u', 'x')
  UNION ALL
  SELECT 'STATISTICS', n.nspname, s.stxname, own.nspname, own.relname, NULL, NULL,
         ('pg_catalog.pg_statistic_ext'::pg_catalog.regclass, s.oid) IN (SELECT * FROM application_code)
    FROM own JOIN pg_catalog.pg_statistic_ext s ON s.stxrelid = own.oid
    JOIN pg_catalog.pg_namespace n ON n.oid = s.stxnamespace`;

const aloneQuery = `
  SELECT n.nspname::text AS schema, c.relname::text AS name
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE n.nspname = ANY($1::text[]) AND c.relkind = 'r' AND NOT c.relispartition
     AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhparent = c.oid)`;
