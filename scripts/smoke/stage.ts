import { CutoverError } from "../../components/errors.ts";
import type { RailwayContext } from "../../components/railway/context.ts";
import { createContext } from "../../components/railway/context.ts";
import { type Deployment, listDeployments } from "../../components/railway/deployments.ts";
import type { EnvironmentScope } from "../../components/railway/environment.ts";
import * as product from "../../components/railway/operations.ts";
import { createRailway, type Railway, type RailwayOptions } from "../../components/railway/railway.ts";
import { readInventory } from "../../components/railway/services.ts";
import type { RailwayToken } from "../../components/railway/token.ts";
import { createTransport, type Transport } from "../../components/railway/transport.ts";
import { readRawVariables, readRenderedVariables } from "../../components/railway/variables.ts";
import type { Life } from "./life.ts";
import { NoAnswer, type Plan } from "./question.ts";

/** How Railway is talked to; the same for both tokens. */
export interface Access {
  readonly endpoint: string;
  readonly pollIntervalMs: number;
  readonly settleTimeoutMs?: number | undefined;
  /** The longest wait for the token's request limit; default: the program's own. */
  readonly longestRateLimitWaitMs?: number | undefined;
  readonly log: (line: string) => void;
}

/** What the steps and the questions of one run share. */
export interface Stage {
  readonly access: Access;
  readonly token: RailwayToken;
  /** The wide token's client. Lets through only what the present step announces, and nothing for another project. */
  readonly context: RailwayContext;
  readonly scope: EnvironmentScope;
  /** The client of the project token that the run made, under the same guard. */
  readonly projectContext: RailwayContext;
  readonly projectToken: RailwayToken;
  /** Ids of the services that the run made, by name. */
  readonly services: Map<string, string>;
  /** Origins of the services' public domains, by name. */
  readonly origins: Map<string, string>;
  /** The program itself, as an operator runs it. There once the whole project is. */
  life?: Life;
}

/** Refuses every mutation that is not announced, or that is for another project than the run's own. */
export class Guard {
  #allowed: ReadonlySet<string> = new Set();
  #step = "before the first step";
  readonly #onEnter: (step: string) => void;
  #projectId: string | undefined;
  #environmentId: string | undefined;

  constructor(onEnter: (step: string) => void = () => {}) {
    this.#onEnter = onEnter;
  }

  enter(step: string, { sends }: Pick<Plan, "sends">): void {
    this.#onEnter(step);
    this.#step = step;
    this.#allowed = new Set(sends.map(({ operation }) => operation.name));
  }

  bind(projectId: string, environmentId?: string): void {
    this.#projectId = projectId;
    this.#environmentId = environmentId;
  }

