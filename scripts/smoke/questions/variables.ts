import * as product from "../../../components/railway/operations.ts";
import { readRawVariables, readVariableRecords } from "../../../components/railway/variables.ts";
import { workerName } from "../build.ts";
import * as operations from "../operations.ts";
import { names, type PlannedCall, type Question, send } from "../question.ts";
import {
  awaitRaw,
  deploymentIds,
  either,
  idOf,
  newDeployment,
  rawOf,
  renderedOf,
  type Stage,
  upsert,
} from "../stage.ts";

const reading = names(product.rawVariables, product.renderedVariables);
const listing = names(product.rawVariables, product.deployments);
const oddText = '  kept  ${{ shared.NOTHING }} as "it" is: ${{smoke-b.RENAMED}}\n second line ';

/** What Railway makes of variables and references. */
export const variableQuestions: readonly Question[] = [
  {
    id: "text-verbatim",
    question: "Is the text of a variable stored as it was sent, with blanks, quotes and references?",
    source: "facts 3.1",
    assumed: "verbatim",
    ground: "scratch",
    seconds: 10,
    sends: [upsertCall("smoke-b", "ODD", oddText, true)],
    reads: names(product.rawVariables),
    ask: async (stage) => {
      await upsert(stage, "smoke-b", "ODD", oddText, true);
      const stored = await stage.context.settle(
        async () => (await rawOf(stage, "smoke-b", "ODD")) ?? undefined,
      );
      return either(stored === oddText, "verbatim", "changed");
    },
  },
  rendering("unknown-reference", "What does a reference to a service that does not exist render to?", {
    text: "${{smoke-nobody.VALUE}}",
    source: "facts 3.1",
    assumed: "empty",
    tell: (value) => either(value === "", "empty", "something"),
  }),
  rendering("case-of-reference", "Does the case of a service's name matter in a reference?", {
    text: "${{SMOKE-C.VALUE}}",
    source: "facts 3.1",
    assumed: "it matters",
    tell: (value) => either(value === "third", "it does not matter", "it matters"),
  }),
  rendering("quoted-reference", "Does a quoted name with special characters resolve in a reference?", {
    text: '${{"@smoke/api".PORT}}',
    source: "facts 3.1",
    assumed: "it resolves",
    tell: (value) => either(value === "8080", "it resolves", "it does not resolve"),
  }),
  rendering(
    "shadowed-variable",
    "Which one holds, a variable of the user named RAILWAY_… or Railway's own?",
    {
      name: "RAILWAY_SERVICE_NAME",
      text: "of-the-user",
      source: "facts 7.7",
      assumed: "Railway's own",
      tell: (value) => either(value === "smoke-b", "Railway's own", "the user's"),
    },
  ),
  {
    id: "private-domain",
    question: "Which private domain does a service named @smoke/api get?",
    source: "facts 3.6",
    assumed: "smokeapi.railway.internal",
    ground: "scratch",
    seconds: 2,
    sends: [],
    reads: names(product.renderedVariables),
    ask: async (stage) => (await renderedOf(stage, "@smoke/api", "RAILWAY_PRIVATE_DOMAIN")) ?? "none",
  },
  {
    id: "empty-collection",
    question:
      "What does an empty variableCollectionUpsert do, with which the preflight tries a token's rights?",
    source: "components/railway/access.ts",
    assumed: "accepted, nothing changed, nothing deployed",
    ground: "scratch",
    seconds: 20,
    sends: [
      send(product.variableCollectionUpsert, {
        input: { ...place(workerName), variables: {}, replace: false, skipDeploys: true },
      }),
    ],
    reads: listing,
    ask: async (stage) => {
      const { context, scope } = stage;
      const { projectId, environmentId } = scope;
      const serviceId = idOf(stage, workerName);
      const known = await deploymentIds(stage, workerName);
      const before = await readRawVariables(context, scope, serviceId);
      const input = { projectId, environmentId, serviceId, variables: {}, replace: false, skipDeploys: true };
      await context.transport.request(product.variableCollectionUpsert, { input });
      const deployed = (await newDeployment(stage, workerName, known)) !== undefined;
      const after = await readRawVariables(context, scope, serviceId);
      const changed = JSON.stringify([...before]) !== JSON.stringify([...after]);
      return `accepted, ${either(changed, "variables changed", "nothing changed")}, ${either(deployed, "deployed", "nothing deployed")}`;
    },
  },
  deploying("upsert-skipping", "Does a variableUpsert with skipDeploys deploy anything?", {
    assumed: "deploys nothing",
    call: upsertCall(workerName, "SMOKE_QUIET", "1", true),
    act: (stage) => upsert(stage, workerName, "SMOKE_QUIET", "1", true),
  }),
  deploying("upsert-at-once", "Does a variableUpsert without skipDeploys deploy the service?", {
    assumed: "deploys the service",
    call: upsertCall(workerName, "SMOKE_LOUD", "1", false),
    act: (stage) => upsert(stage, workerName, "SMOKE_LOUD", "1", false),
  }),
  deploying(
    "upsert-of-referenced",
    "Is a service deployed when a variable that it refers to changes elsewhere?",
    {
      assumed: "deploys the service",
      call: upsertCall("smoke-e", "VALUE", "changed", false),
      act: (stage) => upsert(stage, "smoke-e", "VALUE", "changed", false),
    },
  ),
  deploying("variable-delete", "Does variableDelete, which has no skipDeploys, deploy the service?", {
    assumed: "deploys the service",
    call: send(product.variableDelete, { input: { ...place(workerName), name: "SMOKE_LOUD" } }),
    needs: ["upsert-at-once"],
    act: async (stage) => {
      const { projectId, environmentId } = stage.scope;
      const input = { projectId, environmentId, serviceId: idOf(stage, workerName), name: "SMOKE_LOUD" };
      await stage.context.transport.request(product.variableDelete, { input });
    },
  }),
  {
    id: "sealed-reads",
    question: "How does a sealed variable show in the stored texts?",
    source: "facts 3.2",
    assumed: "a name without a value",
    ground: "scratch",
    seconds: 20,
    sends: [
      send(operations.patchCommit, {
        environmentId: "<environment>",
        patch: {
          services: { "<smoke-b>": { variables: { SEALED: { value: "<made up>", isSealed: true } } } },
        },
      }),
    ],
    reads: names(product.rawVariables, product.environmentVariables),
    ask: async (stage) => {
      const variables = { SEALED: { value: "sealed-by-the-smoke-test", isSealed: true } };
      await stage.context.transport.request(operations.patchCommit, {
        environmentId: stage.scope.environmentId,
        patch: { services: { [idOf(stage, "smoke-b")]: { variables } } },
        commitMessage: "smoke test: seal a variable",
      });
      if ((await awaitSealed(stage)) === undefined) return "it does not get sealed";
      const stored = await rawOf(stage, "smoke-b", "SEALED");
      if (stored === undefined) return "nothing at all";
      return either(stored === null, "a name without a value", "a name with a value");
    },
  },
  {
    id: "sealed-overwrite",
    question: "Does a sealed variable stay sealed when it is overwritten by variableUpsert?",
    source: "facts 3.2",
    assumed: "it stays sealed",
    ground: "scratch",
    seconds: 20,
    needs: ["sealed-reads"],
    sends: [upsertCall("smoke-b", "SEALED", "<made up>", true)],
    reads: names(product.environmentVariables),
    ask: async (stage) => {
      const before = await sealedRecord(stage);
      await upsert(stage, "smoke-b", "SEALED", "overwritten-by-the-smoke-test", true);
      const after = await stage.context.settle(async () => {
        const record = await sealedRecord(stage);
        return record?.updatedAt.getTime() === before?.updatedAt.getTime() ? undefined : record;
      });
      return either((after ?? before)?.isSealed === true, "it stays sealed", "it is sealed no more");
    },
  },
];

