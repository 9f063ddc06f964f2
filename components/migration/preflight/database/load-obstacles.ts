import type { ClientBase } from "pg";
import { type CatalogueObject, readObjects } from "../../../postgres/catalogue/catalogue.ts";
import { diffCatalogues } from "../../../postgres/catalogue/diff-catalogues.ts";
import { aclLines, comment } from "../../../postgres/catalogue/fragments.ts";
import type { Finding } from "../../finding.ts";
import { findingsOf, listNames } from "../definitions.ts";
import { existingObjectDefinitions } from "./existing-objects.ts";

/** What the source has come to by its history, and no load can make again from definitions and rows. */
export interface LoadObstacles {
  /** What pg_dump says nothing about, as it is, and as the copy will have it; named as the gate names it. */
  readonly unsaid: {
    readonly now: readonly CatalogueObject[];
    readonly made: readonly CatalogueObject[];
  };
  /** Populated materialised views that read one which is not. */
  readonly unreadableViews: ReadonlyArray<{ readonly view: string; readonly reads: string }>;
  /** Tables partitioned by the hash of a column with an enum in it. */
  readonly hashedEnums: readonly string[];
  /** Partitions with an identity column of their own. */
  readonly ownIdentities: readonly string[];
  /** Tables that inherit, and those that they inherit from. */
  readonly families: readonly FamilyMember[];
}

export interface FamilyMember {
  readonly name: string;
  readonly parents: readonly string[];
  readonly columns: readonly string[];
}

export const loadObstacleDefinitions = {
  MATERIALIZED_VIEW_UNREADABLE: {
    severity: "blocker",
    acceptable: false,
    remedy:
      "On the source, REFRESH the one that it reads; or empty it, too (REFRESH MATERIALIZED VIEW … WITH NO DATA).",
  },
  PARTITION_BY_ENUM_HASH: {
    severity: "blocker",
    acceptable: false,
    remedy: "Partition the table by LIST, or by the hash of another column, on the source first.",
  },
  PARTITION_IDENTITY: {
    severity: "blocker",
    acceptable: false,
    remedy:
      "On the source, give the column a plain default: ALTER TABLE … ALTER … DROP IDENTITY, then SET DEFAULT nextval(…) of a sequence that goes on where the identity's stood.",
  },
  COLUMN_ORDER_CHANGES: {
    severity: "blocker",
    acceptable: true,
    remedy:
      "Accept it if every INSERT and COPY into the table names its columns and nothing reads them by position; otherwise make the child anew on the source first.",
  },
} as const;

const found = findingsOf(loadObstacleDefinitions);
const foundDifference = findingsOf(existingObjectDefinitions);

export async function readLoadObstacles(
  client: ClientBase,
  schemas: readonly string[],
): Promise<LoadObstacles> {
  const [now, made, views, tables, partitions, families] = await Promise.all([
    readObjects(
      client,
      unsaidQueries({
        enforcement: "fires.how",
        acl: "t.typacl",
        comment: (type) => comment("pg_type", type),
      }),
      schemas,
    ),
    readObjects(
      client,
      unsaidQueries({ enforcement: "'O'", acl: "NULL::aclitem[]", comment: () => "NULL" }),
      schemas,
    ),
    client.query<LoadObstacles["unreadableViews"][number]>(viewsQuery, [schemas]),
    client.query<{ name: string }>(hashedEnumsQuery, [schemas]),
    client.query<{ name: string }>(ownIdentitiesQuery, [schemas]),
    client.query<FamilyMember>(familiesQuery, [schemas]),
  ]);
  return {
    unsaid: { now, made },
    unreadableViews: views.rows,
    hashedEnums: tables.rows.map(({ name }) => name),
    ownIdentities: partitions.rows.map(({ name }) => name),
    families: families.rows,
  };
}

export function checkLoadObstacles(
  source: LoadObstacles,
  sourceMajor: number,
  targetMajor: number,
): Finding[] {
  return [
    ...checkUnsaid(source.unsaid, sourceMajor, targetMajor),
    ...source.unreadableViews.map(({ view, reads }) =>
      found(
        "MATERIALIZED_VIEW_UNREADABLE",
        view,
        `It holds rows and reads ${reads}, which is not populated: the copy could not populate it.`,
      ),
    ),
    ...source.hashedEnums.map((table) =>
      found(
        "PARTITION_BY_ENUM_HASH",
        table,
        "The hash of an enum's value is another one in every database: its rows would belong into other partitions on the target.",
      ),
    ),
    ...(targetMajor < firstMajorWithSharedIdentities ? [] : source.ownIdentities).map((partition) =>
      found(
        "PARTITION_IDENTITY",
        partition,
        `This partition has an identity column of its own. PostgreSQL ${targetMajor} refuses to attach it.`,
      ),
    ),
    ...reorderedTables(source.families).map(({ name, order }) =>
      found(
        "COLUMN_ORDER_CHANGES",
        name,
        `It inherits from another table, and its columns will stand in the order ${listNames(order, 20)}: an INSERT without column names would put its values into other columns.`,
      ),
    ),
  ];
}

