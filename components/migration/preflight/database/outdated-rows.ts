import type { ClientBase } from "pg";
import { sqlState } from "../../../errors.ts";
import { inBatches } from "../../../in-batches.ts";
import { displayName } from "../../../postgres/catalogue/catalogue.ts";
import { quoteIdentifier, quoteLiteral, quoteQualified } from "../../../postgres/identifiers.ts";
import { readApplicationSettings, type Setting } from "../../../postgres/load/application-settings.ts";
import { silenceLogQuery, unlessStatementsAreLogged } from "../../../postgres/silent-log.ts";
import type { Finding } from "../../finding.ts";
import { findingsOf } from "../definitions.ts";
import { readBrokenKeys } from "./broken-keys.ts";
import { innerTypes } from "./inner-types.ts";

/** Rows that were right when they were written, and would not come about in the same way today. */
export interface OutdatedRows {
  readonly kind: "check" | "generated" | "foreign key";
  /** `constraint public.visit.in_future`, `column public.visit.total`. */
  readonly object: string;
}

export const outdatedRowDefinitions = {
  CHECK_NOT_SATISFIED: {
    severity: "blocker",
    acceptable: false,
    remedy:
      "On the source, correct the rows or the constraint; or make it anew as NOT VALID (ALTER TABLE … DROP CONSTRAINT, ADD CONSTRAINT … NOT VALID), which is copied as such and checks new rows only.",
  },
  FOREIGN_KEY_NOT_SATISFIED: {
    severity: "blocker",
    acceptable: false,
    remedy:
      "On the source, mend or delete the rows; or make the key anew as NOT VALID (ALTER TABLE … DROP CONSTRAINT, ADD CONSTRAINT … NOT VALID), which is copied as such and checks new rows only.",
  },
  GENERATED_VALUE_OUTDATED: {
    severity: "blocker",
    acceptable: false,
    remedy:
      "On the source, have the values computed anew (UPDATE a column of those rows to itself), or make the column a plain one (ALTER TABLE … ALTER … DROP EXPRESSION).",
  },
} as const;

const found = findingsOf(outdatedRowDefinitions);

/**
 * Looks into tables where a check or a generated column depends on what can change without them: the clock, settings,
 * functions of the application; and for rows that came past a foreign key. Best effort: only the oldest rows of a large
 * table are read, and a function that does not find its way in our session shows nothing.
 */
export async function readOutdatedRows(
  client: ClientBase,
  schemas: readonly string[],
): Promise<OutdatedRows[]> {
  const [{ rows: suspects }, settings, keys] = await Promise.all([
    client.query<Suspect>(suspectsQuery, [schemas]),
    readApplicationSettings(client),
    readBrokenKeys(client, schemas),
  ]);
  const outdated = await Promise.all(
    [...inBatches(suspects, batchSize)].map((batch) => findOutdated(client, batch, settings)),
  );
  return [
    ...outdated.flat(),
    ...keys.map((name) => ({ kind: "foreign key" as const, object: `constraint ${name}` })),
  ];
}

export function checkOutdatedRows(rows: readonly OutdatedRows[]): Finding[] {
  return rows.map(({ kind, object }) => found(codes[kind], object, reasons[kind]));
}

const codes = {
  check: "CHECK_NOT_SATISFIED",
  generated: "GENERATED_VALUE_OUTDATED",
  "foreign key": "FOREIGN_KEY_NOT_SATISFIED",
} as const;

const reasons = {
  check:
    "Rows that are there do not satisfy it any more, because it depends on the time, a setting or a function that was changed: the target would refuse them.",
  generated:
    "Values that are stored there are others than its expression gives today, because a function was changed: the target computes them anew, and the gate would find the difference.",
  "foreign key":
    "Rows that are there name one that is not, because its triggers did not fire when they came or when that went (DISABLE TRIGGER, session_replication_role): the target would refuse them.",
} as const;

interface Suspect {
  readonly kind: "check" | "domain" | "generated";
  readonly schema: string;
  readonly table: string;
  /** Of the constraint or the column. */
  readonly name: string;
  /** True for a row that is outdated; where there is a domain: the value given its type once more, which fails. */
  readonly expression: string;
}

function nameOf({ kind, schema, table, name }: Suspect): OutdatedRows {
  return {
    kind: kind === "domain" ? "check" : kind,
    object: `${kind === "check" ? "constraint" : "column"} ${displayName([schema, table, name])}`,
  };
}

/**
 * One that fails shows nothing about the others of its batch, which are looked at one by one then; but not where it took
 * too long: nobody knows what else those functions do.
 */
