import type { ClientBase } from "pg";
import { z } from "zod";
import { CutoverError } from "../errors.ts";
import { inBatches } from "../in-batches.ts";
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
  for (const batch of inBatches(sequences, batchSize)) {
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
  await assertPresent(client, states);
  for (const batch of inBatches(states, batchSize)) {
    const calls = batch.map(
      ({ schema, name, lastValue, isCalled }) =>
        `pg_catalog.setval(${regclass(schema, name)}, ${BigInt(lastValue)}, ${isCalled})`,
    );
    await client.query(`SELECT ${calls.join(", ")}`);
  }
}

/**
 * Moves every named sequence forward to where its state says, and none that is there or beyond, while others may draw
 * from it: a number that somebody was given is never given again. Takes effect at once.
 *
 * A `setval` writes over what was drawn since it was decided on, and no lock can be taken on a sequence (42809). So the
 * numbers in between are drawn, which only ever leads forward. Where they are too many it is set, in the statement that
 * compares: nobody draws so many in that moment.
 *
 * @throws CutoverError `SEQUENCE_MISSING` before anything is moved, when one of them does not exist
 */
export async function advanceSequences(client: ClientBase, states: readonly SequenceState[]): Promise<void> {
  await assertPresent(client, states);
  // What this session drew ahead for a sequence with CACHE earlier is not the next number any more.
  await client.query("DISCARD SEQUENCES");
  for (const batch of inBatches(states, batchSize))
    await client.query(batch.map(advanceQuery).join(" UNION ALL "));
}

/** Numbers that are drawn one after the other, a few microseconds each. */
const mostDrawn = 1_000;

function advanceQuery(state: SequenceState): string {
  const { schema, name, lastValue, isCalled } = state;
  const sequence = regclass(schema, name);
  return `
    SELECT CASE WHEN missing > ${mostDrawn} THEN pg_catalog.setval(${sequence}, ${BigInt(lastValue)}, ${isCalled})
                WHEN missing > 0 THEN (SELECT max(pg_catalog.nextval(${sequence}))
                                         FROM pg_catalog.generate_series(1, missing::bigint)) END
      FROM (SELECT pg_catalog.ceil((${nextValue(state)} - last_value::numeric - CASE WHEN is_called THEN step ELSE 0 END) / step) AS missing
              FROM ${quoteQualified(schema, name)},
                   (SELECT seqincrement::numeric AS step FROM pg_catalog.pg_sequence WHERE seqrelid = ${sequence}) AS own) AS distance`;
}

async function assertPresent(client: ClientBase, states: readonly SequenceState[]): Promise<void> {
  if (states.length === 0) return;
  const { rows } = await client.query<{ schema: string; name: string }>(missingQuery, [
    states.map(({ schema }) => schema),
    states.map(({ name }) => name),
  ]);
  if (rows.length === 0) return;
  throw new CutoverError({
    code: "SEQUENCE_MISSING",
    message: `Cannot set sequences that do not exist: ${rows.map(({ schema, name }) => `${schema}.${name}`).join(", ")}.`,
    remedy: "The schema was not restored completely, or was changed meanwhile: run the cutover again.",
  });
}

function regclass(schema: string, name: string): string {
  return `${quoteLiteral(quoteQualified(schema, name))}::pg_catalog.regclass`;
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
