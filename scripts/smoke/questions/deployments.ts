import { listAppliedEdits, readDeployer } from "../../../components/railway/changes.ts";
import { waitForDeployment } from "../../../components/railway/deployment-wait.ts";
import { readDeploymentVariables } from "../../../components/railway/deployments.ts";
import { readEnvironmentFacts } from "../../../components/railway/environment.ts";
import * as product from "../../../components/railway/operations.ts";
import { workerName } from "../build.ts";
import * as operations from "../operations.ts";
import { NoAnswer, names, type Question, send } from "../question.ts";
import {
  awaitRaw,
  deploymentIds,
  either,
  idOf,
  newDeployment,
  rawOf,
  recentDeployments,
  type Stage,
  upsert,
} from "../stage.ts";

const place = { environmentId: "<environment>", serviceId: `<${workerName}>` };
const inWorker = { projectId: "<project>", ...place };
const waiting = names(product.deployments, product.deployment);
const deploymentTimeoutMs = 300_000;

/** What a deployment is, and what it is made of. */
export const deploymentQuestions: readonly Question[] = [
  {
    id: "deploy-id",
    question: "Is the id that serviceInstanceDeployV2 returns that of the newest deployment?",
    source: "facts 2.2",
    assumed: "the newest one's",
    ground: "scratch",
    seconds: 30,
    sends: [
      send(product.variableUpsert, {
        input: { ...inWorker, name: "SMOKE_VERSION", value: "2", skipDeploys: true },
      }),
      send(product.serviceDeploy, place),
    ],
    reads: [...waiting, ...names(product.rawVariables)],
    ask: async (stage) => {
      // The rollback below has two versions to tell apart.
      await upsert(stage, workerName, "SMOKE_VERSION", "2", true);
      await awaitRaw(stage, workerName, "SMOKE_VERSION", "2");
      const known = await deploymentIds(stage, workerName);
      const { environmentId } = stage.scope;
      const serviceId = idOf(stage, workerName);
      const answer = await stage.context.transport.request(product.serviceDeploy, {
        environmentId,
        serviceId,
      });
      const newest = await newDeployment(stage, workerName, known);
      if (newest === undefined) return "no deployment shows";
      await waitForDeployment(stage.context, stage.scope, serviceId, newest.id, {
        timeoutMs: deploymentTimeoutMs,
      });
      return either(newest.id === answer.serviceInstanceDeployV2, "the newest one's", "another one");
    },
  },
  {
    id: "snapshot",
    question: "Does deploymentSnapshot hold the variables as they were rendered, or as they are stored?",
    source: "facts 3.2",
    assumed: "rendered",
    ground: "scratch",
    seconds: 3,
    sends: [],
    reads: names(product.deployments, product.deploymentSnapshot),
    ask: async (stage) => {
      const [newest] = await recentDeployments(stage, workerName);
      const given = newest && (await readDeploymentVariables(stage.context, newest.id));
      const value = given?.get("DEPENDS");
      if (value === undefined || value === null) return "nothing";
      return either(value.includes("${{"), "as they are stored", "rendered");
    },
  },
  {
    id: "deployer",
    question: "Whom does Railway name for a deployment that a token asked for?",
    source: "components/railway/changes.ts",
    assumed: "nobody",
    ground: "scratch",
    seconds: 3,
    sends: [],
    reads: names(product.deployments, product.deploymentCreator),
    ask: async (stage) => {
      const [newest] = await recentDeployments(stage, workerName);
      if (newest === undefined) throw new NoAnswer("there is no deployment to look at");
      return either((await readDeployer(stage.context, newest.id)) === null, "nobody", "somebody");
    },
  },
  {
    id: "deployment-meta",
    question: "Does the meta of a deployment from an image speak of a configuration file?",
    source: "components/railway/file-settings.ts",
    assumed: "it does not",
    ground: "scratch",
    seconds: 3,
    sends: [],
    reads: names(product.serviceState),
    ask: async ({ context, scope, services }) => {
      const where = { environmentId: scope.environmentId, serviceId: services.get(workerName) };
      const { serviceInstance } = await context.transport.request(product.serviceState, where);
      const meta = serviceInstance.latestDeployment?.meta;
      if (meta === null || meta === undefined) return "there is no meta";
      return either(Boolean(meta.configFile || meta.fileServiceManifest?.deploy), "it does", "it does not");
    },
  },
  {
    id: "rollback",
    question:
      "Does deploymentRollback change the stored variables, or only what the new deployment is given?",
    source: "facts 3.4",
    assumed: "the stored ones stay",
    ground: "scratch",
    seconds: 40,
    needs: ["deploy-id"],
    sends: [send(product.deploymentRollback, { id: "<the worker's first deployment>" })],
    reads: [...waiting, ...names(product.rawVariables)],
    ask: async (stage) => {
      const first = (await recentDeployments(stage, workerName)).at(-1);
      if (first === undefined) throw new NoAnswer("there is no deployment to go back to");
      const known = await deploymentIds(stage, workerName);
      await stage.context.transport.request(product.deploymentRollback, { id: first.id });
      if ((await newDeployment(stage, workerName, known)) === undefined) return "no deployment shows";
      const version = await rawOf(stage, workerName, "SMOKE_VERSION");
      return either(version === "2", "the stored ones stay", "the stored ones go back");
    },
  },
  {
    id: "staged-and-upsert",
    question: "What becomes of a staged edit when another variable is set through the API?",
    source: "facts 3.3, 7",
    assumed: "it stays staged",
    ground: "scratch",
    seconds: 30,
    sends: [
      send(operations.stageChanges, {
        environmentId: "<environment>",
        input: { services: { [`<${workerName}>`]: { variables: { STAGED: { value: "1" } } } } },
        merge: false,
      }),
      send(product.variableUpsert, {
        input: { ...inWorker, name: "SMOKE_UPSERT", value: "1", skipDeploys: true },
      }),
      send(operations.stageChanges, { environmentId: "<environment>", input: {}, merge: false }),
    ],
    reads: names(product.rawVariables, product.environmentState, product.projectEnvironments),
    ask: async (stage) => {
      const { environmentId } = stage.scope;
      const request = stage.context.transport.request;
      const variables = { STAGED: { value: "1" } };
      const input = { services: { [idOf(stage, workerName)]: { variables } } };
      await request(operations.stageChanges, { environmentId, input, merge: false });
      try {
        if ((await stagedEdits(stage, (count) => count > 0)) === undefined) return "it is not staged";
        await upsert(stage, workerName, "SMOKE_UPSERT", "1", true);
        await awaitRaw(stage, workerName, "SMOKE_UPSERT", "1");
        if ((await rawOf(stage, workerName, "STAGED")) !== undefined) return "it is applied";
        const left = (await readEnvironmentFacts(stage.context, stage.scope)).unmergedChangesCount;
        return either(left > 0, "it stays staged", "it is gone");
      } finally {
        await request(operations.stageChanges, { environmentId, input: {}, merge: false });
        await stagedEdits(stage, (count) => count === 0);
      }
    },
  },
  {
    id: "upsert-is-no-edit",
    question: "Is a variable that was set through the API listed among the environment's edits?",
    source: "components/railway/operations.ts",
    assumed: "it is not",
    ground: "scratch",
    seconds: 4,
    needs: ["staged-and-upsert"],
    sends: [],
    reads: names(product.environmentPatches),
    ask: async (stage) => {
      const edits = await listAppliedEdits(stage.context, stage.scope);
      const listed = edits.some(({ services }) =>
        services.get(idOf(stage, workerName))?.includes("SMOKE_UPSERT"),
      );
      return either(listed, "it is", "it is not");
    },
  },
  {
    id: "commit-is-edit",
    question: "Is an edit that was committed listed among the environment's edits?",
    source: "components/railway/changes.ts",
    assumed: "it is",
    ground: "scratch",
    seconds: 4,
    needs: ["sealed-reads"],
    sends: [],
    reads: names(product.environmentPatches),
    ask: async (stage) => {
      const edits = await listAppliedEdits(stage.context, stage.scope);
      return either(
        edits.some(({ services }) => services.get(idOf(stage, "smoke-b"))?.includes("SEALED")),
        "it is",
        "it is not",
      );
    },
  },
];

async function stagedEdits(stage: Stage, holds: (count: number) => boolean): Promise<true | undefined> {
  return stage.context.settle(async () => {
    const { unmergedChangesCount } = await readEnvironmentFacts(stage.context, stage.scope);
    return holds(unmergedChangesCount) ? true : undefined;
  });
}