interface Rendering {
  readonly name?: string;
  readonly text: string;
  readonly source: string;
  readonly assumed: string;
  readonly tell: (value: string | null | undefined) => string;
}

/** Stores a text with a reference and looks what it renders to. */
function rendering(id: string, question: string, { name: given, text, tell, ...rest }: Rendering): Question {
  const name = given ?? id.replaceAll("-", "_").toUpperCase();
  return {
    id,
    question,
    ...rest,
    ground: "scratch",
    seconds: 8,
    sends: [upsertCall("smoke-b", name, text, true)],
    reads: reading,
    ask: async (stage) => {
      await upsert(stage, "smoke-b", name, text, true);
      await awaitRaw(stage, "smoke-b", name, text);
      // What is rendered lags behind what is stored: an empty text may be on its way to something else.
      const value = await stage.context.settle(
        async () => (await renderedOf(stage, "smoke-b", name)) || undefined,
      );
      return tell(value ?? (await renderedOf(stage, "smoke-b", name)));
    },
  };
}

interface Deploying {
  readonly assumed: string;
  readonly call: PlannedCall;
  readonly needs?: readonly string[];
  readonly act: (stage: Stage) => Promise<void>;
}

/** Does something to the variables and looks whether the worker is deployed. */
function deploying(id: string, question: string, { call, act, ...rest }: Deploying): Question {
  return {
    id,
    question,
    ...rest,
    source: "facts 3.3, 7.8",
    ground: "scratch",
    seconds: 15,
    sends: [call],
    reads: names(product.deployments),
    ask: async (stage) => {
      const known = await deploymentIds(stage, workerName);
      await act(stage);
      const deployed = (await newDeployment(stage, workerName, known)) !== undefined;
      return either(deployed, "deploys the service", "deploys nothing");
    },
  };
}

async function sealedRecord(stage: Stage) {
  const serviceId = idOf(stage, "smoke-b");
  const records = await readVariableRecords(stage.context, stage.scope);
  return records.find((one) => one.serviceId === serviceId && one.name === "SEALED");
}

async function awaitSealed(stage: Stage): Promise<true | undefined> {
  return stage.context.settle(async () =>
    (await sealedRecord(stage))?.isSealed === true ? true : undefined,
  );
}

function place(service: string) {
  return { projectId: "<project>", environmentId: "<environment>", serviceId: `<${service}>` };
}

function upsertCall(service: string, name: string, value: string, skipDeploys: boolean): PlannedCall {
  return send(product.variableUpsert, { input: { ...place(service), name, value, skipDeploys } });
}
