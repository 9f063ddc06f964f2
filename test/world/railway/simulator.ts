import { randomUUID } from "node:crypto";
import type { MachineNetwork } from "../machine/machine.ts";
import {
  defaultRateLimit,
  type Intercept,
  type RateLimit,
  type RecordedRequest,
  startApiServer,
} from "./api-server.ts";
import type { PrivateNetwork } from "./app-host.ts";
import type { Tokens } from "./authorization.ts";
import { type Dashboard, openDashboard } from "./dashboard.ts";
import { startEdge } from "./edge.ts";
import { GraphqlEndpoint } from "./graphql-endpoint.ts";
import type { HttpServer } from "./http-server.ts";
import { buildInitialState } from "./initial-state.ts";
import { JobHost } from "./job-host.ts";
import { LaggingStore } from "./lagging-store.ts";
import { buildMutations } from "./mutations.ts";
import { defaultPace, draw, type Pace } from "./pace.ts";
import { type DeploymentFault, Platform } from "./platform.ts";
import { buildProjectMutations } from "./project-mutations.ts";
import { buildQueries } from "./queries.ts";
import { defaultQuirks, type Quirks } from "./quirks.ts";
import { type RequestFault, RequestFaults } from "./request-faults.ts";
import { Sandboxes } from "./sandboxes.ts";
import { type DeploymentState, findServiceByName, type RailwayState } from "./state.ts";
import { startTcpForwarder, type TcpForwarder } from "./tcp-forwarder.ts";
import { Workflows } from "./workflows.ts";
import type { WorldModel } from "./world-model.ts";

export interface SimulatorOptions {
  /** The API that clients see; every document is validated against it. */
  readonly schemaSdl: string;
  readonly world: WorldModel;
  readonly pace?: Partial<Pace>;
  readonly quirks?: Partial<Quirks>;
  readonly rateLimit?: RateLimit;
  /** For tests that hold single requests or cut them off. */
  readonly intercept?: Intercept;
}

/** A running Railway: its API, and what tests and the rehearsal do to it behind the API's back. */
export interface Simulator extends Dashboard {
  /** Ends in `/graphql/v2`; a client adds `?source=…`. */
  readonly url: string;
  readonly tokens: Tokens;
  /** Project tokens that were made at run time, the dead ones too. */
  madeTokens(): readonly string[];
  /** The public domain of an app service, without a path. */
  serviceUrl(serviceName: string): string;
  /** Each call plans one more deployment of that service to fail. */
  failNext(serviceName: string, fault: DeploymentFault): void;
  failRequests(fault: RequestFault): void;
  /** Forgets every planned request fault: the end of an outage. */
  clearRequestFaults(): void;
  /** The next backup ends in Error. */
  failNextWorkflow(): void;
  /** The next sandbox does not come up. */
  failNextSandbox(): void;
  /** A port of this machine that stands for a server on the internet: machines inside Railway reach it as well. */
  openToMachines(port: number): void;
  /** The texts of the commands that were run in sandboxes: what Railway keeps. */
  commandsInSandboxes(): readonly string[];
  /** How long things take from now on, such as the lag of reads or the overlap of deployments. */
  setPace(changes: Partial<Pace>): void;
  /** Every valid request so far. */
  requests(): readonly RecordedRequest[];
  /** Root fields of the mutations that were executed, in order. */
  mutations(): string[];
  /** The deployments of a service in the first environment, the oldest first. Live: no lag. */
  deployments(serviceName: string): readonly DeploymentState[];
  /** A copy of the live state. */
  inspect(): RailwayState;
  /** Resolves when no deployment is under way. */
  settle(): Promise<void>;
  /** Ends every process and port that the simulator opened; the model's own servers stay as they are. May be repeated. */
  stop(): Promise<void>;
}

