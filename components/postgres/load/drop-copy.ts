import type { ClientBase } from "pg";
import { CutoverError, sqlState } from "../../errors.ts";
import { inBatches } from "../../in-batches.ts";
import { fenceTriggerName } from "../fence/parts.ts";
import { inCommonWords, quoteIdentifier, quoteLiteral } from "../identifiers.ts";
import { dropStatements, listObjectNames } from "./drop-copy-objects.ts";

export interface DropCopyOptions {
  /** The moved schemas. */
  readonly schemas: readonly string[];
  /** Those of them that the load created: dropped too. The others were there before, and stay, empty. */
  readonly createdSchemas: readonly string[];
  /** What the load was to make; `null` where a hook may have made anything. */
  readonly expected: ExpectedCopy | null;
  /** Rows in a table without the fence are the copy's, too. Otherwise somebody else's: none is loaded before it stands. */
  readonly mayHoldUnfencedRows: boolean;
}

/** What a copy consists of, read from its source. */
export interface ExpectedCopy {
  /** As `listRelationNames` names them. */
  readonly relations: readonly string[];
  /** As `listObjectNames` names them; not compared where nobody noted them. */
  readonly objects?: readonly string[] | undefined;
}

/**
 * Removes a copy, whole or unfinished: everything in the moved schemas but what belongs to an extension. Uses no
 * CASCADE, so that the server itself refuses to touch anything outside; works in the caller's transaction, which has
 * to be rolled back on an error.
 *
 * @throws CutoverError `COPY_NOT_OURS` when something is there that no load made, `COPY_HAS_DEPENDENTS` when something
 *   outside uses the copy, `COPY_NOT_DROPPABLE` when objects in it need each other in a circle, `TOO_MANY_LOCKS`
 */
export async function dropCopy(client: ClientBase, options: DropCopyOptions): Promise<void> {
  try {
    await lockRelations(client, options.schemas);
    if (options.expected !== null) await refuseForeignObjects(client, options.schemas, options.expected);
    if (!options.mayHoldUnfencedRows) await refuseForeignRows(client, options.schemas);
    await refuseDependents(client, options);
    await dropInRounds(client, options.schemas);
    await dropSchemas(client, options);
  } catch (error) {
    throw sqlState(error) === outOfMemory ? tooManyLocks(error) : error;
  }
}

/** Every relation in the schemas that is not part of an extension, as `schema.name`, sorted. */
export async function listRelationNames(client: ClientBase, schemas: readonly string[]): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(relationNamesQuery, [schemas]);
  return rows.map(({ name }) => name);
}

/** Nobody can start to depend on a relation, or use it, from here to the end of the transaction. */
async function lockRelations(client: ClientBase, schemas: readonly string[]): Promise<void> {
  const { rows } = await client.query<{ name: string }>(lockableQuery, [schemas]);
  if (rows.length === 0) return;
  await client.query(`LOCK TABLE ${rows.map(({ name }) => name).join(", ")} IN ACCESS EXCLUSIVE MODE`);
}

async function refuseForeignObjects(
  client: ClientBase,
  schemas: readonly string[],
  { relations, objects }: ExpectedCopy,
): Promise<void> {
  const without = (expected: readonly string[], present: readonly string[]) => {
    const known = new Set(expected.map(inCommonWords));
    return present.filter((name) => !known.has(inCommonWords(name)));
  };
  const foreign = [
    ...without(relations, await listRelationNames(client, schemas)),
    ...(objects === undefined ? [] : without(objects, await listObjectNames(client, schemas))),
  ];
  if (foreign.length > 0) throw notOurs(`objects that no copy made: ${nameSome(foreign)}`);
}

/** A table of an expected name may be somebody's who restored the schema by hand, or was first. */
async function refuseForeignRows(client: ClientBase, schemas: readonly string[]): Promise<void> {
  const { rows: unfenced } = await client.query<{ name: string }>(unfencedQuery, [schemas, fenceTriggerName]);
  const filled: string[] = [];
  for (const batch of inBatches(unfenced, batchSize)) {
    const looks = batch.map(
      ({ name }) => `SELECT ${quoteLiteral(name)} AS name WHERE EXISTS (SELECT FROM ONLY ${name})`,
    );
    const { rows } = await client.query<{ name: string }>(looks.join(" UNION ALL "));
    filled.push(...rows.map(({ name }) => name));
  }
  if (filled.length > 0)
    throw notOurs(`rows that no load wrote, in tables without its fence: ${nameSome(filled)}`);
}

/** Tables looked into by one statement. */
const batchSize = 200;

function notOurs(what: string): CutoverError {
  return new CutoverError({
    code: "COPY_NOT_OURS",
    message: `The target's moved schemas hold ${what}. Nothing was dropped.`,
    remedy: "Find out who made them; move them to another schema or drop them by hand, then run again.",
  });
}

