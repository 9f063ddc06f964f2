import type { ClientBase } from "pg";
import { type CatalogueObject, readObjects } from "../../../postgres/catalogue/catalogue.ts";
import { diffCatalogues } from "../../../postgres/catalogue/diff-catalogues.ts";
import { aclLines, comment } from "../../../postgres/catalogue/fragments.ts";
import type { Finding } from "../../finding.ts";
import { nameDifference } from "../../gate/difference.ts";
import { findingsOf } from "../definitions.ts";
import { existingObjectDefinitions } from "./existing-objects.ts";

/** What pg_dump says nothing about, as it is, and as the copy will have it; named as the gate names it. */
export interface UnsaidAspects {
  readonly now: readonly CatalogueObject[];
  readonly made: readonly CatalogueObject[];
}

const found = findingsOf(existingObjectDefinitions);

export async function readUnsaid(client: ClientBase, schemas: readonly string[]): Promise<UnsaidAspects> {
  const [now, made] = await Promise.all([
    readObjects(
      client,
      unsaidQueries({
        enforcement: "fires.how",
        acl: "t.typacl",
        replicaIdentity: "c.relreplident",
        constructor: { schema: "place.nspname", name: "p.proname" },
        identity: "a.attidentity",
        comment,
      }),
      schemas,
    ),
    readObjects(
      client,
      unsaidQueries({
        enforcement: "'O'",
        acl: "NULL::aclitem[]",
        replicaIdentity: "'d'",
        constructor: { schema: "n.nspname", name: "made.typname" },
        identity: "origin.attidentity",
        comment: () => "NULL",
      }),
      schemas,
    ),
  ]);
  return { now, made };
}

export function checkUnsaid(
  { now, made }: UnsaidAspects,
  sourceMajor: number,
  targetMajor: number,
): Finding[] {
  const byKey = (objects: readonly CatalogueObject[]) =>
    new Map(objects.map((object) => [object.key, object]));
  const differences = diffCatalogues(
    { major: sourceMajor, objects: byKey(now) },
    { major: targetMajor, objects: byKey(made) },
  );
  return differences.map(({ code, object, aspect }) =>
    found(code, nameDifference(object, aspect), ...reasonOf(aspect)),
  );
}

/** What is the matter, and what to do. */
function reasonOf(aspect: string | null): [explanation: string, remedy: string] {
  switch (aspect) {
    case null:
      return [
        "ALTER TYPE … SET SCHEMA or RENAME left the constructors of a range type where they were, under their former name. No dump says so: the copy has them beside the type, under its name.",
        "Move or rename them likewise on the source (ALTER FUNCTION … SET SCHEMA, RENAME) if nothing calls them as they are, or accept that the copy does: the gate then accepts it, too.",
      ];
    case "enforcement":
      return [
        "Its triggers do not fire as usual on the source (DISABLE TRIGGER ALL), so that it is not enforced for everybody. The copy checks and enforces it: rows that break it end the load.",
        "Find and mend the rows that break it, then ENABLE TRIGGER ALL on the tables of both sides; or drop the constraint on the source; accept it if the copy may enforce it.",
      ];
    case "comment":
      return [
        "A partition or child has it from its parent, with a comment of its own. No dump carries that.",
        "Take it off on the source (COMMENT ON … IS NULL), or accept that it is lost: the gate then accepts it, too.",
      ];
    case "replicaIdentity":
      return [
        "The index that was its replica identity is gone. No dump says so: the copy has its primary key for one.",
        "Say on the source what it is (ALTER TABLE … REPLICA IDENTITY), or accept that it is the primary key: the gate then accepts it, too.",
      ];
    case "partitionIdentity":
      return [
        "The column is an identity column of the partitioned table and not of this partition, as an earlier load left it that attached it before its parent. No dump says so: the copy has it as the table has.",
        "DETACH the partition on the source and ATTACH it again; or accept it if nothing writes into the partition itself: the gate then accepts it, too.",
      ];
    default:
      return [
        "The type that comes with it (of its rows, or its multirange) has a comment or privileges of its own. No dump carries them.",
        "Take them off on the source (COMMENT ON TYPE … IS NULL, GRANT USAGE ON TYPE … TO PUBLIC), or accept that they are lost: the gate then accepts it, too.",
      ];
  }
}

/**
 * As the gate reads the same aspects. A partition's key has an entry more for each partition of the other table.
 *
 * @param aspects where each comes from: as it is, or as it is made
 */
