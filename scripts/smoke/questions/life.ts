import { setTimeout as delay } from "node:timers/promises";
import * as product from "../../../components/railway/operations.ts";
import { readInventory } from "../../../components/railway/services.ts";
import { readRawVariables } from "../../../components/railway/variables.ts";
import type { EngineResult } from "../../../test/world/engine/engine.ts";
import type { Life } from "../life.ts";
import { NoAnswer, names, type Plan, type Question, send } from "../question.ts";
import { applicationNames, sourceName, targetName } from "../settings.ts";
import { awaitRaw, either, idOf, rawOf, recentDeployments, type Stage, upsert, volumesOf } from "../stage.ts";

const looking = names(product.environmentServices, product.rawVariables);
const resolving = names(product.environmentServices, product.renderedVariables);

/** What the program reads of Railway while it runs, one or the other of them in each command. */
export const programReads: readonly string[] = [
  ...names(
    product.deployment,
    product.deploymentCreator,
    product.deploymentSnapshot,
    product.deployments,
    product.environmentPatches,
    product.environmentServices,
    product.environmentSettings,
    product.environmentState,
    product.environmentVariables,
    product.projectAccess,
    product.projectEnvironments,
    product.projectToken,
    product.projectTokenName,
    product.rawVariables,
    product.renderedVariables,
    product.serviceVariables,
    product.tcpProxies,
    product.volumeBackups,
    product.workflowStatus,
  ),
  // One alias a service, so that its document is written at run time.
  "CutoverRawVariablesOf",
];

