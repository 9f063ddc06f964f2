import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startOwnServers } from "./own-servers.ts";
import { Arena, newFigures } from "./play.ts";
import { Scenarios } from "./scenario.ts";

/** A few of what `npm run fuzz` plays for as long as one likes. Another seed: FUZZ_SEED=7 npm test -- test/fuzz */
const seed = Number(process.env.FUZZ_SEED ?? 1);

const figures = newFigures();
let servers: Awaited<ReturnType<typeof startOwnServers>>;
let arena: Arena;

beforeAll(async () => {
  servers = await startOwnServers();
  arena = await Arena.create(servers.source, servers.target, figures);
});

afterAll(async () => {
  await arena?.dispose();
  await servers?.dispose();
});

test(`random applications are copied equal or refused before, and what is wrong with a copy is found (seed ${seed})`, async () => {
  await fc.assert(
    fc.asyncProperty(new Scenarios({ statements: 50, changes: 2 }), (scenario) => arena.play(scenario)),
    { seed, numRuns: 2, interruptAfterTimeLimit: 240_000, markInterruptAsFailure: false },
  );
  expect(figures.copies).toBeGreaterThan(0);
  expect(figures.redChanges).toBeGreaterThan(0);
});
