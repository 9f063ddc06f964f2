import { createHash } from "node:crypto";
import type { ClientBase } from "pg";
import { z } from "zod";
import { compareText } from "../../text-order.ts";
import { type CatalogueObject, displayName, visitCatalogue } from "../catalogue/catalogue.ts";
import { hashTable, type TableDigest } from "../content/content-hash.ts";
import { inTurn } from "../in-turn.ts";
import { lookAgainAtDropped } from "../look-again.ts";
import { listTables } from "../relations.ts";
import { readSequences, sequenceStateSchema } from "../sequences.ts";

const tableFingerprintSchema = z.object({
  rows: z.string(),
  hash: z.string(),
  /** Rows ever inserted, updated and deleted according to the activity statistics, read before the rows were … */
  writesAtStart: z.number(),
  /** … and after. A write that shows in the rows of a later fingerprint shows in these too, once it is reported. */
  writesAtEnd: z.number(),
});

/** The state of the protected schemas at one moment: hashes and numbers only. */
export const protectedFingerprintSchema = z.object({
  /** The `vector` extension; `null` where it is not installed. */
  extension: z
    .object({ oid: z.number(), version: z.string(), schema: z.string(), members: z.number() })
    .nullable(),
  /** Catalogue key -> hash of everything declared about it. */
  structure: z.record(z.string(), z.string()),
  /** Relation or routine -> what shows that it is the same object and not one made anew: oid and relfilenode. */
  identities: z.record(z.string(), z.string()),
  tables: z.record(z.string(), tableFingerprintSchema),
  sequences: z.record(z.string(), sequenceStateSchema.extend({ ownedBy: z.string().nullable() })),
  /** When the server was started; after a crash its sequences are ahead of where they were. */
  serverStartedAt: z.string().optional(),
});

export { compareFingerprints, type FingerprintDifference } from "./differences.ts";

export type ProtectedFingerprint = z.infer<typeof protectedFingerprintSchema>;

/**
 * Fingerprints the schemas and the `vector` extension. Reads only: no lock beyond ACCESS SHARE, one table at a time,
 * so the schemas' own users go on, and may drop what was just listed. Call it outside of a transaction: activity statistics
 * stand still within one.
 */
export async function fingerprintProtected(
  client: ClientBase,
  schemas: readonly string[],
): Promise<ProtectedFingerprint> {
  const [extension, structure, identities, tables, sequences, serverStartedAt] = await inTurn(client, [
    () => readVectorExtension(client),
    () => fingerprintStructure(client, schemas),
    () => readIdentities(client, schemas),
    () => fingerprintTables(client, schemas),
    () => lookAgainAtDropped(() => fingerprintSequences(client, schemas)),
    () => readServerStart(client),
  ]);
  return { extension, structure, identities, tables, sequences, serverStartedAt };
}

/** Catalogue key -> hash of everything declared about it. Reads no row, and takes no lock on any table. */
export async function fingerprintStructure(
  client: ClientBase,
  schemas: readonly string[],
): Promise<ProtectedFingerprint["structure"]> {
  const hashes = await lookAgainAtDropped(async () => {
    const read: Array<[key: string, hash: string]> = [];
    await visitCatalogue(client, schemas, (object) => read.push([object.key, hashObject(object)]), {
      databaseWide: false,
    });
    return read;
  });
  return Object.fromEntries(hashes.sort(([one], [other]) => compareText(one, other)));
}

/**
 * Rows ever written to each table of the schemas, by name. Sessions report with a delay: within a second while they
 * are busy, within ten when they turn idle (PGSTAT_MIN_INTERVAL, PGSTAT_IDLE_INTERVAL).
 */
export async function readWriteCounters(
  client: ClientBase,
  schemas: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const { rows } = await client.query<{ path: string[]; writes: number }>(
    `SELECT ARRAY[schemaname, relname]::text[] AS path, (n_tup_ins + n_tup_upd + n_tup_del)::float8 AS writes
       FROM pg_catalog.pg_stat_all_tables WHERE schemaname = ANY($1::text[])`,
    [schemas],
  );
  return new Map(rows.map(({ path, writes }) => [displayName(path), writes]));
}

