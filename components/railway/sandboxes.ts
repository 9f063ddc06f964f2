import type { z } from "zod";
import { CutoverError, describeError, hasCode } from "../errors.ts";
import { applyAndConfirm } from "./confirmed-mutation.ts";
import type { RailwayContext } from "./context.ts";
import type { EnvironmentScope } from "./environment.ts";
import * as operations from "./operations.ts";
import { collectPages, pageSize } from "./paging.ts";
import type { sandboxAnswer } from "./runner-operations.ts";
import { isUncertain } from "./transport.ts";
import { isOutage } from "./waiting.ts";

/**
 * A virtual machine of an environment that lives until it is destroyed or left alone (docs.railway.com/sandboxes). It has
 * no name and shows none of its variables, so who made it must be found out inside.
 */
export interface Sandbox {
  readonly id: string;
  /** `CREATING`, `RUNNING`, `FAILED`, `DESTROYING`, `DESTROYED`. */
  readonly status: string;
  readonly createdAt: Date;
  /** `PRIVATE`: in the environment's private network. Railway's default is `ISOLATED`. */
  readonly networkIsolation: string;
  readonly idleTimeoutMinutes: number | null;
}

export interface SandboxRequest {
  readonly idleTimeoutMinutes: number;
  /** Railway's default (US West) when left out, wherever the databases are. */
  readonly region?: string | undefined;
  /** The only way for a secret into a sandbox: a command's text is kept, and seen by `ps`. */
  readonly variables: Readonly<Record<string, string>>;
}

/** What a short command did. */
export interface CommandResult {
  readonly exitCode: number;
  readonly output: string;
  /** Railway cut the output off. */
  readonly truncated: boolean;
}

/** Every sandbox of the environment that is alive, or is about to be. */
export async function listSandboxes(
  { transport }: RailwayContext,
  { environmentId }: EnvironmentScope,
): Promise<Sandbox[]> {
  const found = await collectPages(operations.sandboxes.name, async (after) => {
    const page = { environmentId, first: pageSize, after };
    return (await transport.request(operations.sandboxes, page)).sandboxes;
  });
  return found.map(toSandbox).filter(({ status }) => aliveStatuses.has(status));
}

/**
 * Creates a sandbox in the private network and waits until it runs.
 *
 * @param isOurs looks inside for what tells this one from others, should the answer be lost
 * @param timeoutMs for a sandbox to come up
 * @throws CutoverError `SANDBOX_NOT_PRIVATE`, `SANDBOX_NOT_STARTED`, and those of the transport. Whatever was made by then
 *   is destroyed, or named in the log.
 */
export async function createSandbox(
  context: RailwayContext,
  scope: EnvironmentScope,
  request: SandboxRequest,
  isOurs: (sandbox: Sandbox) => Promise<boolean>,
  timeoutMs: number,
): Promise<Sandbox> {
  const { environmentId } = scope;
  const input = { ...request, environmentId, networkIsolation: "PRIVATE" };
  const earlier = new Set((await listSandboxes(context, scope)).map(({ id }) => id));
  const search: Search = { context, scope, earlier, request, isOurs, timeoutMs };
  let answered: Sandbox | undefined;
  let isUncertainHowMany = false;
  let created: Sandbox | undefined;
  try {
    created = await applyAndConfirm(context, {
      name: "create sandbox",
      apply: async () => {
        try {
          const answer = await context.transport.request(operations.sandboxCreate, { input });
          answered = toSandbox(answer.sandboxCreate);
        } catch (error) {
          isUncertainHowMany ||= isUncertain(error);
          throw error;
        }
      },
      observe: async () => answered ?? findNew(search),
    });
    if (created === undefined) throw notStarted("never showed");
    const running = await waitUntilRunning(context, scope, created.id, timeoutMs);
    if (running.networkIsolation !== "PRIVATE") throw notPrivate(running);
    return running;
  } catch (error) {
    if (created !== undefined) await destroySandbox(context, scope, created.id);
    throw error;
  } finally {
    // So late because reads lag: by now they show what an earlier attempt made.
    if (isUncertainHowMany) await destroyOthers(search, created?.id);
  }
}