  /** @throws CutoverError `SMOKE_CALL_REFUSED` */
  check(name: string, variables: unknown): void {
    if (!this.#allowed.has(name)) throw callRefused(name, `the step "${this.#step}" does not announce it`);
    for (const [key, value] of idsIn(variables)) {
      const own = key === "projectId" ? this.#projectId : this.#environmentId;
      if (own !== undefined && value !== own)
        throw callRefused(name, `its ${key} is not that of the run's own project`);
    }
  }
}

/** A client whose mutations pass the guard. */
export function guardedContext(token: RailwayToken, access: Access, guard: Guard): RailwayContext {
  const { endpoint, pollIntervalMs, settleTimeoutMs, longestRateLimitWaitMs, log } = access;
  const limits = longestRateLimitWaitMs === undefined ? {} : { longestRateLimitWaitMs };
  const inner = createTransport({ token, endpoint, limits, log });
  const transport: Transport = {
    ...inner,
    request: async (operation, variables, signal) => {
      if (operation.kind === "mutation") guard.check(operation.name, variables);
      return inner.request(operation, variables, signal);
    },
  };
  return createContext({ transport, pollIntervalMs, settleTimeoutMs, log });
}

/** The program's own client, for its functions that take one. */
export function programClient(token: RailwayToken, access: Access): Railway {
  const options: RailwayOptions = { token, ...access };
  return createRailway(options);
}

export function idOf(stage: Stage, service: string): string {
  const id = stage.services.get(service);
  if (id === undefined) throw new NoAnswer(`the run made no service ${service}`);
  return id;
}

/** Sets a variable as any client of Railway would: at once. */
export async function upsert(
  stage: Stage,
  service: string,
  name: string,
  value: string,
  skipDeploys: boolean,
): Promise<void> {
  const { projectId, environmentId } = stage.scope;
  const input = { projectId, environmentId, serviceId: idOf(stage, service), name, value, skipDeploys };
  await stage.context.transport.request(product.variableUpsert, { input });
}

/** The stored text of a variable: `null` where it is sealed, `undefined` where there is none. */
export async function rawOf(stage: Stage, service: string, name: string): Promise<string | null | undefined> {
  return (await readRawVariables(stage.context, stage.scope, idOf(stage, service))).get(name);
}

/** What the next deployment would be given. */
export async function renderedOf(
  stage: Stage,
  service: string,
  name: string,
): Promise<string | null | undefined> {
  return (await readRenderedVariables(stage.context, stage.scope, idOf(stage, service))).get(name);
}

/** Waits until a variable's stored text is this one. */
export async function awaitRaw(stage: Stage, service: string, name: string, value: string): Promise<void> {
  const seen = await stage.context.settle(async () =>
    (await rawOf(stage, service, name)) === value ? true : undefined,
  );
  if (seen === undefined) throw new NoAnswer(`${name} of ${service} did not show in Railway's reads`);
}

export async function deploymentIds(stage: Stage, service: string): Promise<ReadonlySet<string>> {
  return new Set((await recentDeployments(stage, service)).map(({ id }) => id));
}

/** A deployment that was not there before, or `undefined` when none shows for as long as reads may lag. */
export async function newDeployment(
  stage: Stage,
  service: string,
  known: ReadonlySet<string>,
): Promise<Deployment | undefined> {
  return stage.context.settle(async () =>
    (await recentDeployments(stage, service)).find(({ id }) => !known.has(id)),
  );
}

export async function recentDeployments(stage: Stage, service: string): Promise<readonly Deployment[]> {
  return listDeployments(stage.context, stage.scope, idOf(stage, service), 20);
}

export async function volumesOf(stage: Stage) {
  return (await readInventory(stage.context, stage.scope)).volumes;
}

/** Where two answers are possible. */
export function either(condition: boolean, yes: string, no: string): string {
  return condition ? yes : no;
}

/** The code of what a request was refused with, or `yes` when it was not. */
export async function refusalOf(request: () => Promise<unknown>, yes: string): Promise<string> {
  try {
    await request();
    return yes;
  } catch (error) {
    if (error instanceof CutoverError && refusals.has(error.code)) return `refused: ${error.code}`;
    throw error;
  }
}

/** What says something about Railway; anything else is an outage. */
const refusals = new Set([
  "RAILWAY_NOT_AUTHORIZED",
  "RAILWAY_NOT_FOUND",
  "RAILWAY_SCHEMA_CHANGED",
  "RAILWAY_REQUEST_FAILED",
]);

function* idsIn(value: unknown): Generator<[key: "projectId" | "environmentId", id: unknown]> {
  if (typeof value !== "object" || value === null) return;
  for (const [key, entry] of Object.entries(value)) {
    if (key === "projectId" || key === "environmentId") yield [key, entry];
    else if (key === "input") yield* idsIn(entry);
  }
}

function callRefused(name: string, why: string): CutoverError {
  return new CutoverError({
    code: "SMOKE_CALL_REFUSED",
    message: `The smoke test did not send ${name}: ${why}.`,
    remedy: "This is a defect of the smoke test; report it. Nothing was sent.",
  });
}