async function fingerprintTables(
  client: ClientBase,
  schemas: readonly string[],
): Promise<ProtectedFingerprint["tables"]> {
  const atStart = await readWriteCounters(client, schemas);
  // Each is a look of its own, and none that has ended is begun again: a large table takes minutes.
  const hashed = new Map<number, TableDigest>();
  const digests = await lookAgainAtDropped(async () => {
    const tables = await listTables(client, schemas);
    await inTurn(
      client,
      tables
        .filter(({ oid }) => !hashed.has(oid))
        .map((table) => async () => hashed.set(table.oid, await hashTable(client, table))),
    );
    return tables.flatMap(({ oid }) => hashed.get(oid) ?? []);
  });
  const atEnd = await readWriteCounters(client, schemas);
  return Object.fromEntries(
    digests.map(({ schema, name, rows, hash }) => {
      const table = displayName([schema, name]);
      return [
        table,
        { rows, hash, writesAtStart: atStart.get(table) ?? 0, writesAtEnd: atEnd.get(table) ?? 0 },
      ];
    }),
  );
}

async function fingerprintSequences(
  client: ClientBase,
  schemas: readonly string[],
): Promise<ProtectedFingerprint["sequences"]> {
  const { rows } = await client.query<{ sequence: string[]; owner: string[] }>(ownersQuery, [schemas]);
  const owners = new Map(rows.map(({ sequence, owner }) => [displayName(sequence), displayName(owner)]));
  const states = await readSequences(client, schemas);
  return Object.fromEntries(
    states.map((state) => {
      const name = displayName([state.schema, state.name]);
      return [name, { ...state, ownedBy: owners.get(name) ?? null }];
    }),
  );
}

async function readServerStart(client: ClientBase): Promise<string> {
  const { rows } = await client.query(
    "SELECT extract(epoch FROM pg_catalog.pg_postmaster_start_time())::text AS started",
  );
  return rows[0].started;
}

async function readVectorExtension(client: ClientBase): Promise<ProtectedFingerprint["extension"]> {
  const { rows } = await client.query<NonNullable<ProtectedFingerprint["extension"]>>(
    `SELECT e.oid, e.extversion AS version, n.nspname::text AS schema,
            (SELECT count(*)::int FROM pg_catalog.pg_depend d
              WHERE d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.refobjid = e.oid
                AND d.deptype = 'e') AS members
       FROM pg_catalog.pg_extension e
       JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
      WHERE e.extname = 'vector'`,
  );
  return rows[0] ?? null;
}

async function readIdentities(
  client: ClientBase,
  schemas: readonly string[],
): Promise<ProtectedFingerprint["identities"]> {
  const { rows } = await client.query<{ kind: string; path: string[]; suffix: string; identity: string }>(
    identitiesQuery,
    [schemas],
  );
  return Object.fromEntries(
    rows.map(({ kind, path, suffix, identity }) => [`${kind} ${displayName(path)}${suffix}`, identity]),
  );
}

function hashObject({ aspects }: CatalogueObject): string {
  return createHash("sha256")
    .update(JSON.stringify(Object.entries(aspects)))
    .digest("hex")
    .slice(0, 32);
}

// A sequence has no file of its own that would matter: its row says where it stands.
const identitiesQuery = `
  SELECT CASE c.relkind WHEN 'i' THEN 'index' WHEN 'I' THEN 'index' WHEN 'S' THEN 'sequence' WHEN 'v' THEN 'view'
                        WHEN 'm' THEN 'materialized view' ELSE 'table' END AS kind,
         ARRAY[n.nspname, c.relname]::text[] AS path, '' AS suffix,
         concat_ws(':', c.oid, CASE WHEN c.relkind <> 'S' THEN c.relfilenode END) AS identity
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE n.nspname = ANY($1::text[]) AND c.relkind IN ('r', 'p', 'i', 'I', 'S', 'v', 'm')
  UNION ALL
  SELECT CASE p.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' ELSE 'function' END,
         ARRAY[n.nspname, p.proname]::text[], '(' || oidvectortypes(p.proargtypes) || ')', p.oid::text
    FROM pg_catalog.pg_proc p
    JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
   WHERE n.nspname = ANY($1::text[])
   ORDER BY 1, 2, 3`;

const ownersQuery = `
  SELECT ARRAY[n.nspname, c.relname]::text[] AS sequence, ARRAY[owner_schema.nspname, owner.relname]::text[] AS owner
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_depend d
      ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid
     AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
    JOIN pg_catalog.pg_class owner ON owner.oid = d.refobjid
    JOIN pg_catalog.pg_namespace owner_schema ON owner_schema.oid = owner.relnamespace
   WHERE n.nspname = ANY($1::text[]) AND c.relkind = 'S'`;