function unsaidQueries(aspects: {
  readonly enforcement: string;
  readonly acl: string;
  readonly replicaIdentity: string;
  readonly constructor: { readonly schema: string; readonly name: string };
  readonly identity: string;
  comment(catalogue: string, oid: string): string;
}): string[] {
  return [
    `SELECT 'constraint' AS kind, ARRAY[n.nspname, c.relname, k.conname]::text[] AS path, NULL AS suffix, NULL AS parent,
            json_build_object('enforcement', CASE WHEN fires.how IS NOT NULL THEN ${aspects.enforcement} END,
                              'comment', CASE WHEN inherited THEN ${aspects.comment("pg_constraint", "k.oid")} END) AS aspects
       FROM pg_constraint k
       JOIN pg_class c ON c.oid = k.conrelid
       JOIN pg_namespace n ON n.oid = c.relnamespace
       LEFT JOIN pg_constraint origin ON origin.oid = k.conparentid
       LEFT JOIN (SELECT tgconstraint, string_agg(DISTINCT tgenabled::text, '' ORDER BY tgenabled::text) AS how
                    FROM pg_trigger WHERE tgisinternal GROUP BY 1) AS fires ON fires.tgconstraint = k.oid AND fires.how <> 'O'
      CROSS JOIN LATERAL (VALUES (k.contype = 'c' AND NOT k.conislocal OR k.contype = 'f' AND k.conparentid <> 0)) AS part(inherited)
      WHERE n.nspname = ANY ($1::text[]) AND origin.conrelid IS DISTINCT FROM k.conrelid
        AND (fires.how IS NOT NULL OR inherited AND ${comment("pg_constraint", "k.oid")} IS NOT NULL)`,

    // One that is switched on or off otherwise than its parent's is said, and its comment with it.
    `SELECT 'trigger' AS kind, ARRAY[n.nspname, c.relname, t.tgname]::text[] AS path, NULL AS suffix, NULL AS parent,
            json_build_object('comment', ${aspects.comment("pg_trigger", "t.oid")}) AS aspects
       FROM pg_trigger t
       JOIN pg_trigger origin ON origin.oid = t.tgparentid AND origin.tgenabled = t.tgenabled
       JOIN pg_class c ON c.oid = t.tgrelid
       JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = ANY ($1::text[]) AND NOT t.tgisinternal AND ${comment("pg_trigger", "t.oid")} IS NOT NULL`,

    `SELECT CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table'
                           ELSE 'table' END AS kind,
            ARRAY[n.nspname, c.relname]::text[] AS path, NULL AS suffix, NULL AS parent,
            json_build_object('rowTypeAcl', ${aclLines(aspects.acl, "T", "t.typowner")},
                              'rowTypeComment', ${aspects.comment("pg_type", "t.oid")},
                              'replicaIdentity', CASE WHEN lost THEN ${aspects.replicaIdentity} END) AS aspects
       FROM pg_class c
       JOIN pg_namespace n ON n.oid = c.relnamespace
       JOIN pg_type t ON t.oid = c.reltype
      CROSS JOIN LATERAL (
        SELECT c.relreplident = 'i'
               AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisreplident) AS lost) AS identity
      WHERE n.nspname = ANY ($1::text[]) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
        AND (t.typacl IS NOT NULL OR ${comment("pg_type", "t.oid")} IS NOT NULL OR lost)`,

    `SELECT 'range type' AS kind, ARRAY[n.nspname, t.typname]::text[] AS path, NULL AS suffix, NULL AS parent,
            json_build_object('multirangeComment', ${aspects.comment("pg_type", "r.rngmultitypid")}) AS aspects
       FROM pg_range r
       JOIN pg_type t ON t.oid = r.rngtypid
       JOIN pg_namespace n ON n.oid = t.typnamespace
      WHERE n.nspname = ANY ($1::text[]) AND ${comment("pg_type", "r.rngmultitypid")} IS NOT NULL`,

    `SELECT 'function' AS kind, ARRAY[${aspects.constructor.schema}, ${aspects.constructor.name}]::text[] AS path,
            '(' || oidvectortypes(p.proargtypes) || ')' AS suffix, NULL AS parent, json_build_object() AS aspects
       FROM pg_range r
       JOIN pg_type t ON t.oid = r.rngtypid
       JOIN pg_namespace n ON n.oid = t.typnamespace
       JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.refclassid = 'pg_type'::regclass
                       AND d.refobjid IN (r.rngtypid, r.rngmultitypid) AND d.deptype = 'i'
       JOIN pg_type made ON made.oid = d.refobjid
       JOIN pg_proc p ON p.oid = d.objid AND (p.pronamespace <> n.oid OR p.proname <> made.typname)
       JOIN pg_namespace place ON place.oid = p.pronamespace
      WHERE ${aspects.constructor.schema} = ANY ($1::text[])`,

    `SELECT 'column' AS kind, ARRAY[n.nspname, c.relname, a.attname]::text[] AS path, NULL AS suffix, NULL AS parent,
            json_build_object('partitionIdentity', NULLIF(${aspects.identity}, '')) AS aspects
       FROM pg_class c
       JOIN pg_namespace n ON n.oid = c.relnamespace
       JOIN pg_attribute a ON a.attrelid = c.oid
       JOIN pg_attribute origin ON origin.attrelid = pg_partition_root(c.oid) AND origin.attname = a.attname
      WHERE n.nspname = ANY ($1::text[]) AND c.relispartition AND c.relkind IN ('r', 'p', 'f')
        AND a.attidentity <> origin.attidentity AND current_setting('server_version_num')::int >= 170000`,
  ];
}
