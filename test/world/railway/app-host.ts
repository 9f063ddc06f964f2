import { setTimeout as wait } from "node:timers/promises";
import { type Container, isHealthy, startContainer } from "./container.ts";
import { setStatus } from "./deployment-record.ts";
import type { LaggingStore } from "./lagging-store.ts";
import type { Pace } from "./pace.ts";
import { type DeploymentState, findInstance } from "./state.ts";
import type { WorldModel } from "./world-model.ts";

/** Private host and port, as in a URL, to the real address. */
export type PrivateNetwork = Readonly<Record<string, { readonly host: string; readonly port: number }>>;

const maximumRestarts = 3;

/** The processes of the app services, one a deployment, with Railway's restart policy ON_FAILURE. */
export class AppHost {
  readonly #store: LaggingStore;
  readonly #world: WorldModel;
  readonly #pace: Pace;
  readonly #privateNetwork: () => PrivateNetwork;
  readonly #containers = new Map<string, Container>();
  readonly #restarts = new Map<string, number>();
  readonly #starting = new Set<Promise<Container>>();
  #closed = false;

  constructor(store: LaggingStore, world: WorldModel, pace: Pace, privateNetwork: () => PrivateNetwork) {
    this.#store = store;
    this.#world = world;
    this.#pace = pace;
    this.#privateNetwork = privateNetwork;
  }

  /** Whether the deployment's service runs a program here at all. */
  runs(deployment: DeploymentState): boolean {
    return this.#commandOf(deployment) !== undefined;
  }

  /** Starts the deployment's program with the variables it was given. Rejects when it ends before it listens. */
  async start(deployment: DeploymentState): Promise<Container> {
    const command = this.#commandOf(deployment);
    const isIt = (one: { id: string }) => one.id === deployment.serviceId;
    // The program's own name: a rename on Railway does not change the code.
    const service = this.#world.services.find(isIt) ?? this.#store.live.services.find(isIt);
    if (command === undefined || service === undefined || this.#closed) throw new Error("nothing to run");
    const starting = startContainer(command, {
      ...deployment.variables,
      SERVICE_NAME: service.name,
      DEPLOYMENT_ID: deployment.id,
      WORLD_PRIVATE_NETWORK: JSON.stringify(this.#privateNetwork()),
      WORLD_LEDGER: `${this.#world.ledgerFolder}/${deployment.id}.jsonl`,
    });
    this.#starting.add(starting);
    try {
      const container = await starting;
      this.#containers.set(deployment.id, container);
      void this.#superviseExit(deployment, container);
      return container;
    } finally {
      this.#starting.delete(starting);
    }
  }

  container(deploymentId: string): Container | undefined {
    return this.#containers.get(deploymentId);
  }

  /** Asks the container's health path until it answers 200 or the time is over; `signal` ends the waiting with its reason. */
  async awaitHealth(
    deployment: DeploymentState,
    path: string,
    acceptable: boolean,
    signal: AbortSignal,
  ): Promise<boolean> {
    const container = this.#containers.get(deployment.id);
    const deadline = Date.now() + this.#pace.healthcheckTimeoutMs;
    while (
      container !== undefined &&
      Date.now() < deadline &&
      this.#containers.get(deployment.id) === container
    ) {
      if ((await isHealthy(container.url + path)) && acceptable) return true;
      await wait(this.#pace.healthcheckIntervalMs, undefined, { signal });
    }
    return false;
  }

  /** Ends the deployment's process, if it has one. */
  async end(deploymentId: string): Promise<void> {
    const container = this.#containers.get(deploymentId);
    this.#containers.delete(deploymentId);
    await container?.terminate(this.#pace.drainingMs);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#starting);
    const containers = [...this.#containers.values()];
    this.#containers.clear();
    await Promise.all(containers.map((container) => container.terminate(2_000)));
  }

  async #superviseExit(deployment: DeploymentState, container: Container): Promise<void> {
    const code = await container.exited;
    // Whoever ends a container on purpose takes it out of the map first.
    if (this.#containers.get(deployment.id) !== container) return;
    this.#containers.delete(deployment.id);
    if (deployment.status !== "SUCCESS") return;
    if (code === 0) return setStatus(this.#store, deployment.id, "SUCCESS", "EXITED");
    const restarts = this.#restarts.get(deployment.id) ?? 0;
    this.#restarts.set(deployment.id, restarts + 1);
    if (restarts === maximumRestarts) return setStatus(this.#store, deployment.id, "CRASHED", "CRASHED");
    setStatus(this.#store, deployment.id, "SUCCESS", "RESTARTING");
    await this.start(deployment).then(
      () => setStatus(this.#store, deployment.id, "SUCCESS", "RUNNING"),
      () => setStatus(this.#store, deployment.id, "CRASHED", "CRASHED"),
    );
  }

  #commandOf(deployment: DeploymentState): readonly [string, ...string[]] | undefined {
    if (this.#store.live.environments[0]?.id !== deployment.environmentId) return undefined;
    const service = this.#world.services.find((one) => one.id === deployment.serviceId);
    if (service !== undefined) return service.kind === "app" ? service.command : undefined;
    const created = findInstance(this.#store.live, deployment.serviceId, deployment.environmentId);
    return created === undefined ? undefined : this.#world.programOf?.(created);
  }
}
