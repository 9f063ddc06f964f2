import { describeError } from "../components/errors.ts";
import { createEngine } from "../test/world/engine/engine.ts";
import { quickPace } from "../test/world/railway/pace.ts";
import { startWorld, type World } from "../test/world/world.ts";

/**
 * A stack of the local world after its cutover, on the real engine, previewed as often as its argument says: nothing is
 * to be done. Prints how long each preview took, in milliseconds.
 */
const world = await startWorld({ pace: quickPace, rows: 2_000 });
try {
  process.stdout.write(`${JSON.stringify(await previewOften(world, Number(process.argv[2])))}\n`);
} catch (error) {
  process.stderr.write(`${describeError(error)}\n`);
  process.exitCode = 1;
} finally {
  await world.stop();
}

async function previewOften({ config, environment }: World, repetitions: number): Promise<number[]> {
  const engine = await createEngine({
    kind: "cli",
    projectDirectory: new URL("..", import.meta.url).pathname,
    stack: "preview",
    config: { ...config, phase: "cutover" },
    environment,
  });
  try {
    const up = await engine.up();
    if (up.exitCode !== 0) throw new Error(`the cutover ended with exit code ${up.exitCode}`);
    const times: number[] = [];
    // The first one finds nothing kept of what it loads.
    for (let repetition = 0; repetition <= repetitions; repetition++) {
      const began = performance.now();
      const { exitCode } = await engine.preview({ expectNoChanges: true });
      if (exitCode !== 0) throw new Error(`a preview without changes ended with exit code ${exitCode}`);
      if (repetition > 0) times.push(performance.now() - began);
    }
    return times;
  } finally {
    await engine.dispose();
  }
}
