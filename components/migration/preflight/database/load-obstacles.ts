import type { ClientBase } from "pg";
import { displayName } from "../../../postgres/catalogue/catalogue.ts";
import type { Finding } from "../../finding.ts";
import { findingsOf, listNames } from "../definitions.ts";
import { existingObjectDefinitions } from "./existing-objects.ts";

/** What the source has come to by its history, and no load can make again from definitions and rows. */
export interface LoadObstacles {
  /** Keys and other constraints whose own triggers are disabled or fire otherwise than usual. */
  readonly unusualConstraints: ReadonlyArray<readonly string[]>;
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
  const [constraints, views, tables, partitions, families] = await Promise.all([
    client.query<{ path: string[] }>(constraintsQuery, [schemas]),
    client.query<LoadObstacles["unreadableViews"][number]>(viewsQuery, [schemas]),
    client.query<{ name: string }>(hashedEnumsQuery, [schemas]),
    client.query<{ name: string }>(ownIdentitiesQuery, [schemas]),
    client.query<FamilyMember>(familiesQuery, [schemas]),
  ]);
  return {
    unusualConstraints: constraints.rows.map(({ path }) => path),
    unreadableViews: views.rows,
    hashedEnums: tables.rows.map(({ name }) => name),
    ownIdentities: partitions.rows.map(({ name }) => name),
    families: families.rows,
  };
}

export function checkLoadObstacles(source: LoadObstacles, targetMajor: number): Finding[] {
  return [
    ...source.unusualConstraints.map((path) =>
      foundDifference(
        "CATALOGUE_CHANGED",
        `constraint ${displayName(path)}`,
        "Its triggers do not fire as usual on the source (DISABLE TRIGGER ALL), so that it is not enforced for everybody. The copy checks and enforces it: rows that break it end the load.",
        "Find and mend the rows that break it, then ENABLE TRIGGER ALL on the tables of both sides; or drop the constraint on the source; accept it if the copy may enforce it.",
      ),
    ),
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

// As the gate names and compares them. A partition's key has an entry more for each partition of the other table.
const constraintsQuery = `
  SELECT ARRAY[n.nspname, c.relname, k.conname]::text[] AS path
    FROM pg_constraint k
    JOIN pg_class c ON c.oid = k.conrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_constraint origin ON origin.oid = k.conparentid
   WHERE n.nspname = ANY ($1::text[]) AND origin.conrelid IS DISTINCT FROM k.conrelid
     AND k.oid IN (SELECT tgconstraint FROM pg_trigger WHERE tgisinternal AND tgenabled <> 'O')
   ORDER BY 1`;

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
