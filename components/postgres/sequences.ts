import type { ClientBase } from "pg";
import { z } from "zod";
import { CutoverError } from "../errors.ts";
import { quoteLiteral, quoteQualified } from "./identifiers.ts";

/** Where one sequence stands. Numbers are decimal text: they reach 64 bits. */
export const sequenceStateSchema = z.object({
  schema: z.string(),
  name: z.string(),
  lastValue: z.string().regex(/^-?\d+$/),
  /** `false`: `lastValue` itself is what the next `nextval` hands out. */
  isCalled: z.boolean(),
  increment: z.string().regex(/^-?\d+$/),
});

export type SequenceState = z.infer<typeof sequenceStateSchema>;

/**
 * Reads every sequence of the schemas, sorted by schema and name, without moving any. Sequences that belong to an
 * extension are left out. Sequences are not transactional: a snapshot does not hold them still.
 */
export async function readSequences(
  client: ClientBase,
  schemas: readonly string[],
): Promise<SequenceState[]> {
  const { rows: sequences } = await client.query<{ schema: string; name: string; increment: string }>(
    sequencesQuery,
    [schemas],
  );
  const states: SequenceState[] = [];
  for (let start = 0; start < sequences.length; start += batchSize) {
    const batch = sequences.slice(start, start + batchSize);
    const { rows } = await client.query<{ lastValue: string; isCalled: boolean }>(positionsQuery(batch));
    states.push(
      ...batch.map(({ schema, name, increment }, index) => {
        const position = rows[index] as { lastValue: string; isCalled: boolean };
        return { schema, name, lastValue: position.lastValue, isCalled: position.isCalled, increment };
      }),
    );
  }
  return states;
}

/**
 * Puts every named sequence exactly where its state says; takes effect at once, whatever the transaction does later.
 *
 * @throws CutoverError `SEQUENCE_MISSING` before anything is set, when one of them does not exist
 */
export async function setSequences(client: ClientBase, states: readonly SequenceState[]): Promise<void> {
  if (states.length === 0) return;
  const { rows } = await client.query<{ schema: string; name: string }>(missingQuery, [
    states.map(({ schema }) => schema),
    states.map(({ name }) => name),
  ]);
  if (rows.length > 0) {
    throw new CutoverError({
      code: "SEQUENCE_MISSING",
      message: `Cannot set sequences that do not exist: ${rows.map(({ schema, name }) => `${schema}.${name}`).join(", ")}.`,
      remedy: "The schema was not restored completely, or was changed meanwhile: run the cutover again.",
    });
  }
  for (let start = 0; start < states.length; start += batchSize) {
    const calls = states.slice(start, start + batchSize).map(({ schema, name, lastValue, isCalled }) => {
      const sequence = quoteLiteral(quoteQualified(schema, name));
      return `pg_catalog.setval(${sequence}::pg_catalog.regclass, ${BigInt(lastValue)}, ${isCalled})`;
    });
    await client.query(`SELECT ${calls.join(", ")}`);
  }
}

/**
 * Whether `nextval` of `state` hands out a later value than `other` would, in the direction of the increment.
 * A sequence that has cycled compares by value only.
 */
export function advancesBeyond(state: SequenceState, other: SequenceState): boolean {
  const difference = nextValue(state) - nextValue(other);
  return BigInt(state.increment) > 0n ? difference > 0n : difference < 0n;
}

/** What `nextval` hands out next, bounds and cycling aside. */
export function nextValue({ lastValue, isCalled, increment }: SequenceState): bigint {
  return isCalled ? BigInt(lastValue) + BigInt(increment) : BigInt(lastValue);
}

/** Sequences read or set by one statement; a SELECT has at most 1664 columns. */
const batchSize = 200;

const sequencesQuery = `
  SELECT n.nspname::text AS schema, c.relname::text AS name, s.seqincrement::text AS increment
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_sequence s ON s.seqrelid = c.oid
   WHERE n.nspname = ANY($1::text[])
     AND NOT EXISTS (
           SELECT 1 FROM pg_catalog.pg_depend d
            WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e')
   ORDER BY n.nspname, c.relname`;

const missingQuery = `
  SELECT wanted.schema, wanted.name
    FROM unnest($1::text[], $2::text[]) AS wanted(schema, name)
   WHERE NOT EXISTS (
           SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = wanted.schema AND c.relname = wanted.name AND c.relkind = 'S')
   ORDER BY 1, 2`;

function positionsQuery(sequences: ReadonlyArray<{ schema: string; name: string }>): string {
  const reads = sequences.map(
    ({ schema, name }, index) =>
      `SELECT ${index} AS ordinal, last_value::text AS "lastValue", is_called AS "isCalled" FROM ${quoteQualified(schema, name)}`,
  );
  return `${reads.join(" UNION ALL ")} ORDER BY ordinal`;
}
