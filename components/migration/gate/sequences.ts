import { displayName } from "../../postgres/catalogue/catalogue.ts";
import { advancesBeyond, type SequenceState } from "../../postgres/sequences.ts";
import type { FoundDifference } from "./difference.ts";

/**
 * Compares where the sequences stand. The source may have gone on (a `nextval` without a write passes locks and
 * triggers), which is why the target is held against what the load set; it must never be ahead of the source. A
 * sequence that one side lacks is the catalogue's affair.
 */
export function compareSequences(
  source: readonly SequenceState[],
  target: readonly SequenceState[],
  expected: readonly SequenceState[] = source,
): FoundDifference[] {
  const [origins, wanted] = [byName(source), byName(expected)];
  return target.flatMap((state): FoundDifference[] => {
    const name = displayName([state.schema, state.name]);
    const [origin, goal] = [origins.get(name), wanted.get(name)];
    if (origin === undefined) return [];
    const object = `sequence ${name}`;
    if (advancesBeyond(state, origin)) return [{ code: "SEQUENCE_AHEAD", object, aspect: "position" }];
    const reached =
      goal !== undefined && goal.lastValue === state.lastValue && goal.isCalled === state.isCalled;
    return reached ? [] : [{ code: "SEQUENCE_DIFFERS", object, aspect: "position" }];
  });
}

function byName(states: readonly SequenceState[]): ReadonlyMap<string, SequenceState> {
  return new Map(states.map((state) => [displayName([state.schema, state.name]), state]));
}