/**
 * Runs a command that ends within seconds. Railway's gateway ends a request after about a minute, and its own CLI gave this
 * operation up for long commands because of that; whatever lasts longer is started in the background by such a command.
 *
 * @throws CutoverError `SANDBOX_GONE` when there is no such sandbox any more, `SANDBOX_COMMAND_TIMEOUT`, and those of the
 *   transport: of an uncertain one nobody knows whether the command ran
 */
export async function execInSandbox(
  { transport }: RailwayContext,
  { environmentId }: EnvironmentScope,
  id: string,
  command: string,
  timeoutSeconds = 30,
): Promise<CommandResult> {
  const variables = { command, environmentId, id, timeoutSec: timeoutSeconds };
  try {
    const { sandboxExec: result } = await transport.request(operations.sandboxExec, variables);
    if (result.timedOut) throw commandTimeout(id, timeoutSeconds);
    return { exitCode: result.exitCode, output: result.stdout, truncated: result.truncated };
  } catch (error) {
    if (hasCode(error, "RAILWAY_NOT_FOUND")) throw sandboxGone(id, error);
    throw error;
  }
}

/**
 * Resets the timer that destroys an idle sandbox: what runs inside does not.
 *
 * @throws CutoverError `SANDBOX_GONE`, and those of the transport
 */
export async function heartbeatSandbox(
  { transport }: RailwayContext,
  { environmentId }: EnvironmentScope,
  id: string,
): Promise<void> {
  const answer = await transport.request(operations.sandboxHeartbeat, { environmentId, id });
  if (answer.sandboxHeartbeat == null) throw sandboxGone(id);
}

/**
 * Destroys a sandbox with everything in it, and reads until it is gone. Does nothing when it is gone already.
 *
 * @throws CutoverError `SANDBOX_NOT_DESTROYED`, and those of the transport
 */
export async function destroySandbox(
  context: RailwayContext,
  scope: EnvironmentScope,
  id: string,
): Promise<void> {
  const { environmentId } = scope;
  const gone = await applyAndConfirm(context, {
    name: `destroy sandbox ${id}`,
    apply: () => context.transport.request(operations.sandboxDestroy, { environmentId, id }),
    observe: async () => {
      const found = await readSandbox(context, scope, id);
      return found === undefined || !aliveStatuses.has(found.status) ? true : undefined;
    },
  });
  if (gone) return;
  throw new CutoverError({
    code: "SANDBOX_NOT_DESTROYED",
    message: `Railway accepted that the sandbox ${id} is destroyed, but it is still there. It holds the secrets of the run.`,
    remedy:
      "Destroy it in the project's Sandboxes tab, or run `npm run cutover:remote -- --stop` with the stack.",
  });
}

const aliveStatuses: ReadonlySet<string> = new Set(["CREATING", "RUNNING"]);

/** For what a creation made whose answer was lost. */
interface Search {
  readonly context: RailwayContext;
  readonly scope: EnvironmentScope;
  /** Those that were there before. */
  readonly earlier: ReadonlySet<string>;
  readonly request: SandboxRequest;
  readonly isOurs: (sandbox: Sandbox) => Promise<boolean>;
  readonly timeoutMs: number;
}

async function findNew(search: Search): Promise<Sandbox | undefined> {
  for (const sandbox of await listCandidates(search)) {
    if (await isFound(search, sandbox)) return sandbox;
  }
  return undefined;
}

/** Those that may be ours; somebody else's are left alone. */
async function listCandidates({ context, scope, earlier, request }: Search): Promise<Sandbox[]> {
  return (await listSandboxes(context, scope)).filter(
    ({ id, idleTimeoutMinutes }) => !earlier.has(id) && idleTimeoutMinutes === request.idleTimeoutMinutes,
  );
}

/** Nobody can look into one that is still being made, and another one beside it would have the secrets as well. */
async function isFound({ context, scope, isOurs, timeoutMs }: Search, sandbox: Sandbox): Promise<boolean> {
  const made =
    sandbox.status === "CREATING" ? await waitUntilMade(context, scope, sandbox.id, timeoutMs) : sandbox;
  return made?.status === "RUNNING" && (await isOurs(made));
}

