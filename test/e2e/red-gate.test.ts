import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { reportSchema } from "../../components/migration/report.ts";
import { oddPassword } from "../dynamic/quiet-world.ts";
import { makeStackFolder, type StackFolder } from "../scripts/stack-folder.ts";
import { createEngine, type Engine, pulumiVersion } from "../world/engine/engine.ts";
import { sentinelMarker } from "../world/postgres/source-fixture.ts";
import { quickPace } from "../world/railway/pace.ts";
import { startWorld, type World } from "../world/world.ts";

const engines = [
  { kind: "mocks", isThere: true },
  { kind: "cli", isThere: pulumiVersion() !== undefined },
] as const;

/** Whoever waits for the exit code of `pulumi up`, or reads its report, learns that the copy was not equal. */
describe.each(engines)("a copy that differs, on the engine “$kind”", ({ kind, isThere }) => {
  let world: World;
  let engine: Engine;
  let stack: StackFolder;
  let printed = "";

  beforeAll(async () => {
    if (!isThere) return;
    world = await startWorld({ pace: quickPace, rows: 2_000, password: oddPassword });
    const program = path.join(import.meta.dirname, "../migration/switch/hook-program.ts");
    const damage = `update medical_records.clinical_notes set body = 'other' where id = (select id from medical_records.clinical_notes order by id limit 1)`;
    const config = {
      ...world.config,
      phase: "cutover",
      hooks: { beforeSwitch: `HOOK_SQL="${damage}" "${process.execPath}" "${program}"` },
    };
    stack = await makeStackFolder(config, world.environment);
    engine = await createEngine({
      kind,
      projectDirectory: path.join(import.meta.dirname, "../.."),
      stack: "trial",
      config,
      environment: world.environment,
      onOutput: (text) => {
        printed += text;
      },
    });
  });
  afterAll(async () => {
    await engine?.dispose();
    await stack?.remove();
    await world?.stop();
  });

  test.skipIf(!isThere)("ends up with exit code 1, names the table, and puts everything back", async () => {
    const watch = watchCommandLines([world.source.password, world.target.password]);
    const up = await engine.up();
    expect(await watch.stop()).toEqual([]);
    expect(up.exitCode).toBe(1);
    expect(up.output).toContain("GATE_RED");
    expect(up.output).toContain("table medical_records.clinical_notes");
    expect(await world.judge("source")).toMatchObject({ violations: [], switchPauseMs: null });
    expect(printed).not.toContain(sentinelMarker);
  });

  test.skipIf(!isThere)("and the machine report says so, without a row", async () => {
    const { exitCode, output } = await stack.script("report", ["--stack", "trial", "--json"]);
    expect(exitCode).toBe(1);
    const report = reportSchema.parse(JSON.parse(output));
    expect(report.state).toBe("aborted");
    expect(JSON.stringify(report)).toContain("GATE_RED");
    expect(output).not.toContain(sentinelMarker);
  });
});

/** Looks at every process's arguments all the time: they are open to each user of a machine. */
function watchCommandLines(secrets: readonly string[]): { stop(): Promise<string[]> } {
  const seen = new Set<string>();
  const end = new AbortController();
  const look = async () => {
    for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
      const text = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
      const isOpen = secrets.some(
        (secret) => text.includes(secret) || text.includes(encodeURIComponent(secret)),
      );
      if (isOpen) seen.add(text.split("\0")[0] ?? "");
    }
  };
  const watching = (async () => {
    while (!end.signal.aborted) {
      await look();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  })();
  return {
    async stop() {
      end.abort();
      await watching;
      return [...seen];
    },
  };
}
