import { afterEach, beforeEach, expect } from "vitest";
import type { World } from "../world/world.ts";
import type { ProviderProcess } from "./provider-process.ts";
import { secretsOf, transactionIds } from "./quiet-world.ts";

/**
 * Registers what must hold after every test of a file: nothing was written on either server, nothing was changed on
 * Railway, and nothing that the provider process printed is a secret.
 *
 * @returns `rebase` counts from now on, for a test that has to prepare its world by writing to it
 */
export function expectPassivity(stage: () => { world: World; process: ProviderProcess }): {
  rebase(): Promise<void>;
} {
  let before: string[];

  const rebase = async () => {
    before = await transactionIds(stage().world);
  };
  beforeEach(rebase);

  afterEach(async () => {
    const { world, process } = stage();
    expect(await transactionIds(world)).toEqual(before);
    expect(world.railway.mutations()).toEqual([]);
    for (const secret of secretsOf(world)) expect(process.printed()).not.toContain(secret);
  });

  return { rebase };
}