async function findOutdated(
  client: ClientBase,
  batch: readonly Suspect[],
  settings: readonly Setting[],
): Promise<OutdatedRows[]> {
  try {
    // Sent as one message, they are one transaction. Whoever locks a table is not waited for.
    const results = await client.query<{ position: number }>(
      [
        "SET LOCAL lock_timeout = '1s'; SET LOCAL statement_timeout = '5s'",
        // A function of the application may quote the row that it refuses.
        silenceLogQuery(unlessStatementsAreLogged, "transaction"),
        ...settings.map(({ name, value }) => `SET LOCAL ${quoteIdentifier(name)} = ${quoteLiteral(value)}`),
        batch.map(lookInto).join(" UNION ALL "),
      ].join("; "),
    );
    const positions = new Set(
      [results]
        .flat()
        .at(-1)
        ?.rows.map(({ position }) => position),
    );
    return batch.filter((_suspect, position) => positions.has(position)).map(nameOf);
  } catch (error) {
    const [first, ...others] = batch;
    if (sqlState(error) === queryCanceled) return [];
    if (first !== undefined && others.length === 0) {
      return refusesValue.test(sqlState(error) ?? "") ? [nameOf(first)] : [];
    }
    const alone = await Promise.all(batch.map((suspect) => findOutdated(client, [suspect], settings)));
    return alone.flat();
  }
}

/** A row with the position where there are outdated rows; of a domain's there is none, or the server's refusal. */
function lookInto({ kind, schema, table, expression }: Suspect, position: number): string {
  const oldest = `${quoteQualified(schema, table)} WHERE ctid < '(${mostBlocks},0)'`;
  return kind === "domain"
    ? `SELECT ${position} AS position FROM (SELECT ${expression} AS value FROM ONLY ${oldest} OFFSET 0) AS given HAVING count(value) < 0`
    : `SELECT ${position} AS position WHERE EXISTS (SELECT FROM ONLY ${oldest} AND (${expression}))`;
}

const batchSize = 50;

/** By the statement's time limit. */
const queryCanceled = "57014";

/**
 * SQLSTATEs of a domain's check or NOT NULL; or of what a function says of a value that it cannot take, and would say on the target. Others,
 * such as a name that is not found, may come of our session.
 */
export const refusesValue = /^(?:2[123]|P0)/;

/** 64 MB: rows are mostly appended, so what was written long ago is at the beginning. */
const mostBlocks = 8192;

/** SQL condition: the expression calls something whose answer for the same row may be another one today. */
function mayChange(expression: string): string {
  return `(${expression} LIKE '%{SQLVALUEFUNCTION %' OR EXISTS (
    SELECT FROM regexp_matches(${expression}, ':(?:op)?funcid (\\d+)', 'g') AS call
      JOIN pg_proc p ON p.oid = call[1]::oid
     WHERE p.provolatile <> 'i' OR p.oid >= 16384
       AND NOT EXISTS (SELECT FROM pg_depend e
                        WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid AND e.deptype = 'e')))`;
}

const suspectsQuery = `
  WITH RECURSIVE own AS MATERIALIZED (
    SELECT c.oid, n.nspname, c.relname
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_am am ON am.oid = c.relam
     WHERE n.nspname = ANY ($1::text[]) AND c.relkind = 'r' AND am.amname = 'heap'
       AND NOT EXISTS (SELECT FROM pg_depend e
                        WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
  ),
  -- Every type within a column's type, and whether each of its values is one of it.
  part (relation, attnum, type, is_whole) AS (
    SELECT own.oid, a.attnum, a.atttypid, true
      FROM own JOIN pg_attribute a ON a.attrelid = own.oid AND a.attnum > 0 AND NOT a.attisdropped
    UNION
    SELECT part.relation, part.attnum, inner_type.oid, part.is_whole AND t.typtype = 'd'
      FROM part
      JOIN pg_type t ON t.oid = part.type AND t.oid >= 16384
     ${innerTypes}
  )
  SELECT 'check' AS kind, own.nspname::text AS schema, own.relname::text AS table, k.conname::text AS name,
         'NOT (' || pg_get_expr(k.conbin, k.conrelid) || ')' AS expression
    FROM own JOIN pg_constraint k ON k.conrelid = own.oid
   WHERE k.contype = 'c' AND k.convalidated AND ${mayChange("k.conbin::text")}
  UNION ALL
  SELECT 'generated', own.nspname, own.relname, a.attname,
         format('%I::text IS DISTINCT FROM (%s)::text', a.attname, pg_get_expr(d.adbin, d.adrelid))
    FROM own
    JOIN pg_attribute a ON a.attrelid = own.oid AND a.attgenerated = 's' AND NOT a.attisdropped
    JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
   WHERE ${mayChange("d.adbin::text")}
  UNION ALL
  SELECT DISTINCT 'domain', own.nspname, own.relname, a.attname,
         format('%I::text::%s', a.attname, format_type(a.atttypid, a.atttypmod))
    FROM part
    JOIN own ON own.oid = part.relation
    JOIN pg_attribute a ON a.attrelid = part.relation AND a.attnum = part.attnum
    JOIN pg_type t ON t.oid = part.type AND t.typtype = 'd'
   WHERE part.is_whole AND t.typnotnull AND NOT a.attnotnull
      OR EXISTS (SELECT FROM pg_constraint k
                  WHERE k.contypid = t.oid AND k.contype = 'c' AND k.convalidated AND ${mayChange("k.conbin::text")})
   ORDER BY 2, 3, 4`;
