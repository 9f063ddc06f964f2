import * as product from "../../../components/railway/operations.ts";
import { readTcpProxies } from "../../../components/railway/tcp-proxies.ts";
import { renamedName, workerName } from "../build.ts";
import * as operations from "../operations.ts";
import { NoAnswer, names, type Question, send } from "../question.ts";
import { either, idOf, rawOf, refusalOf, renderedOf, type Stage, volumesOf } from "../stage.ts";

const proxyInput = { environmentId: "<environment>", serviceId: `<${workerName}>`, applicationPort: 9999 };

/** What renaming, deleting and opening a service does. */
export const serviceQuestions: readonly Question[] = [
  {
    id: "rename",
    question: "What becomes of a reference when the service that it names is renamed?",
    source: "facts 3.1",
    assumed: "the text stays and renders to nothing",
    ground: "scratch",
    seconds: 20,
    sends: [send(operations.serviceRename, { id: "<smoke-a>", input: { name: renamedName } })],
    reads: names(product.rawVariables, product.renderedVariables),
    ask: async (stage) => {
      const before = await rawOf(stage, "smoke-b", "RENAMED");
      await stage.context.transport.request(operations.serviceRename, {
        id: idOf(stage, "smoke-a"),
        input: { name: renamedName },
      });
      return referenceAfter(stage, "RENAMED", before, "first");
    },
  },
  {
    id: "reference-to-deleted",
    question: "What becomes of a reference when the service that it names is deleted?",
    source: "facts 3.1",
    assumed: "the text stays and renders to nothing",
    ground: "scratch",
    seconds: 20,
    sends: [send(product.serviceDelete, { id: "<smoke-c>", environmentId: "<environment>" })],
    reads: names(product.rawVariables, product.renderedVariables),
    ask: async (stage) => {
      const before = await rawOf(stage, "smoke-b", "DELETED");
      await deleteService(stage, "smoke-c");
      return referenceAfter(stage, "DELETED", before, "third");
    },
  },
  {
    id: "proxy-domain",
    question: "Does the domain of a TCP proxy end with a dot?",
    source: "facts 3.6",
    assumed: "it does not",
    ground: "scratch",
    seconds: 10,
    sends: [send(product.tcpProxyCreate, { input: proxyInput })],
    reads: names(product.tcpProxies),
    ask: async (stage) => {
      await createProxy(stage);
      const { environmentId } = stage.scope;
      const where = { environmentId, serviceId: idOf(stage, workerName) };
      const proxy = await stage.context.settle(
        async () => (await stage.context.transport.request(product.tcpProxies, where)).tcpProxies[0],
      );
      if (proxy === undefined) return "no proxy shows";
      return either(proxy.domain.endsWith("."), "it does", "it does not");
    },
  },
  {
    id: "proxy-port",
    question: "Does a TCP proxy that is made anew get the port it had?",
    source: "facts 3.6",
    assumed: "another one",
    ground: "scratch",
    seconds: 30,
    needs: ["proxy-domain"],
    sends: [
      send(operations.tcpProxyDelete, { id: "<the worker's proxy>" }),
      send(product.tcpProxyCreate, { input: proxyInput }),
    ],
    reads: names(product.tcpProxies),
    ask: async (stage) => {
      const { context, scope } = stage;
      const serviceId = idOf(stage, workerName);
      const [former] = await readTcpProxies(context, scope, serviceId);
      if (former === undefined) throw new NoAnswer("there is no proxy to make anew");
      await context.transport.request(operations.tcpProxyDelete, { id: former.id });
      await context.settle(async () => {
        const left = await readTcpProxies(context, scope, serviceId);
        return left.some(({ id }) => id === former.id) ? undefined : true;
      });
      await createProxy(stage);
      const next = await context.settle(async () => {
        const proxies = await readTcpProxies(context, scope, serviceId);
        return proxies.find(({ id }) => id !== former.id);
      });
      if (next === undefined) return "no new proxy shows";
      const same = next.domain === former.domain && next.proxyPort === former.proxyPort;
      return either(same, "the same", "another one");
    },
  },
  {
    id: "volume-of-deleted",
    question: "What becomes of the volume of a service that is deleted?",
    source: "facts 4.3, 7.11",
    assumed: "it stays, attached to nothing",
    ground: "scratch",
    seconds: 20,
    sends: [send(product.serviceDelete, { id: "<smoke-d>", environmentId: "<environment>" })],
    reads: names(product.environmentServices),
    ask: async (stage) => {
      const serviceId = idOf(stage, "smoke-d");
      const find = async () => (await volumesOf(stage)).find(({ mountPath }) => mountPath === "/data");
      if ((await find())?.serviceId !== serviceId) throw new NoAnswer("there is no volume to look at");
      await deleteService(stage, "smoke-d");
      const changed = await stage.context.settle(async () => {
        const volume = await find();
        return volume === undefined || volume.serviceId !== serviceId ? { volume } : undefined;
      });
      if (changed === undefined) return "it stays, attached to the service that is gone";
      return either(changed.volume === undefined, "it is gone", "it stays, attached to nothing");
    },
  },
  {
    id: "sandbox",
    question: "May this workspace make a sandbox in the private network?",
    source: "facts 5",
    assumed: "it may",
    ground: "project",
    seconds: 10,
    sends: [
      send(operations.sandboxCreate, {
        input: { environmentId: "<environment>", networkIsolation: "PRIVATE", idleTimeoutMinutes: 1 },
      }),
      send(operations.sandboxDestroy, { environmentId: "<environment>", id: "<the sandbox>" }),
    ],
    reads: [],
    ask: async ({ context, scope: { environmentId } }) =>
      refusalOf(async () => {
        const input = { environmentId, networkIsolation: "PRIVATE", idleTimeoutMinutes: 1 };
        const { sandboxCreate } = await context.transport.request(operations.sandboxCreate, { input });
        await context.transport.request(operations.sandboxDestroy, { environmentId, id: sandboxCreate.id });
      }, "it may"),
  },
];

async function deleteService(stage: Stage, name: string): Promise<void> {
  await stage.context.transport.request(product.serviceDelete, {
    id: idOf(stage, name),
    environmentId: stage.scope.environmentId,
  });
}

async function createProxy(stage: Stage): Promise<void> {
  const input = {
    applicationPort: proxyInput.applicationPort,
    environmentId: stage.scope.environmentId,
    serviceId: idOf(stage, workerName),
  };
  await stage.context.transport.request(product.tcpProxyCreate, { input });
}

/** Waits for as long as reads may lag: that nothing changes shows only then. */
async function referenceAfter(
  stage: Stage,
  name: string,
  before: string | null | undefined,
  value: string,
): Promise<string> {
  await stage.context.settle(async () =>
    (await renderedOf(stage, "smoke-b", name)) === value ? undefined : true,
  );
  const text = await rawOf(stage, "smoke-b", name);
  const rendered = await renderedOf(stage, "smoke-b", name);
  const what =
    text === undefined ? "the text is gone" : either(text === before, "the text stays", "the text changes");
  return `${what} and renders to ${rendered ? either(rendered === value, "the value", "something else") : "nothing"}`;
}
