import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestWorld, type TestWorld } from "../world/railway/test-world.ts";
import { type ProviderProcess, type RemoteProvider, startProviderProcess } from "./provider-process.ts";

let railway: TestWorld;
let orphan: ProviderProcess;
let migration: RemoteProvider;

beforeAll(async () => {
  railway = await startTestWorld();
  orphan = await startProviderProcess(railway.simulator, { engineIsGone: true });
  migration = await orphan.provider("data-migration");
});

afterAll(async () => {
  await orphan?.stop();
  await railway?.[Symbol.asyncDispose]();
});

test("works on although nobody reads what it prints any more", async () => {
  orphan.stopReading();
  // Each prints a line, and the console itself only survives the first that it cannot write.
  for (let line = 0; line < 5; line++) await expect(migration.delete("id", {})).resolves.toBeUndefined();
});

test("answers, then ends by itself", async () => {
  await expect(migration.create({})).rejects.toThrow("INPUTS_INVALID");
  await orphan.exited;
});
