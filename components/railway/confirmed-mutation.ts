import type { CutoverError } from "../errors.ts";
import type { RailwayContext } from "./context.ts";
import { isUncertain } from "./transport.ts";

export interface ConfirmedMutation<Seen> {
  /** For the log. */
  readonly name: string;
  /** Sends the mutation. */
  readonly apply: () => Promise<unknown>;
  /** What proves that it took effect, or `undefined` while nothing does. */
  readonly observe: () => Promise<Seen | undefined>;
  /** How long to look for the effect. Railway's reads lag behind its writes. */
  readonly timeoutMs?: number;
}

/**
 * Applies a mutation and reads until its effect shows. One whose outcome is uncertain is looked for first, and sent a
 * second time only after the effect did not show for the whole time.
 *
 * @returns what was seen, or `undefined` when Railway accepted the mutation but its effect never showed
 * @throws CutoverError whatever the mutation was refused with; `RAILWAY_MUTATION_UNCERTAIN` when both attempts failed
 */
export async function applyAndConfirm<Seen>(
  context: RailwayContext,
  { name, apply, observe, timeoutMs }: ConfirmedMutation<Seen>,
): Promise<Seen | undefined> {
  let uncertainty: CutoverError | undefined;
  for (let attempt = 1; attempt <= 2; attempt += 1) {
    uncertainty = undefined;
    try {
      await apply();
    } catch (error) {
      if (!isUncertain(error)) throw error;
      uncertainty = error;
      context.log(`Railway ${name}: it is uncertain whether it took place; reading the state again`);
    }
    const seen = await context.settle(observe, timeoutMs);
    if (seen !== undefined || uncertainty === undefined) return seen;
    if (attempt === 1) context.log(`Railway ${name}: it did not take place; sending it once more`);
  }
  throw uncertainty;
}