/** The whole life of a cutover, played by the program itself with the project token. Each builds on the ones before. */
export const lifeQuestions: readonly Question[] = [
  life({
    id: "life-adopt",
    question: "Does `pulumi up` in phase adopt leave Railway as it is?",
    assumed: "nothing changed, the preview after it is empty",
    seconds: 60,
    needs: [],
    program: { commands: ["pulumi up", "pulumi preview --expect-no-changes"], sends: [] },
    reads: looking,
    play: async (stage, { engine }) => {
      const before = await lookAround(stage);
      await must(engine.up());
      const preview = await engine.preview({ expectNoChanges: true });
      const changed = (await lookAround(stage)) !== before;
      return `${either(changed, "something changed", "nothing changed")}, the preview after it is ${either(preview.exitCode === 0, "empty", "not empty")}`;
    },
  }),
  life({
    id: "life-preview",
    question: "Does the preview of the cutover find nothing that blocks, and leave Railway as it is?",
    assumed: "nothing blocks, nothing changed",
    seconds: 30,
    needs: ["life-adopt"],
    program: { commands: ["pulumi preview"], sends: [] },
    reads: looking,
    play: async (stage, { engine }) => {
      const before = await lookAround(stage);
      await engine.setConfig({ phase: "cutover" });
      const preview = await engine.preview();
      const changed = (await lookAround(stage)) !== before;
      return `${either(preview.exitCode === 0, "nothing blocks", "something blocks")}, ${either(changed, "something changed", "nothing changed")}`;
    },
  }),
  life({
    id: "life-cutover",
    question: "Does the cutover succeed under live writes, without losing an acknowledged one?",
    assumed: "promoted, one deployment of each service, no acknowledged write lost",
    seconds: 240,
    needs: ["life-preview"],
    program: {
      commands: ["pulumi up"],
      sends: names(
        product.variableCollectionUpsert,
        product.volumeBackupCreate,
        product.variableUpsert,
        product.serviceDeploy,
      ),
    },
    reads: [...resolving, ...names(product.deployments)],
    play: async (stage, { engine, watchWriters, countLost }) => {
      const before = await deploymentCounts(stage);
      watchWriters();
      // Some acknowledged writes before the first lock.
      await delay(Math.min(10_000, stage.access.pollIntervalMs * 20));
      await must(engine.up());
      await delay(Math.min(10_000, stage.access.pollIntervalMs * 20));
      const { acknowledged, lost } = await countLost();
      if (acknowledged === 0) return "promoted, but the services acknowledged no write";
      const after = await deploymentCounts(stage);
      const once = after.every((count, index) => count === (before[index] ?? 0) + 1);
      return `promoted, ${either(once, "one deployment", "another number of deployments")} of each service, ${lost === 0 ? "no" : lost} acknowledged write${lost > 1 ? "s" : ""} lost`;
    },
  }),
  life({
    id: "life-references",
    question: "Does every service refer to the new database?",
    assumed: "all four",
    seconds: 5,
    needs: ["life-cutover"],
    program: { commands: [], sends: [] },
    reads: names(product.rawVariables),
    play: async (stage) => {
      const texts = await Promise.all(applicationNames.map((name) => rawOf(stage, name, "DATABASE_URL")));
      const moved = texts.filter((text) => text === `\${{${targetName}.DATABASE_URL}}`).length;
      return moved === applicationNames.length ? "all four" : `${moved} of four`;
    },
  }),
  life({
    id: "life-again",
    question: "Is there nothing to do for a second `pulumi up`?",
    assumed: "nothing",
    seconds: 30,
    needs: ["life-cutover"],
    program: { commands: ["pulumi up --expect-no-changes"], sends: [] },
    reads: looking,
    play: async (stage, { engine }) => {
      const before = await lookAround(stage);
      const again = await engine.up({ expectNoChanges: true });
      const changed = (await lookAround(stage)) !== before;
      return either(again.exitCode === 0 && !changed, "nothing", "something");
    },
  }),
  life({
    id: "life-drift",
    question: "Is a variable that somebody else set found as drift, and put right by `pulumi up`?",
    assumed: "found, and put right",
    seconds: 150,
    needs: ["life-cutover"],
    program: {
      commands: ["pulumi refresh --preview-only --expect-no-changes", "pulumi refresh", "pulumi up"],
      sends: names(product.variableUpsert),
    },
    sends: [
      send(product.variableUpsert, {
        input: {
          projectId: "<project>",
          environmentId: "<environment>",
          serviceId: "<@smoke/admin>",
          name: "DATABASE_URL",
          value: "postgresql://nobody@elsewhere.example/railway",
          skipDeploys: true,
        },
      }),
    ],
    reads: names(product.rawVariables),
    play: async (stage, { engine }) => {
      const foreign = "postgresql://nobody@elsewhere.example/railway";
      await upsert(stage, "@smoke/admin", "DATABASE_URL", foreign, true);
      await awaitRaw(stage, "@smoke/admin", "DATABASE_URL", foreign);
      const found = await engine.refresh({ previewOnly: true, expectNoChanges: true });
      await must(engine.refresh());
      await must(engine.up());
      const right = await stage.context.settle(async () =>
        (await rawOf(stage, "@smoke/admin", "DATABASE_URL")) === `\${{${targetName}.DATABASE_URL}}`
          ? true
          : undefined,
      );
      return `${either(found.exitCode === 7, "found", "not found")}, ${either(right === true, "and put right", "and left")}`;
    },
  }),
  life({
    id: "life-stop",
    question:
      "Does `legacyPostgres: stop` take the old database down, with its volume and a backup of it kept?",
    assumed: "down, volume kept",
    seconds: 180,
    needs: ["life-cutover", "life-drift"],
    program: {
      commands: ["pulumi up"],
      sends: names(product.volumeBackupCreate, product.deploymentStop),
    },
    reads: [...looking, ...resolving],
    play: async (stage, { engine, finalBackup, query }) => {
      await engine.setConfig({ legacyPostgres: "stop", removal: { finalBackup } });
      await must(engine.up());
      const reachable = await query("source", "SELECT 1").then(
        () => true,
        () => false,
      );
      const kept = (await volumesOf(stage)).some(({ serviceId }) => serviceId === idOf(stage, sourceName));
      return `${either(reachable, "still up", "down")}, ${either(kept, "volume kept", "volume gone")}`;
    },
  }),
  life({
    id: "life-remove",
    question:
      "Does `legacyPostgres: remove` refuse without the service's id, and then delete service and volume?",
    assumed: "refused without the id, then gone, and the preview after it is empty",
    seconds: 180,
    needs: ["life-stop"],
    program: {
      commands: ["pulumi up (with a wrong id)", "pulumi up", "pulumi preview --expect-no-changes"],
      sends: names(product.volumeDelete, product.serviceDelete),
    },
    reads: looking,
    play: async (stage, { engine, finalBackup }) => {
      const oldId = idOf(stage, sourceName);
      await engine.setConfig({
        legacyPostgres: "remove",
        removal: { confirmServiceId: "not-this-one", finalBackup },
      });
      const refused = await engine.up();
      await engine.setConfig({ removal: { confirmServiceId: oldId, finalBackup } });
      await must(engine.up());
      const preview = await engine.preview({ expectNoChanges: true });
      const { services, volumes } = await readInventory(stage.context, stage.scope);
      const left =
        services.some(({ id }) => id === oldId) || volumes.some(({ serviceId }) => serviceId === oldId);
      return `${either(refused.exitCode === 0, "not refused", "refused")} without the id, then ${either(left, "still there", "gone")}, and the preview after it is ${either(preview.exitCode === 0, "empty", "not empty")}`;
    },
  }),
  life({
    id: "life-protected",
    question: "Is the schema llm_assistant at the end what it was?",
    assumed: "every row as it was",
    seconds: 5,
    needs: ["life-cutover"],
    program: { commands: [], sends: [] },
    reads: resolving,
    play: async (_stage, { query }) => {
      const [row] = await query<{ same: boolean }>(
        "target",
        `SELECT count(*) = 50 AND bool_and(content = 'made-up chunk ' || id
          AND embedding::text = '[' || id || ',1,2]') AS same FROM llm_assistant.chunks`,
      );
      return either(row?.same === true, "every row as it was", "changed");
    },
  }),
];