async function refuseDependents(client: ClientBase, { schemas }: DropCopyOptions): Promise<void> {
  const { rows } = await client.query<{ dependent: string; object: string }>(dependentsQuery, [schemas]);
  if (rows.length === 0) return;
  const pairs = rows.map(({ dependent, object }) => `${dependent} (uses ${object})`);
  throw new CutoverError({
    code: "COPY_HAS_DEPENDENTS",
    message: `Objects outside of the moved schemas use the copy on the target: ${nameSome(pairs)}. Nothing was dropped.`,
    remedy: "Drop or change those objects by hand, then run again; the copy is not dropped under them.",
  });
}

/**
 * Tries everything that is left, again and again, as long as it gets less: what cannot be dropped for a dependent in
 * one round goes in a later one.
 */
async function dropInRounds(client: ClientBase, schemas: readonly string[]): Promise<void> {
  let left = Number.POSITIVE_INFINITY;
  for (let strip = false; ; ) {
    const { together, ties, objects } = await dropStatements(client, schemas);
    if (objects.length === 0) return;
    const stuck = objects.length >= left;
    if (stuck && strip) throw notDroppable(objects.length);
    strip ||= stuck;
    left = objects.length;
    const dropped = await attemptAll(client, together);
    if (dropped === 0) await attemptAll(client, strip ? [...ties, ...objects] : objects);
  }
}

/** @returns how many of the statements went through */
async function attemptAll(client: ClientBase, statements: readonly string[]): Promise<number> {
  let succeeded = 0;
  for (const statement of statements) if (await attempt(client, statement)) succeeded += 1;
  return succeeded;
}

/** Objects that an earlier statement took along, or that others still need, are no failure. */
async function attempt(client: ClientBase, statement: string): Promise<boolean> {
  try {
    await client.query(`SAVEPOINT drop_copy; ${statement}; RELEASE SAVEPOINT drop_copy`);
    return true;
  } catch (error) {
    if (!toleratedStates.has(sqlState(error) ?? "")) throw error;
    await client.query("ROLLBACK TO SAVEPOINT drop_copy");
    return false;
  }
}

async function dropSchemas(client: ClientBase, { schemas, createdSchemas }: DropCopyOptions): Promise<void> {
  for (const schema of createdSchemas.filter((name) => schemas.includes(name))) {
    try {
      await client.query(`DROP SCHEMA IF EXISTS ${quoteIdentifier(schema)} RESTRICT`);
    } catch (error) {
      throw sqlState(error) === dependentObjectsStillExist ? notDroppable(1) : error;
    }
  }
}

function notDroppable(count: number): CutoverError {
  return new CutoverError({
    code: "COPY_NOT_DROPPABLE",
    message: `${count} objects of the copy on the target need each other in a way that only CASCADE resolves. Nothing was dropped.`,
    remedy: "Drop the objects in the target's moved schemas by hand, then run again.",
  });
}

function tooManyLocks(cause: unknown): CutoverError {
  return new CutoverError({
    code: "TOO_MANY_LOCKS",
    message: "The target's lock table is too small to drop the copy in one transaction. Nothing was dropped.",
    remedy: "Raise max_locks_per_transaction on the target, restart it, then run again.",
    cause,
  });
}

function nameSome(names: readonly string[]): string {
  const shown = names.slice(0, 10).join(", ");
  return names.length > 10 ? `${shown} and ${names.length - 10} more` : shown;
}

const outOfMemory = "53200";
const dependentObjectsStillExist = "2BP01";
/** Beside it: gone already (undefined table, function, object, column), as part of something dropped before. */
const toleratedStates: ReadonlySet<string> = new Set([
  dependentObjectsStillExist,
  "42P01",
  "42883",
  "42704",
  "42703",
]);

const notOfExtension = `
  NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d
               WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e')`;

const relationNamesQuery = `
  SELECT n.nspname || '.' || c.relname AS name
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE n.nspname = ANY($1::text[]) AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND ${notOfExtension}
   ORDER BY 1`;

/** Ordinary tables, partitions among them, that do not refuse everybody but the loader. */
const unfencedQuery = `
  SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS name
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE n.nspname = ANY($1::text[]) AND c.relkind = 'r' AND ${notOfExtension}
     AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_trigger t
                      WHERE t.tgrelid = c.oid AND t.tgname = $2 AND t.tgenabled = 'A')
   ORDER BY 1`;

const lockableQuery = `
  SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS name
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE n.nspname = ANY($1::text[]) AND c.relkind IN ('r', 'p') AND ${notOfExtension}
   ORDER BY 1`;

/**
 * Objects that depend directly on one of the copy's and are not in a moved schema themselves. Whatever hangs on those
 * in turn needs no look: the first link of each chain is enough to refuse. A part of an object (a view's rule, a
 * column's default, a policy) counts as where its relation is.
 */
