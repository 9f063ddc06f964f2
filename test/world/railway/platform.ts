import { setTimeout as wait } from "node:timers/promises";
import { AppHost, type PrivateNetwork } from "./app-host.ts";
import { addEvent, createDeployment, type DeploymentOrigin, setStatus } from "./deployment-record.ts";
import type { JobHost } from "./job-host.ts";
import type { LaggingStore } from "./lagging-store.ts";
import { draw, type Pace } from "./pace.ts";
import {
  type DeploymentState,
  deploymentsOf,
  findInstance,
  type InstanceState,
  inProgressStatuses,
} from "./state.ts";
import type { DatabaseServer, WorldModel } from "./world-model.ts";

/** Where a deployment can stay for ever. */
export type HangingStatus = "INITIALIZING" | "QUEUED" | "WAITING" | "BUILDING" | "DEPLOYING";

/**
 * What can be made to go wrong with the next deployment of a service. `SUPERSEDED`: somebody pushes while it is under way;
 * `SUPERSEDED_AFTER_SUCCESS`: some time after it succeeded (`crashAfterMs`). The push is the service's next deployment, so a fault
 * that is planned after this one befalls the push.
 */
export type DeploymentFault =
  | "BUILD"
  | "PRE_DEPLOY"
  | "HEALTHCHECK"
  | "CRASH_AFTER_SUCCESS"
  | "SKIPPED"
  | "NEEDS_APPROVAL"
  | `HANG_${HangingStatus}`
  | "SUPERSEDED"
  | "SUPERSEDED_AFTER_SUCCESS";

/**
 * Runs deployments: INITIALIZING → BUILDING (repository only) → DEPLOYING → SUCCESS. The previous deployment serves until
 * the new one is SUCCESS, overlaps with it, and is drained: REMOVING → REMOVED. A service with a volume cannot
 * overlap: its server goes down and comes back.
 */
export class Platform {
  readonly #store: LaggingStore;
  readonly #world: WorldModel;
  readonly #pace: Pace;
  readonly #apps: AppHost;
  readonly #jobs: JobHost;
  readonly #databases = new Map<string, DatabaseServer>();
  readonly #creating = new Map<string, Promise<DatabaseServer>>();
  readonly #closing = new AbortController();
  readonly #inProgress = new Map<string, AbortController>();
  readonly #faults = new Map<string, DeploymentFault[]>();
  readonly #background = new Set<Promise<void>>();

  constructor(store: LaggingStore, world: WorldModel, pace: Pace, jobs: JobHost) {
    this.#jobs = jobs;
    this.#store = store;
    this.#world = world;
    this.#pace = pace;
    this.#apps = new AppHost(store, world, pace, () => this.privateNetwork());
    for (const service of world.services) {
      if (service.kind === "database") this.#databases.set(service.id, service.server);
    }
  }

