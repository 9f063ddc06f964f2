import type pg from "pg";
import { advancesBeyond, readSequences, setSequences } from "../postgres/sequences.ts";

/**
 * Brings the target's sequences to where the source's are. Neither locks nor triggers stop `nextval`, so this is done
 * after the fence and once more when the source is sealed. A sequence is only ever moved forward.
 */
export async function syncSequences(
  source: pg.Client,
  target: pg.Client,
  schemas: readonly string[],
): Promise<void> {
  const onTarget = new Map(
    (await readSequences(target, schemas)).map((state) => [`${state.schema}.${state.name}`, state]),
  );
  const behind = (await readSequences(source, schemas)).filter((state) => {
    const copied = onTarget.get(`${state.schema}.${state.name}`);
    return copied === undefined || advancesBeyond(state, copied);
  });
  await setSequences(target, behind);
}
