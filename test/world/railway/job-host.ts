import { type Machine, type MachineNetwork, type RunningCommand, startMachine } from "../machine/machine.ts";
import { setStatus } from "./deployment-record.ts";
import type { LaggingStore } from "./lagging-store.ts";
import { draw, type Pace } from "./pace.ts";
import type { DeploymentState, InstanceState } from "./state.ts";

interface Job {
  machine: Promise<Machine>;
  command: RunningCommand | undefined;
  readonly log: { readonly message: string; readonly timestamp: string; readonly visibleAt: number }[];
  readonly drainingMs: number;
  ended: boolean;
}

const maximumRestarts = 3;

/** Runs the start command of services that were created at run time, each in a machine of its own in the private network. */
export class JobHost {
  readonly #store: LaggingStore;
  readonly #pace: Pace;
  readonly #network: () => MachineNetwork;
  readonly #jobs = new Map<string, Job>();

  constructor(store: LaggingStore, pace: Pace, network: () => MachineNetwork) {
    this.#store = store;
    this.#pace = pace;
    this.#network = network;
  }

  start(deployment: DeploymentState, instance: InstanceState | undefined): void {
    if (instance?.startCommand == null) return;
    const job: Job = {
      machine: startMachine({ network: this.#network(), variables: deployment.variables }),
      command: undefined,
      log: [],
      drainingMs: (instance.drainingSeconds ?? 0) * 1_000,
      ended: false,
    };
    this.#jobs.set(deployment.id, job);
    void this.#supervise(deployment, job, instance.startCommand, instance.restartPolicyType ?? "ON_FAILURE");
  }

  /** What readers see by now. */
  logs(deploymentId: string): { message: string; timestamp: string }[] {
    const now = Date.now();
    const lines = this.#jobs.get(deploymentId)?.log ?? [];
    return lines
      .filter(({ visibleAt }) => visibleAt <= now)
      .map(({ message, timestamp }) => ({ message, timestamp }));
  }

  /** SIGTERM, and SIGKILL when the time to drain is over. */
  async stop(deploymentId: string): Promise<void> {
    const job = this.#jobs.get(deploymentId);
    if (job === undefined) return;
    await job.machine;
    const timer = setTimeout(() => void this.end(deploymentId), job.drainingMs);
    job.command?.signal("SIGTERM");
    await job.command?.ended;
    clearTimeout(timer);
  }

  async end(deploymentId: string): Promise<void> {
    const job = this.#jobs.get(deploymentId);
    if (job === undefined) return;
    job.ended = true;
    await (await job.machine.catch(() => undefined))?.destroy();
  }

  async close(): Promise<void> {
    await Promise.all([...this.#jobs.keys()].map((id) => this.end(id)));
  }

  async #supervise(
    deployment: DeploymentState,
    job: Job,
    startCommand: string,
    policy: NonNullable<InstanceState["restartPolicyType"]>,
  ): Promise<void> {
    const machine = await job.machine;
    for (let restarts = 0; ; restarts += 1) {
      job.command = machine.start(`exec ${startCommand}`, (message) => this.#write(job, message));
      const code = await job.command.ended;
      const again = policy === "ALWAYS" || (policy === "ON_FAILURE" && code !== 0);
      if (job.ended || !again || restarts === maximumRestarts) {
        await this.end(deployment.id);
        if (deployment.status !== "SUCCESS") return;
        if (code === 0) setStatus(this.#store, deployment.id, "SUCCESS", "EXITED");
        else setStatus(this.#store, deployment.id, "CRASHED", "CRASHED");
        return;
      }
    }
  }

  #write(job: Job, message: string): void {
    const now = new Date();
    job.log.push({
      message,
      timestamp: now.toISOString(),
      visibleAt: now.getTime() + draw(this.#pace.readLagMs),
    });
  }
}
