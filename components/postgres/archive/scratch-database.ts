import type pg from "pg";
import { quoteIdentifier, quoteLiteral } from "../identifiers.ts";

/** Databases of ours on the old server. What is called so may be dropped at any time. */
export const scratchDatabases = {
  /** The sealed database as it is, for looking into it and dumping it. */
  copy: "pgvector_cutover_copy",
  /** What the final backup is restored into, once. */
  restored: "pgvector_cutover_restored",
} as const;

/**
 * Copies a database on its server. One that is sealed stays so: nobody, not even this run, gets into it. Only superusers get
 * into the copy, because roles and the grants to PUBLIC are those of the original.
 *
 * @throws the server's 55006 where somebody is still on the original
 */
export async function copyDatabase(maintenance: pg.Client, original: string, copy: string): Promise<void> {
  await create(maintenance, copy, `template ${quoteIdentifier(original)}`);
}

/** Creates an empty database with the encoding and the locale of another one. */
export async function createLike(maintenance: pg.Client, model: string, name: string): Promise<void> {
  const { rows } = await maintenance.query<{ facts: DatabaseFacts }>(
    `select to_jsonb(d) || jsonb_build_object('encoding', pg_encoding_to_char(d.encoding)) as facts
       from pg_database d where datname = $1`,
    [model],
  );
  await create(maintenance, name, `template template0 ${localeClauses(rows[0]?.facts as DatabaseFacts)}`);
}

/** Drops a database with whoever is on it. Does nothing where there is none. */
export async function dropDatabase(maintenance: pg.Client, name: string): Promise<void> {
  await maintenance.query(`drop database if exists ${quoteIdentifier(name)} with (force)`);
}

/** Which of ours there are: of a run that is at work, or of one that was killed. */
export async function listScratch(maintenance: pg.Client): Promise<string[]> {
  const { rows } = await maintenance.query<{ name: string }>(
    "select datname as name from pg_database where datname = any($1) order by 1",
    [Object.values(scratchDatabases)],
  );
  return rows.map(({ name }) => name);
}

async function create(maintenance: pg.Client, name: string, how: string): Promise<void> {
  const database = quoteIdentifier(name);
  await maintenance.query(`create database ${database} ${how} allow_connections false`);
  await maintenance.query(`revoke all on database ${database} from public`);
  await maintenance.query(`alter database ${database} allow_connections true`);
}

/** A row of `pg_database`; what a version does not have yet is missing (manual 53.15: 15 to 17 each added some). */
interface DatabaseFacts {
  readonly encoding: string;
  readonly datcollate: string;
  readonly datctype: string;
  readonly datlocprovider?: "c" | "i" | "b";
  readonly datlocale?: string | null;
  readonly daticulocale?: string | null;
  readonly daticurules?: string | null;
}

function localeClauses(facts: DatabaseFacts): string {
  const locale = facts.datlocale ?? facts.daticulocale;
  const clauses: ReadonlyArray<readonly [string, string | null | undefined]> = [
    ["encoding", facts.encoding],
    ["lc_collate", facts.datcollate],
    ["lc_ctype", facts.datctype],
    ["locale_provider", facts.datlocprovider && { c: "libc", i: "icu", b: "builtin" }[facts.datlocprovider]],
    [facts.datlocprovider === "b" ? "builtin_locale" : "icu_locale", locale],
    ["icu_rules", facts.daticurules],
  ];
  return clauses.flatMap(([name, value]) => (value ? [`${name} ${quoteLiteral(value)}`] : [])).join(" ");
}