  /** Runs the deployment that each app has from the beginning. Rejects when one does not become healthy. */
  async startInitialDeployments(): Promise<void> {
    const initial = this.#store.live.deployments.filter((one) => this.#apps.runs(one));
    await Promise.all(
      initial.map(async (deployment) => {
        if (await this.#launchApp(deployment, undefined, this.#closing.signal)) return;
        const reason = deployment.events.at(-1)?.error ?? "no reason known";
        throw new Error(`an app service of the model does not start: ${reason}`);
      }),
    );
  }

  failNext(serviceId: string, fault: DeploymentFault): void {
    this.#faults.set(serviceId, [...(this.#faults.get(serviceId) ?? []), fault]);
  }

  /** Creates a deployment and lets it take its course. A deployment in progress of the same service is superseded. */
  deploy(serviceId: string, environmentId: string, reason: string, origin?: DeploymentOrigin): string {
    for (const earlier of deploymentsOf(this.#store.live, serviceId, environmentId)) {
      this.cancel(earlier);
    }
    const deployment = createDeployment(this.#store, serviceId, environmentId, reason, origin);
    const abort = new AbortController();
    this.#inProgress.set(deployment.id, abort);
    const fault = this.#faults.get(serviceId)?.shift();
    const run = this.#run(deployment, fault, AbortSignal.any([abort.signal, this.#closing.signal]));
    this.#inBackground(run.finally(() => this.#inProgress.delete(deployment.id)));
    return deployment.id;
  }

  /** A deployment that is under way, or waits, comes to nothing. */
  cancel(deployment: DeploymentState): void {
    if (!inProgressStatuses.has(deployment.status)) return;
    this.#inProgress.get(deployment.id)?.abort();
    setStatus(this.#store, deployment.id, "REMOVED");
  }

  /** Starts the same container again with the variables it was given. */
  restart(deployment: DeploymentState): void {
    this.#inBackground(
      (async () => {
        setStatus(this.#store, deployment.id, deployment.status, "RESTARTING");
        const server = this.#databaseOf(deployment);
        await server?.stop();
        await server?.start();
        await this.#apps.end(deployment.id);
        if (this.#apps.runs(deployment)) await this.#apps.start(deployment);
        setStatus(this.#store, deployment.id, "SUCCESS", "RUNNING");
      })(),
    );
  }

  /** Stops what a deployment runs and leaves the deployment, its service and its volume in place. */
  stop(deployment: DeploymentState): void {
    this.#inBackground(
      (async () => {
        const newest = deploymentsOf(this.#store.live, deployment.serviceId, deployment.environmentId)[0];
        if (newest?.id === deployment.id) await this.#databaseOf(deployment)?.stop();
        await this.#apps.end(deployment.id);
        await this.#jobs.stop(deployment.id);
        setStatus(this.#store, deployment.id, deployment.status, "STOPPED");
      })(),
    );
  }

  /** The container of the deployment that serves ends for good. */
  crash(serviceId: string, environmentId: string): void {
    const all = deploymentsOf(this.#store.live, serviceId, environmentId);
    const serving = all.find(({ status }) => status === "SUCCESS");
    if (serving === undefined) return;
    this.#inBackground(this.#apps.end(serving.id));
    setStatus(this.#store, serving.id, "CRASHED", "CRASHED");
  }

  /** Ends everything that one service runs in one environment. */
  removeInstance(instance: InstanceState): void {
    for (const deployment of deploymentsOf(this.#store.live, instance.serviceId, instance.environmentId)) {
      this.#inProgress.get(deployment.id)?.abort();
      this.#inBackground(this.#apps.end(deployment.id));
      this.#inBackground(this.#jobs.end(deployment.id));
      setStatus(this.#store, deployment.id, "REMOVED", "REMOVED");
    }
    this.#inBackground(this.#databaseOf(instance)?.stop() ?? Promise.resolve());
  }

  /** Where the public domain of a service leads: the container of its newest successful deployment. */
  servingUrl(serviceId: string, environmentId: string): string | undefined {
    return deploymentsOf(this.#store.live, serviceId, environmentId)
      .filter((one) => one.status === "SUCCESS")
      .map((one) => this.#apps.container(one.id)?.url)
      .find((url) => url !== undefined);
  }

  /** The server behind a service; only the first environment has real ones. */
  databaseServer(serviceId: string, environmentId: string): DatabaseServer | undefined {
    return this.#databaseOf({ serviceId, environmentId });
  }

  /** Resolves when nothing deploys, drains or restarts. A deployment that hangs or waits for approval is at rest. */
  async settle(): Promise<void> {
    while (this.#background.size > 0) await Promise.all(this.#background);
  }

  /** Ends every process. The servers of the model belong to whoever started them. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#apps.close();
    await this.#jobs.close();
    await this.settle();
  }

  async #run(
    deployment: DeploymentState,
    fault: DeploymentFault | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    try {
      if (fault === "HANG_INITIALIZING") return;
      await pause(draw(this.#pace.initializingMs), signal);
      if (fault === "SKIPPED" || fault === "NEEDS_APPROVAL")
        return setStatus(this.#store, deployment.id, fault);
      if (fault === "HANG_QUEUED") return setStatus(this.#store, deployment.id, "QUEUED");
      if (fault === "HANG_WAITING") return setStatus(this.#store, deployment.id, "WAITING");
      if (this.#instanceOf(deployment)?.image === null && deployment.reason !== "rollback") {
        setStatus(this.#store, deployment.id, "BUILDING");
        if (fault === "HANG_BUILDING") return;
        await pause(draw(this.#pace.buildingMs), signal);
        if (fault === "BUILD") return this.#fail(deployment, "BUILD_IMAGE", "build failed");
        addEvent(this.#store, deployment.id, "BUILD_IMAGE");
      }
      setStatus(this.#store, deployment.id, "DEPLOYING");
      if (fault === "HANG_DEPLOYING") return;
      await pause(draw(this.#pace.deployingMs), signal);
      if (fault === "SUPERSEDED") return void this.#push(deployment);
      if (fault === "PRE_DEPLOY") return this.#fail(deployment, "PRE_DEPLOY_COMMAND", "exit code 1");
      if (!(await this.#launch(deployment, fault, signal))) return;
      signal.throwIfAborted();
      setStatus(this.#store, deployment.id, "SUCCESS", "RUNNING");
      if (this.#runsJob(deployment)) this.#jobs.start(deployment, this.#instanceOf(deployment));
      this.#inBackground(this.#drainPrevious(deployment));
      if (fault !== "CRASH_AFTER_SUCCESS" && fault !== "SUPERSEDED_AFTER_SUCCESS") return;
      await pause(this.#pace.crashAfterMs, signal);
      if (fault === "SUPERSEDED_AFTER_SUCCESS") return void this.#push(deployment);
      if (deployment.status !== "SUCCESS") return;
      await this.#apps.end(deployment.id);
      setStatus(this.#store, deployment.id, "CRASHED", "CRASHED");
    } catch (error) {
      await this.#apps.end(deployment.id);
      if (!signal.aborted) throw error;
    }
  }

  #push({ serviceId, environmentId }: DeploymentState): string {
    return this.deploy(serviceId, environmentId, "push");
  }

  /** Starts what the service runs, if anything, and says whether it is up. */
  async #launch(
    deployment: DeploymentState,
    fault: DeploymentFault | undefined,
    signal: AbortSignal,
  ): Promise<boolean> {
    if (this.#apps.runs(deployment)) return this.#launchApp(deployment, fault, signal);
    const isHere = this.#store.live.environments[0]?.id === deployment.environmentId;
    if (isHere && /postgres|pgvector/.test(this.#instanceOf(deployment)?.image ?? "")) {
      return this.#launchDatabase(deployment);
    }
    return true;
  }

  /** A service that was created here, with a command of its own that no program of the world stands for. */
  #runsJob(deployment: DeploymentState): boolean {
    if (this.#apps.runs(deployment)) return false;
    const isOfTheModel = this.#world.services.some(({ id }) => id === deployment.serviceId);
    return !isOfTheModel && (this.#instanceOf(deployment)?.startCommand ?? null) !== null;
  }

  async #launchApp(
    deployment: DeploymentState,
    fault: DeploymentFault | undefined,
    signal: AbortSignal,
  ): Promise<boolean> {
    try {
      await this.#apps.start(deployment);
    } catch (error) {
      const reason = error instanceof Error ? error.message : "the container exited";
      this.#fail(deployment, "CREATE_CONTAINER", reason);
      return false;
    }
    addEvent(this.#store, deployment.id, "CREATE_CONTAINER");
    const path = this.#instanceOf(deployment)?.healthcheckPath ?? null;
    // Without a path, SUCCESS only means that the container started.
    if (path === null) return true;
    if (await this.#apps.awaitHealth(deployment, path, fault !== "HEALTHCHECK", signal)) {
      addEvent(this.#store, deployment.id, "HEALTHCHECK");
      return true;
    }
    await this.#apps.end(deployment.id);
    this.#fail(deployment, "HEALTHCHECK", "the health check did not answer 200 in time");
    return false;
  }

  async #launchDatabase(deployment: DeploymentState): Promise<boolean> {
    const existing = this.#databaseOf(deployment);
    if (existing !== undefined) {
      for (const one of this.#othersRunning(deployment)) setStatus(this.#store, one.id, "REMOVED", "REMOVED");
      await existing.stop();
      await existing.start();
      return true;
    }
    // The image's entry point refuses to initialise a database without a superuser password.
    if (
      deployment.variables.POSTGRES_PASSWORD === undefined ||
      this.#world.createDatabaseServer === undefined
    ) {
      setStatus(this.#store, deployment.id, "CRASHED", "CRASHED");
      return false;
    }
    // One that was superseded while its server came up leaves it to the next: a volume has one database.
    const creating =
      this.#creating.get(deployment.serviceId) ??
      this.#world.createDatabaseServer({
        name: this.#store.live.services.find((one) => one.id === deployment.serviceId)?.name ?? "",
        image: this.#instanceOf(deployment)?.image ?? "",
        variables: deployment.variables,
      });
    this.#creating.set(deployment.serviceId, creating);
    this.#databases.set(deployment.serviceId, await creating);
    return true;
  }

  async #drainPrevious(deployment: DeploymentState): Promise<void> {
    const previous = this.#othersRunning(deployment);
    if (previous.length === 0) return;
    await pause(draw(this.#pace.overlapMs), this.#closing.signal).catch(() => {});
    await Promise.all(
      previous.map(async (one) => {
        setStatus(this.#store, one.id, "REMOVING");
        await this.#apps.end(one.id);
        addEvent(this.#store, one.id, "DRAIN_INSTANCES");
        setStatus(this.#store, one.id, "REMOVED", "REMOVED");
      }),
    );
  }

  /** Earlier deployments of the same service that still hold their place. */
  #othersRunning(deployment: DeploymentState): DeploymentState[] {
    const all = deploymentsOf(this.#store.live, deployment.serviceId, deployment.environmentId);
    return all
      .slice(all.findIndex((one) => one.id === deployment.id) + 1)
      .filter((one) => one.status === "SUCCESS" || one.status === "CRASHED");
  }

  #fail(deployment: DeploymentState, step: Parameters<typeof addEvent>[2], error: string): void {
    addEvent(this.#store, deployment.id, step, error);
    setStatus(this.#store, deployment.id, "FAILED", null);
  }

  #instanceOf(deployment: DeploymentState): InstanceState | undefined {
    return findInstance(this.#store.live, deployment.serviceId, deployment.environmentId);
  }

  #databaseOf(place: { serviceId: string; environmentId: string }): DatabaseServer | undefined {
    return place.environmentId === this.#store.live.environments[0]?.id
      ? this.#databases.get(place.serviceId)
      : undefined;
  }

  /** Where the private names of the databases lead. */
  privateNetwork(): PrivateNetwork {
    const known = this.#store.live.instances.filter((instance) => instance.deletedAt === null);
    return Object.fromEntries(
      known.flatMap((instance) => {
        const server = this.#databaseOf(instance);
        return server === undefined
          ? []
          : [[`${instance.privateDomain}:5432`, { host: server.host, port: server.port }]];
      }),
    );
  }

  #inBackground(work: Promise<void>): void {
    const tracked: Promise<void> = work
      .catch((error: unknown) => {
        if (!this.#closing.signal.aborted) console.error("The simulated platform failed:", error);
      })
      .finally(() => this.#background.delete(tracked));
    this.#background.add(tracked);
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  await wait(ms, undefined, { signal });
}
