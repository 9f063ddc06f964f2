import { afterEach, expect, test, vi } from "vitest";
import { buildSteps } from "../../scripts/smoke/build.ts";
import { framePlans } from "../../scripts/smoke/frame.ts";
import type { Plan } from "../../scripts/smoke/question.ts";
import { programReads } from "../../scripts/smoke/questions/life.ts";
import { questions } from "../../scripts/smoke/questions.ts";
import { exitCodeOf } from "../../scripts/smoke/render.ts";
import { startWebhookServer } from "../world/chat/webhook-server.ts";
import { sharedServers } from "../world/postgres/shared.ts";
import { liveProjects, type PlayedRun, play } from "./run.ts";
import { startSmokeWorld } from "./world.ts";

/** Sent only where something goes wrong or takes long; and the simulator remembers no name of an invalid document. */
const conditional = ["CutoverDeploymentEvents", "CutoverDeployment", "SmokeInvalidDocument"];

afterEach(() => {
  vi.unstubAllEnvs();
});

test("on the simulator the whole life is played and every answer is the assumed one; the dry run told every call", async (context) => {
  context.skip(!sharedServers().target.hasPgvector, "this machine has no server with pgvector");
  await using world = await startSmokeWorld();
  await using chat = await startWebhookServer();
  vi.stubEnv("CUTOVER_WEBHOOK_URL", chat.url.href);
  let secrets: string[] = [];
  const run = await play(world, {
    questions,
    onAnswer: () => {
      const passwords = world.simulator
        .inspect()
        .variables.filter(({ name }) => name === "POSTGRES_PASSWORD");
      secrets = [...new Set([...secrets, ...passwords.map(({ value }) => value)])];
    },
  });
  const { report } = run;

  expect(report.answers.filter(({ verdict }) => verdict !== "same")).toEqual([]);
  expect(report.answers.map(({ id }) => id)).toEqual(questions.map(({ id }) => id));
  expect(report).toMatchObject({ failure: null, removal: "removed", removalFailure: null });
  expect(exitCodeOf(report)).toBe(0);
  expect(liveProjects(world)).toEqual(["DOCTORES-SEO-PACIENTE-MGMT"]);

  expect(differencesFromPlan(run)).toEqual([]);
  expect(chat.texts()).toEqual([]);

  expect(secrets).toHaveLength(2);
  const tokens = [...Object.values(world.simulator.tokens), ...world.simulator.madeTokens()];
  const everything = run.told + JSON.stringify(report);
  for (const secret of [...secrets, ...tokens]) expect(everything).not.toContain(secret);
}, 400_000);

/** Where the requests of a step or question are not those that the dry run tells. */
function differencesFromPlan({ requestsOf }: PlayedRun): string[] {
  const plans: Array<[step: string, plan: Plan]> = [
    ["make the project", framePlans.create],
    ...buildSteps.map((step): [string, Plan] => [step.title, step]),
    ...questions.map((question): [string, Plan] => [question.id, question]),
    ["delete the project", framePlans.remove],
  ];
  return plans.flatMap(([step, { sends, reads, program }]) => {
    const requests = requestsOf.get(step) ?? [];
    const namesOf = (kind: "query" | "mutation") =>
      requests.filter((one) => one.kind === kind).map(({ operationName }) => operationName ?? "");
    const own = sends.map(({ operation }) => operation.name);
    // The program repeats what it sends as it sees fit; the run itself sends each once.
    const sent = program === undefined ? namesOf("mutation") : [...new Set(namesOf("mutation"))];
    const told = program === undefined ? own : [...new Set([...own, ...program.sends])];
    const read = [...new Set(namesOf("query"))];
    const mayRead = [...reads, ...(program === undefined ? [] : programReads)];
    const mustRead = reads.filter((name) => !conditional.includes(name));
    return [
      ...(sent.toSorted().join() === told.toSorted().join() ? [] : [`${step} sent ${sent}, not ${told}`]),
      ...read.filter((name) => !mayRead.includes(name)).map((name) => `${step} read ${name}`),
      ...mustRead.filter((name) => !read.includes(name)).map((name) => `${step} did not read ${name}`),
    ];
  });
}
