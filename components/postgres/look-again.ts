import { setTimeout as delay } from "node:timers/promises";
import { sqlState } from "../errors.ts";

/**
 * Looks once more, a few times at most, where something that the look had found is gone by the time it is asked about: catalogues
 * are read as of a moment, what their rows are about is opened as of now.
 *
 * @param look reads only, in no transaction of the caller's, and begins anew each time
 * @throws what the last look threw; everything else at once
 */
export async function lookAgainAtDropped<Seen>(look: () => Promise<Seen>): Promise<Seen> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await look();
    } catch (error) {
      if (attempt === attempts || !statesOfDropped.has(sqlState(error) ?? "")) throw error;
      await delay(attempt * restMs);
    }
  }
}

const attempts = 4;
const restMs = 50;

/** undefined_table, undefined_column, undefined_object, undefined_function, invalid_schema_name, and what has no state of its own. */
const statesOfDropped: ReadonlySet<string> = new Set([
  "42P01",
  "42703",
  "42704",
  "42883",
  "3F000",
  // "cache lookup failed for …", "could not open relation with OID …".
  "XX000",
]);
