import { randomUUID } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import * as product from "../../components/railway/operations.ts";
import { createTransport } from "../../components/railway/transport.ts";
import { compareWrites } from "../../scripts/smoke/life.ts";
import * as operations from "../../scripts/smoke/operations.ts";
import { cleanUp } from "../../scripts/smoke/play.ts";
import { describeProject, longestRunMs, recognise } from "../../scripts/smoke/project.ts";
import { questions as allQuestions } from "../../scripts/smoke/questions.ts";
import { exitCodeOf } from "../../scripts/smoke/render.ts";
import { Guard } from "../../scripts/smoke/stage.ts";
import { accessTo, liveProjects, play, quickQuestions } from "./run.ts";
import { type SmokeWorld, startSmokeWorld } from "./world.ts";

const factsPath = "../shared/railway/facts.md";
const nonce = "0123456789ab";
const name = `pgvector-cutover-smoke-${nonce}`;
const id = "11111111-2222-3333-4444-555555555555";
const startedAt = new Date("2026-11-26T03:00:00.000Z");

describe("a simulator that behaves otherwise", () => {
  test("is found out by exactly the questions about it", async () => {
    await using world = await startSmokeWorld({
      quirks: {
        validationStatus: 200,
        variableDeleteDeploys: false,
        deployAnswersForeignId: true,
        projectTokenMayDelete: true,
        proxyDomainHasTrailingDot: true,
        renameRewritesReferences: true,
      },
    });
    const { report } = await play(world);
    const others = report.answers.filter(({ verdict }) => verdict !== "same");
    expect(others.map(({ id, answer, verdict }) => [id, verdict, answer])).toEqual([
      ["validation-status", "differs", "200"],
      ["variable-delete", "differs", "deploys nothing"],
      ["deploy-id", "differs", "another one"],
      ["rollback", "unanswered", null],
      ["rename", "differs", "the text changes and renders to the value"],
      ["proxy-domain", "differs", "it does"],
      ["proxy-port", "unanswered", null],
      ["project-token-delete-service", "differs", "it may"],
      ["project-token-delete-volume", "differs", "it may"],
    ]);
    expect(exitCodeOf(report)).toBe(2);
    expect(report.removal).toBe("removed");
  });
});

describe("the project", () => {
  test("is deleted although the answers could not be told", async () => {
    await using world = await startSmokeWorld();
    const { report } = await play(world, {
      onAnswer: () => {
        throw new Error("nobody listens");
      },
    });
    expect(report).toMatchObject({ failure: "Error: nobody listens", removal: "removed" });
  });

  test("is made once and deleted, whatever is cut off or refused for a while", async () => {
    await using world = await startSmokeWorld({ pace: { readLagMs: [0, 400] } });
    const { simulator } = world;
    simulator.failRequests({ operation: "projectCreate", mode: "in-band-rate-limit", times: 1 });
    simulator.failRequests({ operation: "projectCreate", mode: "reset-after-apply", times: 1 });
    simulator.failRequests({ operation: "projectUpdate", mode: "reset-after-apply", times: 1 });
    simulator.failRequests({ operation: "projectDelete", mode: "reset-after-apply", times: 1 });
    const { report } = await play(world, { questions: quickQuestions.slice(0, 1) });
    expect(report).toMatchObject({ failure: null, removal: "removed" });
    expect(exitCodeOf(report)).toBe(0);
    expect(simulator.mutations().filter((one) => one.startsWith("project"))).toEqual([
      "projectCreate",
      "projectUpdate",
      "projectTokenCreate",
      "projectDelete",
    ]);
    expect(liveProjects(world)).toEqual(["DOCTORES-SEO-PACIENTE-MGMT"]);
  });

  test("is deleted although nothing could be built in it", async () => {
    await using world = await startSmokeWorld();
    world.simulator.failRequests({ operation: "volumeCreate", mode: "problem-processing", times: 9 });
    const { report } = await play(world);
    const open = report.answers.filter(({ verdict }) => verdict === "unanswered").map(({ id }) => id);
    expect(open).toEqual(quickQuestions.filter(({ ground }) => ground === "scratch").map(({ id }) => id));
    expect(report.failure).toMatch(/RAILWAY_MUTATION_UNCERTAIN/);
    expect(report.removal).toBe("removed");
    expect(exitCodeOf(report)).toBe(1);
  });

  test("is told not to be deleted when it is not", async () => {
    await using world = await startSmokeWorld();
    world.simulator.failRequests({ operation: "projectDelete", mode: "not-authorized", times: 9 });
    const { report } = await play(world, { questions: quickQuestions.slice(0, 1) });
    expect(report).toMatchObject({ removal: "failed", removalFailure: /RAILWAY_NOT_AUTHORIZED/ });
    expect(exitCodeOf(report)).toBe(1);
  });

  test("is not told to be deleted when Railway does not show it", async () => {
    await using world = await startSmokeWorld();
    const { token, access } = accessTo(world);
    const [first] = quickQuestions;
    if (first === undefined) throw new Error("there is no question");
    const hide = async () => {
      const { id } = world.simulator.inspect().project;
      await createTransport({ token, ...access }).request(operations.projectDelete, { id });
      return first.assumed;
    };
    const { report } = await play(world, { questions: [{ ...first, ask: hide }] });
    expect(report.removal).toBe("failed");
    expect(report.removalFailure).toMatch(/SMOKE_PROJECT_NOT_DELETED/);
    expect(report.removalFailure).toContain(report.project.id);
    expect(exitCodeOf(report)).toBe(1);
  });

  test("is kept when somebody wants to look at it, and deleted by --clean", async () => {
    await using world = await startSmokeWorld();
    const { report } = await play(world, { questions: quickQuestions.slice(0, 1), keep: true });
    expect(report.removal).toBe("kept");
    expect(liveProjects(world)).toContain(report.project.name);
    expect(await clean(world)).toEqual({ removed: [report.project.name], left: [] });
    expect(liveProjects(world)).toEqual(["DOCTORES-SEO-PACIENTE-MGMT"]);
  });
});