/** A creation of which nobody knows whether it took place may have made one that holds the run's secrets. */
async function destroyOthers(search: Search, keptId: string | undefined): Promise<void> {
  const { context, scope } = search;
  const warn = (which: string, error: unknown) =>
    context.log(
      `Railway create sandbox: ${which} may hold the secrets of this run and could not be looked at or destroyed (${describeError(error)}); look in the project's Sandboxes tab`,
    );
  try {
    for (const sandbox of await listCandidates(search)) {
      if (sandbox.id === keptId) continue;
      try {
        if (!(await isFound(search, sandbox))) {
          if (sandbox.status === "CREATING")
            context.log(
              `Railway create sandbox: ${sandbox.id} was being made meanwhile; if it is nobody else's, destroy it`,
            );
          continue;
        }
        await destroySandbox(context, scope, sandbox.id);
        context.log(`Railway create sandbox: destroyed ${sandbox.id}, made by an earlier attempt`);
      } catch (error) {
        warn(`the sandbox ${sandbox.id}`, error);
      }
    }
  } catch (error) {
    warn("another sandbox", error);
  }
}

async function waitUntilRunning(
  context: RailwayContext,
  scope: EnvironmentScope,
  id: string,
  timeoutMs: number,
): Promise<Sandbox> {
  const made = await waitUntilMade(context, scope, id, timeoutMs);
  if (made?.status !== "RUNNING")
    throw notStarted(made === undefined ? "did not come up" : `is ${made.status}`);
  return made;
}

/**
 * Waits until a sandbox is made, or came to nothing.
 *
 * @returns `undefined` for one that is still being made, or never showed
 */
export function waitUntilMade(
  context: RailwayContext,
  scope: EnvironmentScope,
  id: string,
  timeoutMs: number,
): Promise<Sandbox | undefined> {
  return context.settle(async () => {
    // Railway's reads lag: one that was just made may not be there yet.
    const found = await readSandbox(context, scope, id);
    return found?.status === "CREATING" ? undefined : found;
  }, timeoutMs);
}

async function readSandbox(
  { transport }: RailwayContext,
  { environmentId }: EnvironmentScope,
  id: string,
): Promise<Sandbox | undefined> {
  const { sandbox } = await transport.request(operations.sandbox, { environmentId, id });
  return sandbox == null ? undefined : toSandbox(sandbox);
}

function toSandbox(answer: z.infer<typeof sandboxAnswer>): Sandbox {
  return {
    ...answer,
    createdAt: new Date(answer.createdAt),
    idleTimeoutMinutes: answer.idleTimeoutMinutes ?? null,
  };
}

function notStarted(how: string): CutoverError {
  return new CutoverError({
    code: "SANDBOX_NOT_STARTED",
    message: `Railway accepted a new sandbox, but it ${how}. Nothing was begun on the databases.`,
    remedy: "Run the same command again, with `--in service` if it stays so.",
  });
}

function notPrivate({ id, networkIsolation }: Sandbox): CutoverError {
  return new CutoverError({
    code: "SANDBOX_NOT_PRIVATE",
    message: `The sandbox ${id} was asked for in the private network and is ${networkIsolation}. Nothing was begun on the databases.`,
    remedy:
      "Run with `--in service`, or ask Railway why sandboxes do not join the environment's private network.",
  });
}

function sandboxGone(id: string, cause?: unknown): CutoverError {
  return new CutoverError({
    code: "SANDBOX_GONE",
    message: `The sandbox ${id} is gone: it was destroyed, or was idle for longer than its limit. What ran in it has ended as if it were killed.`,
    remedy:
      "Run the same command again: the cutover goes on, or puts back what was begun. docs/remote.md says what an interruption leaves.",
    cause,
  });
}

function commandTimeout(id: string, seconds: number): CutoverError {
  return new CutoverError({
    code: "SANDBOX_COMMAND_TIMEOUT",
    message: `A short command in the sandbox ${id} did not end within ${seconds} s.`,
    remedy: "Run the same command again; if it stays so, `--stop` removes the sandbox.",
  });
}

/** Whether a failure says nothing about what happened inside: the next look will tell. */
export function isLostContact(error: unknown): boolean {
  return isUncertain(error) || isOutage(error) || hasCode(error, "SANDBOX_COMMAND_TIMEOUT");
}
