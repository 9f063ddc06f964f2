import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createEngine, type Engine, type EngineResult } from "../world/engine/engine.ts";
import { createFixtureProject, type FixtureProject } from "../world/engine/fixture-project.ts";

const password = "only-the-provider-may-know";

/** What every engine has to do. The real one shows what is right: a host that does otherwise is worthless. */
export function testEngine(kind: Engine["kind"]): void {
  async function start(notes: object[]): Promise<{ engine: Engine; project: FixtureProject }> {
    const project = await createFixtureProject();
    const engine = await createEngine({
      projectDirectory: project.directory,
      stack: "trial",
      config: { notes },
      environment: { ...project.environment, FIXTURE_PASSWORD: password },
      kind,
    });
    onTestFinished(async () => {
      await engine.dispose();
      await project.remove();
    });
    return { engine, project };
  }

  test("plans passively, applies once, then has nothing to do", async () => {
    const { engine, project } = await start([
      { name: "first", text: "one", command: "echo from the command" },
      { name: "second", text: "two", after: "first" },
    ]);

    const preview = await engine.preview();
    expect(preview.exitCode, preview.output).toBe(0);
    expect(operations(preview.steps)).toEqual({
      first: "create",
      "first-command": "create",
      second: "create",
    });
    expect(callNames(await project.takeCalls())).toEqual(["check", "check", "configure"]);
    expect(await engine.outputs()).toEqual({});

    const up = await engine.up();
    expect(up.exitCode, up.output).toBe(0);
    expect(up.output).toContain("keeping first");
    expect(up.output).toContain("from the command");
    expect(up.changes).toBe(true);
    expect(await engine.outputs()).toEqual({
      names: ["first", "second"],
      lengths: { first: 3, second: 3 },
      types: { copies: "number", loud: false },
      hidden: "[secret]",
    });
    const calls = await project.takeCalls();
    expect(calls.find(({ inputs }) => inputs?.name === "second")?.inputs).toMatchObject({
      heading: "after 3",
    });
    expect(calls.find(({ call, news }) => call === "check" && news?.name === "first")?.olds).toEqual({});

    const again = await engine.up({ expectNoChanges: true });
    expect(again.exitCode, again.output).toBe(0);
    expect(again.changes).toBe(false);
    expect(callNames(await project.takeCalls())).toEqual(["check", "check", "configure", "diff", "diff"]);
  });

  test("sees drift, and updates what depends on it as unknown", async () => {
    const { engine, project } = await start([
      { name: "first", text: "one" },
      { name: "second", text: "two", after: "first" },
    ]);
    await engine.up();

    await writeFile(project.path("first.txt"), "edited by hand");
    const drift = await engine.refresh({ previewOnly: true, expectNoChanges: true });
    expect(drift.exitCode, drift.output).toBe(7);
    expect(operations(drift.steps)).toEqual({ first: "update", second: "same" });

    expect((await engine.refresh()).exitCode).toBe(0);
    const preview = await engine.preview({ expectNoChanges: true });
    expect(preview.exitCode, preview.output).toBe(7);
    expect(operations(preview.steps)).toEqual({ first: "update", second: "update" });
    const up = await engine.up();
    expect(operations(up.steps)).toEqual({ first: "update", second: "same" });
    expect(await readFile(project.path("first.txt"), "utf8")).toBe("one");

    await rm(project.path("second.txt"));
    expect(operations((await engine.refresh()).steps)).toEqual({ first: "same", second: "delete" });
  });

  test("refuses invalid inputs in the preview already", async () => {
    const { engine, project } = await start([{ name: "first", text: "x".repeat(41) }]);
    const preview = await engine.preview();
    expect(preview.exitCode).toBe(1);
    expect(preview.output).toContain("property text");
    expect(preview.output).toContain("longer than a note");
    expect(callNames(await project.takeCalls())).toEqual(["check", "configure"]);
  });

  test("holds the configuration to the types that Pulumi.yaml declares", async () => {
    const { engine } = await start([]);
    await engine.setConfig({ copies: "many" });
    const preview = await engine.preview();
    expect(preview.exitCode).not.toBe(0);
    expect(preview.output).toContain("key 'copies' must be of type 'integer'");
    await engine.setConfig({ copies: undefined, notes: undefined });
    expect((await engine.preview()).output).toContain("missing configuration value 'notes'");
  });

  test("creates anew what failed, resumes what is unfinished", async () => {
    const { engine, project } = await start([
      { name: "first", text: "one" },
      { name: "second", text: "two", after: "first" },
      { name: "third", text: "three", after: "second" },
    ]);
    await writeFile(project.path("refuse-second"), "");
    const refused = await engine.up();
    expect(refused.exitCode).toBe(1);
    expect(refused.output).toContain("the pen is broken for second");
    expect(operations(refused.steps)).toEqual({ first: "create", second: "create" });

    await rm(project.path("refuse-second"));
    await writeFile(project.path("tear-second"), "");
    const torn = await engine.up();
    expect(torn.exitCode).toBe(1);
    expect(torn.output).toContain("second is torn");
    expect(operations(torn.steps)).toEqual({ first: "same", second: "create" });

    await rm(project.path("tear-second"));
    await project.takeCalls();
    const resumed = await engine.up();
    expect(resumed.exitCode, resumed.output).toBe(0);
    expect(operations(resumed.steps)).toEqual({ first: "same", second: "update", third: "create" });
    const update = (await project.takeCalls()).find(({ call }) => call === "update");
    expect(update?.olds).toMatchObject({ name: "second", observed: "two" });
  });

  test("keeps what is protected, deletes what is not", async () => {
    const { engine, project } = await start([{ name: "first", text: "one", protect: true }]);
    await engine.up();
    await engine.setConfig({ notes: [] });
    const preview = await engine.preview();
    expect(preview.exitCode).toBe(1);
    expect(preview.output).toContain("protect");
    expect((await engine.destroy()).exitCode).toBe(1);
    expect(await readFile(project.path("first.txt"), "utf8")).toBe("one");

    await engine.setConfig({ notes: [{ name: "first", text: "one" }] });
    expect((await engine.up()).exitCode).toBe(0);
    await engine.setConfig({ notes: [] });
    const up = await engine.up();
    expect(operations(up.steps)).toEqual({ first: "delete" });
    await expect(readFile(project.path("first.txt"))).rejects.toThrow("ENOENT");
  });

  test("keeps secrets out of state, outputs and everything printed", async () => {
    const { engine, project } = await start([{ name: "first", text: "one", password: true }]);
    const printed = [(await engine.preview()).output, (await engine.up()).output];
    const created = (await project.takeCalls()).find(({ call }) => call === "create");
    expect(created?.inputs).toMatchObject({ password });
    const state = await engine.exportState();
    expect(state).toContain("observed");
    for (const text of [...printed, state, JSON.stringify(await engine.outputs())]) {
      expect(text).not.toContain(password);
      expect(text).not.toContain("seldom told");
    }
  });

  test("sees no difference in new provider code, and runs it", async () => {
    const { engine, project } = await start([{ name: "first", text: "one" }]);
    await engine.up();
    const before = providerTexts(await engine.exportState());
    const module = join(project.directory, "providers", "note.ts");
    const code = await readFile(module, "utf8");
    await writeFile(module, code.replace("`keeping ${name}`", "`keeping ${name} by new code`"));

    const up = await engine.up({ expectNoChanges: true });
    expect(up.exitCode, up.output).toBe(0);
    expect(providerTexts(await engine.exportState())).toEqual(before);

    await writeFile(project.path("first.txt"), "edited by hand");
    await engine.refresh();
    expect((await engine.up()).output).toContain("keeping first by new code");
  });

  test("replaces by creating first and deleting then", async () => {
    const { engine, project } = await start([{ name: "first", text: "one", label: "a" }]);
    await engine.up();
    await engine.setConfig({ notes: [{ name: "first", text: "one", label: "b" }] });
    await project.takeCalls();
    const up = await engine.up();
    expect(up.exitCode, up.output).toBe(0);
    expect(operations(up.steps)).toEqual({ first: "replace" });
    const names = (await project.takeCalls()).map(({ call }) => call);
    expect(names.indexOf("create")).toBeLessThan(names.indexOf("delete"));
  });
}

/** What the steps say by name of the resource. */
function operations(steps: EngineResult["steps"]): Record<string, string> {
  return Object.fromEntries(steps.map(({ name, operation }) => [name, operation]));
}

function callNames(calls: readonly { call: string }[]): string[] {
  return calls.map(({ call }) => call).sort();
}

/** Every provider text that the state holds. */
function providerTexts(state: string): string[] {
  return [...state.matchAll(/"__provider": "((?:[^"\\]|\\.)*)"/g)].map(([, text]) => text ?? "");
}