function checkUnsaid(
  { now, made }: LoadObstacles["unsaid"],
  sourceMajor: number,
  targetMajor: number,
): Finding[] {
  const byKey = (objects: readonly CatalogueObject[]) =>
    new Map(objects.map((object) => [object.key, object]));
  const differences = diffCatalogues(
    { major: sourceMajor, objects: byKey(now) },
    { major: targetMajor, objects: byKey(made) },
  );
  const firsts = new Map(
    differences.map((difference) => [`${difference.code} ${difference.object}`, difference]),
  );
  return [...firsts.values()].map(({ code, object, aspect }) =>
    aspect === "enforcement"
      ? foundDifference(
          code,
          object,
          "Its triggers do not fire as usual on the source (DISABLE TRIGGER ALL), so that it is not enforced for everybody. The copy checks and enforces it: rows that break it end the load.",
          "Find and mend the rows that break it, then ENABLE TRIGGER ALL on the tables of both sides; or drop the constraint on the source; accept it if the copy may enforce it.",
        )
      : foundDifference(
          code,
          object,
          "The type that comes with it (of its rows, or its multirange) has a comment or privileges of its own. No dump carries them.",
          "Take them off on the source (COMMENT ON TYPE … IS NULL, GRANT USAGE ON TYPE … TO PUBLIC), or accept that they are lost: the gate then accepts it, too.",
        ),
  );
}

/** From this major version on partitions share the identity columns of their table (commit 699586315). */
const firstMajorWithSharedIdentities = 17;

/**
 * Tables whose columns come in another order when they are made anew: what is inherited stands first, parent by parent
 * (manual, CREATE TABLE, INHERITS). A column that a parent got later, or a parent that came later, stood elsewhere.
 */
export function reorderedTables(
  families: readonly FamilyMember[],
): Array<{ readonly name: string; readonly order: readonly string[] }> {
  const members = new Map(families.map((member) => [member.name, member]));
  const orders = new Map<string, readonly string[]>();
  const orderOf = (name: string): readonly string[] => {
    const known = orders.get(name);
    if (known !== undefined) return known;
    const { parents = [], columns = [] } = members.get(name) ?? {};
    const order = [...new Set([...parents.flatMap(orderOf), ...columns])];
    orders.set(name, order);
    return order;
  };
  return families
    .map(({ name, columns }) => ({ name, order: orderOf(name), columns }))
    .filter(({ order, columns }) => columns.some((column, index) => column !== order[index]))
    .map(({ name, order }) => ({ name, order }));
}

/**
 * As the gate reads the same aspects. A partition's key has an entry more for each partition of the other table.
 *
 * @param aspects where each comes from: as it is, or as it is made
 */
function unsaidQueries(aspects: {
  readonly enforcement: string;
  readonly acl: string;
  comment(type: string): string;
}): string[] {
  return [
    `SELECT 'constraint' AS kind, ARRAY[n.nspname, c.relname, k.conname]::text[] AS path, NULL AS suffix, NULL AS parent,
            json_build_object('enforcement', ${aspects.enforcement}) AS aspects
       FROM pg_constraint k
       JOIN pg_class c ON c.oid = k.conrelid
       JOIN pg_namespace n ON n.oid = c.relnamespace
       LEFT JOIN pg_constraint origin ON origin.oid = k.conparentid
       JOIN (SELECT tgconstraint, string_agg(DISTINCT tgenabled::text, '' ORDER BY tgenabled::text) AS how
               FROM pg_trigger WHERE tgisinternal GROUP BY 1) AS fires ON fires.tgconstraint = k.oid AND fires.how <> 'O'
      WHERE n.nspname = ANY ($1::text[]) AND origin.conrelid IS DISTINCT FROM k.conrelid`,

    `SELECT CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table'
                           ELSE 'table' END AS kind,
            ARRAY[n.nspname, c.relname]::text[] AS path, NULL AS suffix, NULL AS parent,
            json_build_object('rowTypeAcl', ${aclLines(aspects.acl, "T", "t.typowner")},
                              'rowTypeComment', ${aspects.comment("t.oid")}) AS aspects
       FROM pg_class c
       JOIN pg_namespace n ON n.oid = c.relnamespace
       JOIN pg_type t ON t.oid = c.reltype
      WHERE n.nspname = ANY ($1::text[]) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
        AND (t.typacl IS NOT NULL OR ${comment("pg_type", "t.oid")} IS NOT NULL)`,

    `SELECT 'range type' AS kind, ARRAY[n.nspname, t.typname]::text[] AS path, NULL AS suffix, NULL AS parent,
            json_build_object('multirangeComment', ${aspects.comment("r.rngmultitypid")}) AS aspects
       FROM pg_range r
       JOIN pg_type t ON t.oid = r.rngtypid
       JOIN pg_namespace n ON n.oid = t.typnamespace
      WHERE n.nspname = ANY ($1::text[]) AND ${comment("pg_type", "r.rngmultitypid")} IS NOT NULL`,
  ];
}

