import type { ClientBase } from "pg";
import type { Finding } from "../../finding.ts";
import { findingsOf } from "../definitions.ts";
import { type FailingView, readFailingViews } from "./failing-views.ts";
import { innerTypes } from "./inner-types.ts";

/** What the source has come to by its history, and no load can make again from definitions and rows. */
export interface LoadObstacles {
  /** Populated materialised views that read one which is not. */
  readonly unreadableViews: ReadonlyArray<{ readonly view: string; readonly reads: string }>;
  readonly failingViews: readonly FailingView[];
  /** Tables partitioned by the hash of a column with an enum in it. */
  readonly hashedEnums: readonly string[];
  /** Partitions with an identity column of their own. */
  readonly ownIdentities: readonly string[];
  /** Foreign keys that PostgreSQL cannot check, as `public.pet.has_owner`. */
  readonly uncheckableKeys: readonly string[];
}

export const loadObstacleDefinitions = {
  MATERIALIZED_VIEW_UNREADABLE: {
    severity: "blocker",
    acceptable: false,
    remedy:
      "On the source, REFRESH the one that it reads, or mend its query or its owner's rights until it can be refreshed itself; or empty it, too (REFRESH MATERIALIZED VIEW … WITH NO DATA).",
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
  FOREIGN_KEY_UNCHECKABLE: {
    severity: "blocker",
    acceptable: false,
    remedy:
      "On the source, drop the constraint; or give the columns on both sides a type without a length (text[], numeric[]).",
  },
} as const;

const found = findingsOf(loadObstacleDefinitions);

export async function readLoadObstacles(
  client: ClientBase,
  schemas: readonly string[],
): Promise<LoadObstacles> {
  const [views, failingViews, tables, partitions, keys] = await Promise.all([
    client.query<LoadObstacles["unreadableViews"][number]>(viewsQuery, [schemas]),
    readFailingViews(client, schemas),
    client.query<{ name: string }>(hashedEnumsQuery, [schemas]),
    client.query<{ name: string }>(ownIdentitiesQuery, [schemas]),
    client.query<{ name: string }>(uncheckableKeysQuery, [schemas]),
  ]);
  return {
    unreadableViews: views.rows,
    failingViews,
    hashedEnums: tables.rows.map(({ name }) => name),
    ownIdentities: partitions.rows.map(({ name }) => name),
    uncheckableKeys: keys.rows.map(({ name }) => name),
  };
}

export function checkLoadObstacles(source: LoadObstacles, targetMajor: number): Finding[] {
  return [
    ...source.unreadableViews.map(({ view, reads }) =>
      found(
        "MATERIALIZED_VIEW_UNREADABLE",
        view,
        `It holds rows and reads ${reads}, which is not populated: the copy could not populate it.`,
      ),
    ),
    ...source.failingViews.map(({ view, state }) =>
      found(
        "MATERIALIZED_VIEW_UNREADABLE",
        view,
        state === "23505"
          ? "It holds rows, and refreshed today, two of them would have the same key in a unique index: the copy could not populate it."
          : `It holds rows, and its query fails today (SQLSTATE ${state}): the copy could not populate it.`,
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
    ...source.uncheckableKeys.map((key) =>
      found(
        "FOREIGN_KEY_UNCHECKABLE",
        key,
        "It goes over an array of a type with a length or precision, and PostgreSQL fails whenever it checks such a key: it refuses every row there but NULL, and would refuse to make the key again.",
      ),
    ),
  ];
}

/** From this major version on partitions share the identity columns of their table (commit 699586315). */
const firstMajorWithSharedIdentities = 17;

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
     ${innerTypes}
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

// The check casts both columns to anyarray, which fails for an array with a type modifier (ri_triggers.c, generate_operator_clause).
const uncheckableKeysQuery = `
  SELECT DISTINCT n.nspname || '.' || c.relname || '.' || k.conname AS name
    FROM pg_constraint k
    JOIN pg_class c ON c.oid = k.conrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON (a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey))
                        OR (a.attrelid = k.confrelid AND a.attnum = ANY (k.confkey))
    JOIN pg_type t ON t.oid = a.atttypid AND t.typcategory = 'A'
   WHERE k.contype = 'f' AND k.convalidated AND k.conparentid = 0 AND a.atttypmod <> -1
     AND n.nspname = ANY ($1::text[])
   ORDER BY 1`;
