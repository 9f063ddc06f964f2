import type pg from "pg";
import { advanceSequences, readSequences, type SequenceState } from "../../postgres/sequences.ts";

/**
 * Brings the target's sequences to where the source's are. Neither locks nor triggers stop `nextval`, so this is done
 * after the fence and once more when the source is sealed. A sequence is only ever moved forward, though services that
 * run on the target by then may draw from it. Returns where the source's stood.
 *
 * @throws CutoverError `SEQUENCE_MISSING`
 */
export async function syncSequences(
  source: pg.Client,
  target: pg.Client,
  schemas: readonly string[],
): Promise<SequenceState[]> {
  const states = await readSequences(source, schemas);
  await advanceSequences(target, states);
  return states;
}