const dependentsQuery = `
  WITH moved AS (
    SELECT oid, nspname::text AS name FROM pg_catalog.pg_namespace WHERE nspname = ANY($1::text[])
  ), home(classid, objid, namespace) AS (
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, oid, relnamespace FROM pg_catalog.pg_class WHERE relkind <> 't'
    UNION ALL SELECT 'pg_catalog.pg_type'::pg_catalog.regclass, oid, typnamespace FROM pg_catalog.pg_type
    UNION ALL SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass, oid, pronamespace FROM pg_catalog.pg_proc
    UNION ALL SELECT 'pg_catalog.pg_constraint'::pg_catalog.regclass, oid, connamespace FROM pg_catalog.pg_constraint
    UNION ALL SELECT 'pg_catalog.pg_operator'::pg_catalog.regclass, oid, oprnamespace FROM pg_catalog.pg_operator
    UNION ALL SELECT 'pg_catalog.pg_opclass'::pg_catalog.regclass, oid, opcnamespace FROM pg_catalog.pg_opclass
    UNION ALL SELECT 'pg_catalog.pg_opfamily'::pg_catalog.regclass, oid, opfnamespace FROM pg_catalog.pg_opfamily
    UNION ALL SELECT 'pg_catalog.pg_amop'::pg_catalog.regclass, o.oid, f.opfnamespace
                FROM pg_catalog.pg_amop o JOIN pg_catalog.pg_opfamily f ON f.oid = o.amopfamily
    UNION ALL SELECT 'pg_catalog.pg_amproc'::pg_catalog.regclass, p.oid, f.opfnamespace
                FROM pg_catalog.pg_amproc p JOIN pg_catalog.pg_opfamily f ON f.oid = p.amprocfamily
    UNION ALL SELECT 'pg_catalog.pg_collation'::pg_catalog.regclass, oid, collnamespace FROM pg_catalog.pg_collation
    UNION ALL SELECT 'pg_catalog.pg_conversion'::pg_catalog.regclass, oid, connamespace FROM pg_catalog.pg_conversion
    UNION ALL SELECT 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass, oid, stxnamespace FROM pg_catalog.pg_statistic_ext
    UNION ALL SELECT 'pg_catalog.pg_ts_config'::pg_catalog.regclass, oid, cfgnamespace FROM pg_catalog.pg_ts_config
    UNION ALL SELECT 'pg_catalog.pg_ts_dict'::pg_catalog.regclass, oid, dictnamespace FROM pg_catalog.pg_ts_dict
    UNION ALL SELECT 'pg_catalog.pg_ts_parser'::pg_catalog.regclass, oid, prsnamespace FROM pg_catalog.pg_ts_parser
    UNION ALL SELECT 'pg_catalog.pg_ts_template'::pg_catalog.regclass, oid, tmplnamespace FROM pg_catalog.pg_ts_template
    UNION ALL SELECT 'pg_catalog.pg_default_acl'::pg_catalog.regclass, oid, defaclnamespace FROM pg_catalog.pg_default_acl
    UNION ALL SELECT 'pg_catalog.pg_rewrite'::pg_catalog.regclass, r.oid, c.relnamespace
                FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_class c ON c.oid = r.ev_class
    UNION ALL SELECT 'pg_catalog.pg_trigger'::pg_catalog.regclass, t.oid, c.relnamespace
                FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
    UNION ALL SELECT 'pg_catalog.pg_attrdef'::pg_catalog.regclass, a.oid, c.relnamespace
                FROM pg_catalog.pg_attrdef a JOIN pg_catalog.pg_class c ON c.oid = a.adrelid
    UNION ALL SELECT 'pg_catalog.pg_policy'::pg_catalog.regclass, p.oid, c.relnamespace
                FROM pg_catalog.pg_policy p JOIN pg_catalog.pg_class c ON c.oid = p.polrelid
  ), member AS MATERIALIZED (
    SELECT home.classid, home.objid
      FROM home JOIN moved ON moved.oid = home.namespace
     WHERE NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend e
                        WHERE e.classid = home.classid AND e.objid = home.objid AND e.deptype = 'e')
  ), part AS MATERIALIZED (
    -- What is part of one of the copy's objects but has no schema of its own: a TOAST table, a range type's cast.
    SELECT DISTINCT d.classid, d.objid
      FROM pg_catalog.pg_depend d JOIN member ON member.classid = d.refclassid AND member.objid = d.refobjid
     WHERE d.deptype = 'i'
  ), outside AS MATERIALIZED (
    SELECT DISTINCT d.classid, d.objid, d.refclassid, d.refobjid
      FROM pg_catalog.pg_depend d
      JOIN member ON member.classid = d.refclassid AND member.objid = d.refobjid
      LEFT JOIN member own ON own.classid = d.classid AND own.objid = d.objid
      LEFT JOIN part ON part.classid = d.classid AND part.objid = d.objid
     WHERE own.objid IS NULL AND part.objid IS NULL
       -- A foreign key's triggers stand on both tables; the key itself is looked at.
       AND NOT (d.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass
                AND EXISTS (SELECT 1 FROM pg_catalog.pg_trigger t WHERE t.oid = d.objid AND t.tgisinternal))
  )
  SELECT dependent.type || ' ' || dependent.identity AS dependent, used.type || ' ' || used.identity AS object
    FROM outside
   CROSS JOIN LATERAL pg_catalog.pg_identify_object(outside.classid, outside.objid, 0) AS dependent
   CROSS JOIN LATERAL pg_catalog.pg_identify_object(outside.refclassid, outside.refobjid, 0) AS used
   ORDER BY 1, 2`;
