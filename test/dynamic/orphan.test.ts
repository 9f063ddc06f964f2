import { expect, onTestFinished, test } from "vitest";
import { startTestWorld } from "../world/railway/test-world.ts";
import { startProviderProcess } from "./provider-process.ts";

test("a provider whose engine was killed works on, although nobody reads what it prints", async () => {
  const railway = await startTestWorld();
  const process = await startProviderProcess(railway.simulator, { engineIsGone: true });
  onTestFinished(async () => {
    await process.stop();
    await railway[Symbol.asyncDispose]();
  });
  const provider = await process.provider("data-migration");
  process.stopReading();
  // Each prints a line, and the console itself only survives the first that it cannot write.
  for (let line = 0; line < 5; line++) await expect(provider.delete("id", {})).resolves.toBeUndefined();
}, 30_000);