describe("a leftover", () => {
  test("may belong to a run at work, so nobody is there to delete it unattended until it is old", async () => {
    await using world = await startSmokeWorld();
    const only = quickQuestions.slice(0, 1);
    const first = await play(world, { questions: only, keep: true });
    await expect(play(world, { questions: only })).rejects.toMatchObject({ code: "SMOKE_ALREADY_RUNNING" });
    expect(liveProjects(world)).toContain(first.report.project.name);

    const later = () => new Date(Date.now() + longestRunMs);
    const second = await play(world, { questions: only, now: later });
    expect(second.report.removal).toBe("removed");
    expect(second.told).toContain(`Delete ${first.report.project.name}, left by an earlier run`);
    expect(liveProjects(world)).toEqual(["DOCTORES-SEO-PACIENTE-MGMT"]);
  });

  test("is not deleted without a yes", async () => {
    await using world = await startSmokeWorld();
    const only = quickQuestions.slice(0, 1);
    await play(world, { questions: only, keep: true });
    const asked: string[] = [];
    const refuse = async (what: string) => {
      asked.push(what);
      return false;
    };
    await expect(play(world, { unattended: false, confirm: refuse })).rejects.toMatchObject({
      code: "SMOKE_ALREADY_RUNNING",
    });
    expect(asked).toEqual([expect.stringContaining("delete what an earlier run left behind")]);
    expect(world.simulator.mutations()).not.toContain("projectDelete");
  });

  test("that holds somebody else's service is not deleted", async () => {
    await using world = await startSmokeWorld();
    const { report } = await play(world, { questions: quickQuestions.slice(0, 1), keep: true });
    const { token, access } = accessTo(world);
    const input = { projectId: report.project.id, name: "patients" };
    await createTransport({ token, ...access }).request(product.serviceCreate, { input });
    await expect(clean(world)).rejects.toMatchObject({
      code: "SMOKE_PROJECT_NOT_OURS",
      message: expect.stringContaining("patients"),
    });
    expect(world.simulator.mutations()).not.toContain("projectDelete");
  });
});

test("projects of others are never deleted, however much they look like one of a run", async () => {
  const own = randomUUID();
  const strangers = [
    {
      id: randomUUID(),
      name: "DOCTORES-SEO-PACIENTE-MGMT",
      description: describeProject(nonce, startedAt, id),
    },
    { id: randomUUID(), name },
    { id: randomUUID(), name, description: "the smoke test of railway-pgvector-cutover" },
    // A copy: the description speaks of another project.
    { id: randomUUID(), name, description: describeProject(nonce, startedAt, id) },
    // Its run was killed before it could note the id.
    { id: randomUUID(), name, description: describeProject(nonce, startedAt) },
    { id: own, name: `${name}-2`, description: describeProject(nonce, startedAt, own) },
    { id: randomUUID(), name: "pgvector-cutover-smoke-test", description: describeProject(nonce, startedAt) },
  ];
  await using world = await startSmokeWorld({ otherProjects: strangers });
  const names = strangers.map((one) => one.name);
  expect(await clean(world)).toMatchObject({ removed: [], left: [{ id: strangers[4]?.id, proven: false }] });
  const { report, told } = await play(world, { questions: quickQuestions.slice(0, 1) });
  expect(report.removal).toBe("removed");
  expect(told).toContain(strangers[4]?.id);
  expect(liveProjects(world)).toEqual(names);
  expect(world.simulator.mutations().filter((one) => one === "projectDelete")).toHaveLength(1);
});

