import { looking } from "../../components/migration/decide/observe.ts";
import { readPrimary } from "../../components/migration/decide/primary.ts";
import { isRunActive } from "../../components/migration/exclusion/exclusion.ts";
import { withConnection } from "../../components/postgres/connection.ts";
import type { StackContext } from "../stack.ts";

/**
 * Whose turn it is by the journal: it changes as soon as an `up` has begun a migration or taken one over, which the run itself
 * tells people of. `undefined` where it could not be read, or a run is at work. Reads only, and does not throw.
 */
export async function readTurn({
  railway,
  inputs,
}: Pick<StackContext, "railway" | "inputs">): Promise<string | undefined> {
  try {
    const { entry, target } = await readPrimary(railway, inputs);
    if (await withConnection(target.connection, looking, isRunActive)) return undefined;
    return entry === undefined ? "nobody's" : `${entry.id} ${entry.epoch}`;
  } catch {
    return undefined;
  }
}