interface LifeQuestion extends Pick<Question, "id" | "question" | "assumed" | "needs" | "seconds" | "reads"> {
  readonly program: NonNullable<Plan["program"]>;
  readonly sends?: Plan["sends"];
  readonly play: (stage: Stage, life: Life) => Promise<string>;
}

function life({ play, sends = [], ...rest }: LifeQuestion): Question {
  return {
    ...rest,
    source: "docs/protocol.md",
    ground: "whole",
    sends,
    ask: async (stage) => {
      if (stage.life === undefined) throw new NoAnswer("the project is not built");
      return play(stage, stage.life);
    },
  };
}

/** What must succeed for the life to go on. What it printed was shown. */
async function must(operation: Promise<EngineResult>): Promise<void> {
  const { exitCode, output } = await operation;
  if (exitCode === 0) return;
  const errors = output.split("\n").filter((line) => /\berror: /.test(line));
  const codes = errors.flatMap((line) =>
    [...line.matchAll(/\b([A-Z]+(?:_[A-Z]+)+): /g)].map(([, code]) => code as string),
  );
  const which = codes.length === 0 ? "" : ` (${[...new Set(codes)].join(", ")})`;
  throw new NoAnswer(`the program ended with exit code ${exitCode}${which}; its output says why`);
}

/** Everything of the services that a run of the program could change, for comparing. */
async function lookAround(stage: Stage): Promise<string> {
  const { services, volumes } = await readInventory(stage.context, stage.scope);
  const seen = await Promise.all(
    [...applicationNames, sourceName, targetName].map(async (name) => {
      const service = services.find((one) => one.name === name);
      if (service === undefined) return [name, "gone"];
      const variables = await readRawVariables(stage.context, stage.scope, service.id);
      const { image, startCommand, latestDeployment } = service;
      return [name, image, startCommand, latestDeployment?.id, [...variables].toSorted()];
    }),
  );
  return JSON.stringify([seen, volumes.map(({ id, serviceId }) => [id, serviceId]).toSorted()]);
}

async function deploymentCounts(stage: Stage): Promise<number[]> {
  return Promise.all(applicationNames.map(async (name) => (await recentDeployments(stage, name)).length));
}