describe("nothing is made", () => {
  test("with a project token: nothing is even asked", async () => {
    await using world = await startSmokeWorld();
    const narrow = play(world, accessTo(world, "project"));
    await expect(narrow).rejects.toMatchObject({ code: "SMOKE_TOKEN_TOO_NARROW" });
    expect(world.simulator.requests()).toEqual([]);
  });

  test.for(["nowhere", ""])("in a workspace %j that the token does not see", async (workspace) => {
    await using world = await startSmokeWorld();
    await expect(play(world, { workspace })).rejects.toMatchObject({ code: "SMOKE_WORKSPACE_NOT_FOUND" });
    expect(world.simulator.mutations()).toEqual([]);
  });

  test("when nobody says yes", async () => {
    await using world = await startSmokeWorld();
    const refused = play(world, { confirm: async () => false });
    await expect(refused).rejects.toMatchObject({ code: "SMOKE_NOT_CONFIRMED" });
    expect(world.simulator.mutations()).toEqual([]);
  });

  test("that is not announced, or for another project", () => {
    const guard = new Guard();
    const sends = [{ operation: product.variableUpsert, variables: {} }];
    const input = { projectId: "own", environmentId: "here", name: "A", value: "1" };
    const check = (operation: string, variables: unknown) => () => guard.check(operation, variables);
    expect(check("CutoverVariableUpsert", { input })).toThrow(/does not announce it/);
    guard.enter("a question", { sends });
    guard.bind("own", "here");
    expect(check("CutoverVariableUpsert", { input })).not.toThrow();
    expect(check("CutoverVolumeDelete", { volumeId: "x" })).toThrow(/does not announce it/);
    expect(check("CutoverVariableUpsert", { input: { ...input, projectId: "other" } })).toThrow(/projectId/);
    expect(check("CutoverVariableUpsert", { environmentId: "other" })).toThrow(/environmentId/);
  });
});

test("a workspace token will do", async () => {
  await using world = await startSmokeWorld();
  const { report } = await play(world, {
    ...accessTo(world, "workspace"),
    questions: quickQuestions.slice(0, 2),
  });
  expect(exitCodeOf(report)).toBe(0);
});

test("a run that is interrupted while its project is being made deletes it, although reads do not show it yet", async () => {
  const interrupt = new AbortController();
  await using world = await startSmokeWorld({
    pace: { readLagMs: [600, 600] },
    intercept: async ({ rootFields, stage }) => {
      if (stage === "after" && rootFields.includes("projectCreate"))
        interrupt.abort(new Error("interrupted"));
      return "go-on";
    },
  });
  const { report } = await play(world, { signal: interrupt.signal });
  expect(report).toMatchObject({ failure: "Error: interrupted", removal: "removed" });
  expect(report.answers.every(({ verdict }) => verdict === "unanswered")).toBe(true);
  expect(liveProjects(world)).toEqual(["DOCTORES-SEO-PACIENTE-MGMT"]);
});

test("a run that is interrupted answers no more, and its project is deleted", async () => {
  await using world = await startSmokeWorld();
  const interrupt = new AbortController();
  const { report } = await play(world, {
    signal: interrupt.signal,
    onEnter: (step) => {
      if (step === "upsert-at-once") interrupt.abort(new Error("interrupted"));
    },
  });
  const at = report.answers.findIndex(({ id }) => id === "upsert-at-once");
  expect(report.answers.slice(at).map(({ why }) => why)).toEqual(
    report.answers.slice(at).map(() => "Error: interrupted"),
  );
  expect(report).toMatchObject({ failure: "Error: interrupted", removal: "removed" });
  expect(exitCodeOf(report)).toBe(1);
});

test("a project is recognised by name, marker and its own id together", () => {
  const description = describeProject(nonce, startedAt, id);
  expect(recognise({ id, name, description })).toEqual({ id, name, description, startedAt, proven: true });
  expect(recognise({ id, name, description: describeProject(nonce, startedAt) })).toMatchObject({
    proven: false,
  });
  for (const other of [
    { id: "66666666-2222-3333-4444-555555555555", name, description },
    { id, name: "pgvector-cutover-smoke-ba9876543210", description },
    { id, name, description: `${description} ` },
    { id, name, description: null },
  ])
    expect(recognise(other)).toBeUndefined();
});

test.runIf(existsSync(factsPath))("each section of the fact sheet that says [?] has a question", () => {
  let section = "";
  const open = new Set<string>();
  for (const line of readFileSync(factsPath, "utf8").split("\n")) {
    section = /^#{2,3} ([\d.]+)/.exec(line)?.[1]?.replace(/\.$/, "") ?? section;
    if (line.includes("[?") && section !== "") open.add(section);
  }
  expect(open.size).toBeGreaterThan(4);
  const asked = allQuestions.flatMap(({ source }) => source.match(/\d+(\.\d+)?/g) ?? []);
  const unasked = [...open].filter(
    (one) => !asked.some((other) => other === one || other.startsWith(`${one}.`)),
  );
  expect(unasked).toEqual([]);
});

test("an acknowledged write that is not stored is counted as lost, one that is stored without is not", () => {
  const stored = [1, 2, 4, 5].map((number) => ({ run: "a", number }));
  const count = (acknowledged: [string, number][]) => compareWrites(new Map(acknowledged), stored);
  expect(count([["a", 2]])).toEqual({ acknowledged: 2, lost: 0 });
  expect(count([["a", 4]])).toEqual({ acknowledged: 4, lost: 1 });
  expect(count([["b", 3]])).toEqual({ acknowledged: 3, lost: 3 });
});

function clean(world: SmokeWorld) {
  return cleanUp({
    ...accessTo(world),
    workspace: world.workspaceId,
    confirm: async () => true,
    onStep: () => {},
  });
}
