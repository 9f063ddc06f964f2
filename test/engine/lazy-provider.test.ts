import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { providerText } from "../../components/dynamic/lazy-provider.ts";
import { createFixtureProject, type FixtureProject } from "../world/engine/fixture-project.ts";
import { type GrpcProvider, ProviderFailure, startGrpcProvider } from "../world/engine/grpc-provider.ts";

test("holds nothing but the module's name", () => {
  const text = providerText("#providers/note");
  expect(text.length).toBeLessThan(4_000);
  expect(text).not.toContain(import.meta.dirname);
  expect(text).not.toMatch(/schema|keeping/);
  expect(providerText("#providers/note")).toBe(text);
  expect(providerText("#providers/other")).toBe(text.replaceAll("#providers/note", "#providers/other"));
});

describe("in Pulumi's own provider process", () => {
  let project: FixtureProject;
  let provider: GrpcProvider;
  let __provider: string;

  beforeEach(async () => {
    project = await createFixtureProject();
    __provider = providerText("#providers/note");
    provider = await startProcess();
  });

  afterEach(async () => {
    await provider.stop();
    await project.remove();
  });

  async function startProcess(): Promise<GrpcProvider> {
    const started = await startGrpcProvider({
      workingDirectory: project.directory,
      project: "engine-fixture",
      environment: project.environment,
    });
    await started.configure({ "engine-fixture:greeting": "good day" });
    return started;
  }

  test("goes through a note's whole life", async () => {
    const inputs = { __provider, name: "first", text: "one", heading: "hello" };
    const checked = await provider.check({}, inputs);
    expect(checked).toEqual({ inputs, failures: [] });
    const refused = await provider.check({}, { ...inputs, text: "x".repeat(41) });
    expect(refused.failures).toEqual([{ property: "text", reason: "longer than a note" }]);

    const created = await provider.create(checked.inputs);
    expect(created).toEqual({ id: "first", properties: { ...inputs, length: 3, observed: "one" } });
    await expect.poll(() => provider.printed()).toContain("keeping first");
    expect(await provider.diff("first", created.properties, inputs)).toMatchObject({ changes: false });
    expect(await provider.diff("first", created.properties, { ...inputs, label: "b" })).toEqual({
      changes: true,
      replaces: ["label"],
      deleteBeforeReplace: false,
    });

    await writeFile(project.path("first.txt"), "by hand");
    const read = await provider.read("first", created.properties);
    expect(read.properties).toEqual({ ...created.properties, observed: "by hand" });
    expect(await provider.update("first", read.properties, inputs)).toEqual(created.properties);
    await provider.delete("first", created.properties);
    expect((await provider.read("first", created.properties)).id).toBe("");
    expect(await project.takeCalls()).toContainEqual({ call: "configure", greeting: "good day" });
  });

  test("tells a failed creation from an unfinished one", async () => {
    const inputs = { __provider, name: "first", text: "one", heading: "hello" };
    await writeFile(project.path("refuse-first"), "");
    await expect(provider.create(inputs)).rejects.toMatchObject({
      message: "the pen is broken for first",
      unfinished: undefined,
    });

    await rm(project.path("refuse-first"));
    await writeFile(project.path("tear-first"), "");
    const failure = await provider.create(inputs).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ProviderFailure);
    expect((failure as ProviderFailure).unfinished).toEqual({
      id: "first",
      reasons: ["first is torn"],
      properties: { ...inputs, length: 3, observed: "one" },
    });
  });

  test("runs the code that the project has now for a text that it wrote before", async () => {
    const inputs = { __provider, name: "first", text: "one", heading: "hello" };
    const { properties } = await provider.create(inputs);
    await provider.stop();
    const module = join(project.directory, "providers", "note.ts");
    const code = await readFile(module, "utf8");
    await writeFile(module, code.replace("`keeping $", "`keeping by new code $"));

    provider = await startProcess();
    await provider.update("first", properties, inputs);
    await expect.poll(() => provider.printed()).toContain("keeping by new code first");
  });

  test("falls back as Pulumi does where a provider has only a create", async () => {
    await writeFile(
      join(project.directory, "providers", "least.ts"),
      `export const provider = { create: async (inputs: object) => ({ id: "least", outs: { ...inputs } }) };\n`,
    );
    const inputs = { __provider: providerText("#providers/least"), size: 1 };
    expect(await provider.check({}, inputs)).toEqual({ inputs, failures: [] });
    expect((await provider.create(inputs)).properties).toEqual(inputs);
    expect((await provider.diff("least", inputs, inputs)).changes).toBeUndefined();
    expect(await provider.read("least", inputs)).toMatchObject({ id: "least", properties: inputs });
    expect(await provider.update("least", inputs, { ...inputs, size: 2 })).toEqual({ ...inputs, size: 2 });
    await provider.delete("least", inputs);
  });
});