const viewsQuery = `
  WITH RECURSIVE populated AS (
    SELECT c.oid, n.nspname || '.' || c.relname AS name
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind = 'm' AND c.relispopulated AND n.nspname = ANY ($1::text[])
  ),
  reads (view, relation) AS (
    SELECT oid, oid FROM populated
    UNION
    SELECT reads.view, d.refobjid
      FROM reads
      JOIN pg_class reader ON reader.oid = reads.relation AND (reader.relkind = 'v' OR reads.relation = reads.view)
      JOIN pg_rewrite r ON r.ev_class = reads.relation
      JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
  )
  SELECT populated.name AS view, n.nspname || '.' || c.relname AS reads
    FROM reads
    JOIN populated ON populated.oid = reads.view
    JOIN pg_class c ON c.oid = reads.relation AND c.relkind = 'm' AND NOT c.relispopulated
    JOIN pg_namespace n ON n.oid = c.relnamespace
   ORDER BY 1, 2`;

// Of keys that are expressions the type is not looked at.
const hashedEnumsQuery = `
  WITH RECURSIVE parts (relation, type) AS (
    SELECT p.partrelid, a.atttypid
      FROM pg_partitioned_table p
      JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = ANY (p.partattrs::int2[])
     WHERE p.partstrat = 'h'
    UNION
    SELECT parts.relation, inner_type.oid
      FROM parts
      JOIN pg_type t ON t.oid = parts.type
     CROSS JOIN LATERAL (
       SELECT t.typbasetype AS oid WHERE t.typtype = 'd'
       UNION ALL SELECT t.typelem WHERE t.typcategory = 'A'
       UNION ALL SELECT r.rngsubtype FROM pg_range r WHERE t.oid IN (r.rngtypid, r.rngmultitypid)
       UNION ALL SELECT a.atttypid FROM pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
     ) AS inner_type
  )
  SELECT DISTINCT n.nspname || '.' || c.relname AS name
    FROM parts
    JOIN pg_type t ON t.oid = parts.type AND t.typtype = 'e'
    JOIN pg_class c ON c.oid = parts.relation
    JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE n.nspname = ANY ($1::text[])
   ORDER BY 1`;

const ownIdentitiesQuery = `
  SELECT DISTINCT n.nspname || '.' || c.relname AS name
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attidentity <> ''
   WHERE c.relispartition AND n.nspname = ANY ($1::text[])
     AND current_setting('server_version_num')::int < 170000
   ORDER BY 1`;

const familiesQuery = `
  WITH RECURSIVE member (oid) AS (
    SELECT i.inhrelid
      FROM pg_inherits i
      JOIN pg_class c ON c.oid = i.inhrelid AND c.relkind IN ('r', 'f') AND NOT c.relispartition
      JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = ANY ($1::text[])
    UNION
    SELECT i.inhparent FROM member JOIN pg_inherits i ON i.inhrelid = member.oid
  )
  SELECT n.nspname || '.' || c.relname AS name,
         ARRAY(SELECT parent_schema.nspname || '.' || parent.relname
                 FROM pg_inherits i
                 JOIN pg_class parent ON parent.oid = i.inhparent
                 JOIN pg_namespace parent_schema ON parent_schema.oid = parent.relnamespace
                WHERE i.inhrelid = c.oid ORDER BY i.inhseqno) AS parents,
         ARRAY(SELECT a.attname::text FROM pg_attribute a
                WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) AS columns
    FROM member
    JOIN pg_class c ON c.oid = member.oid
    JOIN pg_namespace n ON n.oid = c.relnamespace
   ORDER BY 1`;
