import { randomUUID } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { type Machine, type MachineNetwork, startMachine } from "../machine/machine.ts";
import type { LaggingStore } from "./lagging-store.ts";
import { draw, type Pace } from "./pace.ts";
import type { Quirks } from "./quirks.ts";
import { notFound, railwayError } from "./railway-errors.ts";
import { renderVariables } from "./references.ts";
import type { RailwayState, SandboxState } from "./state.ts";

export interface SandboxCreateInput {
  readonly environmentId: string;
  readonly idleTimeoutMinutes?: number | null;
  readonly networkIsolation?: SandboxState["networkIsolation"] | null;
  readonly region?: string | null;
  readonly variables?: Readonly<Record<string, string>> | null;
}

/** Railway's limits of a paid plan (docs.railway.com/sandboxes). */
const limits = { perEnvironment: 100, idleMinutes: { default: 30, maximum: 120 } };

/**
 * Virtual machines that are made, used and destroyed through the API. One that nobody talks to is destroyed, whatever runs in
 * it.
 */
export class Sandboxes {
  /** What was run, as Railway keeps it. */
  readonly commands: string[] = [];
  readonly #store: LaggingStore;
  readonly #pace: Pace;
  readonly #quirks: Quirks;
  readonly #network: () => MachineNetwork;
  readonly #machines = new Map<string, Promise<Machine>>();
  readonly #idleTimers = new Map<string, NodeJS.Timeout>();
  #failNext = false;

  constructor(store: LaggingStore, pace: Pace, quirks: Quirks, network: () => MachineNetwork) {
    this.#store = store;
    this.#pace = pace;
    this.#quirks = quirks;
    this.#network = network;
  }

  failNext(): void {
    this.#failNext = true;
  }

  /** Answers while the machine is still being made. */
  create(input: SandboxCreateInput): SandboxState {
    const { live } = this.#store;
    if (this.#quirks.sandboxesRefused !== null) throw railwayError(this.#quirks.sandboxesRefused);
    const { maximum } = limits.idleMinutes;
    const idleTimeoutMinutes = input.idleTimeoutMinutes ?? limits.idleMinutes.default;
    if (idleTimeoutMinutes < 1 || idleTimeoutMinutes > maximum) {
      throw railwayError(`idleTimeoutMinutes must be between 1 and ${maximum}`);
    }
    const isAlive = ({ environmentId, status }: SandboxState) =>
      environmentId === input.environmentId && (status === "CREATING" || status === "RUNNING");
    if (live.sandboxes.filter(isAlive).length >= limits.perEnvironment) {
      throw railwayError("Sandbox limit reached for this environment");
    }
    const sandbox: SandboxState = {
      id: randomUUID(),
      environmentId: input.environmentId,
      status: "CREATING",
      networkIsolation: this.#quirks.sandboxesStayIsolated
        ? "ISOLATED"
        : (input.networkIsolation ?? "ISOLATED"),
      idleTimeoutMinutes,
      region: input.region ?? "us-west2",
      createdAt: new Date().toISOString(),
    };
    this.#store.commit(() => live.sandboxes.push(sandbox));
    void this.#boot(sandbox, rendered(live, sandbox, input.variables ?? {}));
    return { ...sandbox };
  }

  async exec(environmentId: string, where: { id: string; command: string; timeoutSec?: number | null }) {
    const sandbox = this.#running(environmentId, where.id);
    const machine = sandbox && (await this.#machines.get(sandbox.id));
    if (sandbox === undefined || machine === undefined) throw notFound("Sandbox");
    this.commands.push(where.command);
    this.#touch(sandbox);
    const timeoutMs = (where.timeoutSec ?? 86_400) * 1_000;
    const gateway = new AbortController();
    const result = await Promise.race([
      machine.run(where.command, timeoutMs),
      wait(this.#pace.execGatewayMs, undefined, { signal: gateway.signal }).catch(() => undefined),
    ]);
    gateway.abort();
    // Without words of its own, as anything that the gateway gives up; the command goes on.
    if (result === undefined) throw new Error("upstream request timeout");
    const limit = this.#pace.execOutputLimit;
    return {
      ...result,
      stdout: result.stdout.slice(0, limit),
      stderr: result.stderr.slice(0, limit),
      truncated: result.stdout.length > limit || result.stderr.length > limit,
    };
  }

  /** One that is gone is `null`, and no error. */
  heartbeat(environmentId: string, id: string): SandboxState | null {
    const sandbox = this.#running(environmentId, id);
    if (sandbox === undefined) return null;
    this.#touch(sandbox);
    return { ...sandbox };
  }

  destroy(environmentId: string, id: string): SandboxState | null {
    const sandbox = this.#store.live.sandboxes.find(
      (one) => one.id === id && one.environmentId === environmentId,
    );
    if (sandbox === undefined || sandbox.status === "DESTROYED") return null;
    void this.#end(sandbox);
    return { ...sandbox };
  }

  async close(): Promise<void> {
    await Promise.all(this.#store.live.sandboxes.map((sandbox) => this.#end(sandbox)));
  }

  async #boot(sandbox: SandboxState, variables: Record<string, string>): Promise<void> {
    const fails = this.#failNext;
    this.#failNext = false;
    await wait(draw(this.#pace.sandboxCreatingMs));
    if (sandbox.status !== "CREATING") return;
    if (fails) return this.#setStatus(sandbox, "FAILED");
    const { private: databases, internet } = this.#network();
    const network = { internet, private: sandbox.networkIsolation === "PRIVATE" ? databases : [] };
    const machine = startMachine({ network, variables });
    this.#machines.set(sandbox.id, machine);
    const started = await machine.then(
      () => true,
      () => false,
    );
    if (sandbox.status !== "CREATING") return;
    this.#setStatus(sandbox, started ? "RUNNING" : "FAILED");
    this.#touch(sandbox);
  }

  #running(environmentId: string, id: string): SandboxState | undefined {
    return this.#store.live.sandboxes.find(
      (one) => one.id === id && one.environmentId === environmentId && one.status === "RUNNING",
    );
  }

  #touch(sandbox: SandboxState): void {
    clearTimeout(this.#idleTimers.get(sandbox.id));
    const idleMs = sandbox.idleTimeoutMinutes * this.#pace.sandboxMinuteMs;
    this.#idleTimers.set(
      sandbox.id,
      setTimeout(() => void this.#end(sandbox), idleMs),
    );
  }

  async #end(sandbox: SandboxState): Promise<void> {
    clearTimeout(this.#idleTimers.get(sandbox.id));
    this.#setStatus(sandbox, "DESTROYED");
    const machine = await this.#machines.get(sandbox.id)?.catch(() => undefined);
    await machine?.destroy();
  }

  #setStatus(sandbox: SandboxState, status: SandboxState["status"]): void {
    this.#store.commit(() => {
      sandbox.status = status;
    });
  }
}

/** References are resolved when the sandbox is made, as those of a service would be. */
function rendered(
  live: RailwayState,
  { id, environmentId, createdAt }: SandboxState,
  variables: Readonly<Record<string, string>>,
): Record<string, string> {
  const own = Object.entries(variables).map(([name, value]) => ({
    ...{ id: name, environmentId, serviceId: id, name, value },
    ...{ isSealed: false, createdAt, updatedAt: createdAt },
  }));
  const state = { ...live, variables: [...live.variables, ...own] };
  const texts = renderVariables(state, { environmentId, serviceId: id }, true);
  return Object.fromEntries(Object.entries(texts).map(([name, value]) => [name, value ?? ""]));
}