/** Starts the model's app processes and the API. Rejects, with all of them ended, when one does not become healthy. */
export async function startSimulator(options: SimulatorOptions): Promise<Simulator> {
  const { world } = options;
  const pace: { -readonly [Key in keyof Pace]: Pace[Key] } = { ...defaultPace, ...options.pace };
  const quirks = { ...defaultQuirks, ...options.quirks };
  const environmentId = world.environments[0]?.id ?? "";

  const store = new LaggingStore(buildInitialState(world), () => draw(pace.readLagMs));
  const internet = new Set<number>();
  const machineNetwork = (): MachineNetwork => networkOf(platform.privateNetwork(), internet);
  const jobs = new JobHost(store, pace, machineNetwork);
  const platform = new Platform(store, world, pace, jobs);
  const workflows = new Workflows(store, pace);
  const sandboxes = new Sandboxes(store, pace, quirks, machineNetwork);
  const faults = new RequestFaults();
  const recorded: RecordedRequest[] = [];
  const tokens = { account: randomUUID(), workspace: randomUUID(), project: randomUUID() };
  const madeTokens = new Map<string, string>();
  const forwarders: TcpForwarder[] = [];
  const servers: HttpServer[] = [];
  const edges = new Map<string, HttpServer>();

  let stopped: Promise<void> | undefined;
  const close = async () => {
    workflows.close();
    await sandboxes.close();
    await Promise.all([...servers, ...forwarders].map((one) => one.close()));
    await platform.close();
  };
  const stop = () => {
    stopped ??= close();
    return stopped;
  };
  const endpoint = new GraphqlEndpoint(options.schemaSdl, {
    ...buildQueries(pace, quirks, jobs),
    ...buildProjectMutations({ store, platform, pace, quirks, madeTokens, openDomain }),
    ...buildMutations({ store, platform, workflows, sandboxes, quirks, openProxy }),
  });
  try {
    await platform.startInitialDeployments();
    for (const service of world.services.filter(({ kind }) => kind === "app")) {
      await openDomain(service.id, environmentId);
    }
    const api = await startApiServer({
      endpoint,
      tokens,
      projectEnvironmentId: environmentId,
      madeTokens,
      faults,
      rateLimit: options.rateLimit ?? defaultRateLimit,
      quirks,
      views: () => ({ view: store.view(), renderedView: store.view(pace.renderLagMs) }),
      record: (request) => recorded.push(request),
      intercept: options.intercept ?? (async () => "go-on"),
    });
    servers.push(api);
    for (const { origin } of servers) internet.add(Number(new URL(origin).port));
    return {
      ...openDashboard(store, platform, environmentId, openProxy),
      url: `${api.origin}/graphql/v2`,
      tokens,
      madeTokens: () => [...madeTokens.keys()],
      serviceUrl: (name) => requireEdge(serviceId(name)).origin,
      failNext: (name, fault) => platform.failNext(serviceId(name), fault),
      failRequests: (fault) => faults.plan(fault),
      clearRequestFaults: () => faults.clear(),
      failNextWorkflow: () => workflows.failNext(),
      failNextSandbox: () => sandboxes.failNext(),
      openToMachines: (port) => void internet.add(port),
      commandsInSandboxes: () => sandboxes.commands,
      setPace: (changes) => void Object.assign(pace, changes),
      requests: () => recorded,
      mutations: () =>
        recorded.filter((one) => one.kind === "mutation" && one.executed).flatMap((one) => one.rootFields),
      deployments: (name) =>
        store.live.deployments.filter(
          (one) => one.serviceId === serviceId(name) && one.environmentId === store.live.environments[0]?.id,
        ),
      inspect: () => structuredClone(store.live),
      settle: () => platform.settle(),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }

  async function openDomain(service: string, environment: string): Promise<string> {
    const edge = await startEdge(() => platform.servingUrl(service, environment));
    edges.set(service, edge);
    servers.push(edge);
    return new URL(edge.origin).host;
  }

  async function openProxy(service: string, environment: string): Promise<number> {
    const forwarder = await startTcpForwarder(() => platform.databaseServer(service, environment));
    forwarders.push(forwarder);
    return forwarder.port;
  }

  function serviceId(name: string): string {
    const service = findServiceByName(store.live, name);
    if (service === undefined) throw new TypeError(`the world has no service ${name}`);
    return service.id;
  }

  function requireEdge(id: string): HttpServer {
    const edge = edges.get(id);
    if (edge === undefined) throw new TypeError("only app services have a public domain");
    return edge;
  }
}

function networkOf(databases: PrivateNetwork, internet: ReadonlySet<number>): MachineNetwork {
  return {
    private: Object.entries(databases).map(([address, to]) => {
      const { hostname, port } = new URL(`tcp://${address}`);
      return { name: hostname, port: Number(port), to };
    }),
    internet: [...internet],
  };
}
