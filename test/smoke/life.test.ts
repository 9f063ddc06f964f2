import { expect, test } from "vitest";
import { buildSteps } from "../../scripts/smoke/build.ts";
import { framePlans } from "../../scripts/smoke/frame.ts";
import type { Plan } from "../../scripts/smoke/question.ts";
import { programReads } from "../../scripts/smoke/questions/life.ts";
import { questions } from "../../scripts/smoke/questions.ts";
import { exitCodeOf } from "../../scripts/smoke/render.ts";
import { sharedServers } from "../world/postgres/shared.ts";
import { liveProjects, type PlayedRun, play } from "./run.ts";
import { startSmokeWorld } from "./world.ts";

/** Sent only where something goes wrong or takes long. */
const conditional = ["CutoverDeploymentEvents", "CutoverDeployment", "SmokeProjects"];

test("on the simulator the whole life is played and every answer is the assumed one; the dry run told every call", async (context) => {
  context.skip(!sharedServers().target.hasPgvector, "this machine has no server with pgvector");
  await using world = await startSmokeWorld();
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

  expectAsTold(run);

  expect(secrets).toHaveLength(2);
  const tokens = [...Object.values(world.simulator.tokens), ...world.simulator.madeTokens()];
  const everything = run.told + JSON.stringify(report);
  for (const secret of [...secrets, ...tokens]) expect(everything).not.toContain(secret);
}, 400_000);

function expectAsTold({ requestsOf }: PlayedRun): void {
  const plans: Array<[step: string, plan: Plan]> = [
    ["make the project", framePlans.create],
    ...buildSteps.map((step): [string, Plan] => [step.title, step]),
    ...questions.map((question): [string, Plan] => [question.id, question]),
    ["delete the project", framePlans.remove],
  ];
  for (const [step, plan] of plans) {
    const requests = requestsOf.get(step) ?? [];
    const namesOf = (kind: "query" | "mutation") =>
      requests.filter((one) => one.kind === kind).map(({ operationName }) => operationName ?? "");
    const sent = namesOf("mutation").toSorted();
    const own = plan.sends.map(({ operation }) => operation.name).toSorted();
    if (plan.program === undefined) expect({ step, sent }).toEqual({ step, sent: own });
    else
      expect({ step, sent: [...new Set(sent)] }).toEqual({
        step,
        sent: [...new Set([...own, ...plan.program.sends])].toSorted(),
      });
    const read = [...new Set(namesOf("query"))];
    const told = [...plan.reads, ...(plan.program === undefined ? [] : programReads)];
    expect({ step, untold: read.filter((name) => !told.includes(name)) }).toEqual({ step, untold: [] });
    // An invalid document has no name that the simulator would remember.
    const expected = plan.reads.filter(
      (name) => !conditional.includes(name) && name !== "SmokeInvalidDocument",
    );
    expect({ step, unused: expected.filter((name) => !read.includes(name)) }).toEqual({ step, unused: [] });
  }
}
