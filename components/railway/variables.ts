import { z } from "zod";
import { CutoverError, hasCode } from "../errors.ts";
import { variableMapAnswer } from "./answers.ts";
import { applyAndConfirm } from "./confirmed-mutation.ts";
import type { RailwayContext } from "./context.ts";
import type { EnvironmentScope } from "./environment.ts";
import * as operations from "./operations.ts";
import { collectPages, pageSize } from "./paging.ts";
import { lookIntoServices } from "./present.ts";
import { normaliseReference } from "./references.ts";
import { listing } from "./services.ts";
import type { Operation } from "./transport.ts";

/** Everything about a variable but its value. */
export interface VariableRecord {
  readonly name: string;
  /** `null`: shared by the whole environment. */
  readonly serviceId: string | null;
  readonly isSealed: boolean;
  /** What it refers to, as Railway lists it. */
  readonly references: readonly string[];
  readonly updatedAt: Date;
}

/** Every variable of every service of the environment, and the shared ones. */
export async function readVariableRecords(
  { transport }: RailwayContext,
  { environmentId, projectId }: EnvironmentScope,
): Promise<VariableRecord[]> {
  const records = await collectPages(operations.environmentVariables.name, async (after) => {
    const page = { environmentId, projectId, first: pageSize, after };
    const answer = await transport.request(operations.environmentVariables, page);
    return answer.environment.variables;
  });
  return records.map((record) => ({
    ...record,
    serviceId: record.serviceId ?? null,
    updatedAt: new Date(record.updatedAt),
  }));
}

/**
 * The stored texts with their references, of a service or (`null`) the shared ones. `null` values are sealed.
 *
 * @throws CutoverError those of the transport
 */
export async function readRawVariables(
  { transport }: RailwayContext,
  { environmentId, projectId }: EnvironmentScope,
  serviceId: string | null,
): Promise<ReadonlyMap<string, string | null>> {
  const { variables } = await transport.request(operations.rawVariables, {
    projectId,
    environmentId,
    serviceId,
  });
  return remembered(variables, transport);
}

/**
 * The same for many services, few requests in all: one alias each. One that was deleted since it was listed is left out.
 *
 * @returns by service id
 */
export function readRawVariablesOf(
  context: RailwayContext,
  scope: EnvironmentScope,
  serviceIds: readonly string[],
): Promise<ReadonlyMap<string, ReadonlyMap<string, string | null>>> {
  const services = serviceIds.map((id) => ({ id }));
  return lookIntoServices(listing(context), scope, services, (present) =>
    readInBatches(
      context,
      scope,
      present.map(({ id }) => id),
    ),
  );
}

async function readInBatches(
  { transport }: RailwayContext,
  { environmentId, projectId }: EnvironmentScope,
  serviceIds: readonly string[],
): Promise<ReadonlyMap<string, ReadonlyMap<string, string | null>>> {
  const batches = Array.from({ length: Math.ceil(serviceIds.length / servicesInBatch) }, (_, index) =>
    serviceIds.slice(index * servicesInBatch, (index + 1) * servicesInBatch),
  );
  const answers = await Promise.all(
    batches.map(async (batch) => {
      const aliased = Object.fromEntries(batch.map((id, index) => [`s${index}`, id]));
      const answer = await transport.request(aliasedVariables(Object.keys(aliased)), {
        projectId,
        environmentId,
        ...aliased,
      });
      return Object.entries(answer).map(
        ([alias, variables]) => [aliased[alias] ?? alias, remembered(variables, transport)] as const,
      );
    }),
  );
  return new Map(answers.flat());
}

const servicesInBatch = 20;

/** `rawVariables` once for each alias, which is also the name of the parameter with the service's id. */
function aliasedVariables(
  aliases: readonly string[],
): Operation<Record<string, Record<string, string | null>>> {
  const name = "CutoverRawVariablesOf";
  const parameters = aliases.map((alias) => `$${alias}: String!`).join(", ");
  const fields = aliases.map(
    (alias) =>
      `${alias}: variables(projectId: $projectId, environmentId: $environmentId, serviceId: $${alias}, unrendered: true)`,
  );
  const document = `query ${name}($projectId: String!, $environmentId: String!, ${parameters}) { ${fields.join(" ")} }`;
  return { kind: "query", name, document, answer: z.record(z.string(), variableMapAnswer) };
}

/** What the next deployment of a service will be given, with the variables Railway adds. */
export async function readRenderedVariables(
  { transport }: RailwayContext,
  { environmentId, projectId }: EnvironmentScope,
  serviceId: string,
): Promise<ReadonlyMap<string, string | null>> {
  const scope = { projectId, environmentId, serviceId };
  const answer = await transport.request(operations.renderedVariables, scope);
  return remembered(answer.variablesForServiceDeployment, transport);
}

/** A service's variables as they are stored, and as its next deployment will be given them. */
export interface ServiceVariables {
  readonly raw: ReadonlyMap<string, string | null>;
  readonly rendered: ReadonlyMap<string, string | null>;
}

/** The same as `readRawVariables` and `readRenderedVariables`, in one request. */
export async function readServiceVariables(
  { transport }: RailwayContext,
  { environmentId, projectId }: EnvironmentScope,
  serviceId: string,
): Promise<ServiceVariables> {
  const scope = { projectId, environmentId, serviceId };
  const answer = await transport.request(operations.serviceVariables, scope);
  return {
    raw: remembered(answer.variables, transport),
    rendered: remembered(answer.variablesForServiceDeployment, transport),
  };
}

/**
 * Stores the text of a variable without deploying anything, and reads until it is there.
 *
 * @throws CutoverError `VARIABLE_NOT_APPLIED`, and those of the transport
 */
export async function setVariable(
  context: RailwayContext,
  scope: EnvironmentScope,
  serviceId: string,
  name: string,
  value: string,
): Promise<void> {
  const { projectId, environmentId } = scope;
  const input = { projectId, environmentId, serviceId, name, value, skipDeploys: true };
  let sealed = false;
  const applied = await applyAndConfirm(context, {
    name: `set ${name}`,
    apply: () => context.transport.request(operations.variableUpsert, { input }),
    observe: async () => {
      const stored = (await readRawVariables(context, scope, serviceId)).get(name);
      sealed = stored === null;
      if (stored === undefined || stored === null) return undefined;
      return normaliseReference(stored) === normaliseReference(value) ? true : undefined;
    },
  });
  if (applied === undefined) throw notAppliedError(name, sealed);
}

/**
 * Removes a variable and reads until it is gone. Sends nothing when it is gone already: the mutation cannot be told
 * to skip deployments, so it may cause one.
 *
 * @throws CutoverError `VARIABLE_NOT_APPLIED`, and those of the transport
 */
export async function deleteVariable(
  context: RailwayContext,
  scope: EnvironmentScope,
  serviceId: string,
  name: string,
): Promise<void> {
  const observe = async () =>
    (await readRawVariables(context, scope, serviceId)).has(name) ? undefined : true;
  if (await observe()) return;
  const { projectId, environmentId } = scope;
  const input = { projectId, environmentId, serviceId, name };
  const gone = await applyAndConfirm(context, {
    name: `delete ${name}`,
    apply: async () => {
      try {
        await context.transport.request(operations.variableDelete, { input });
      } catch (error) {
        if (!hasCode(error, "RAILWAY_NOT_FOUND")) throw error;
      }
    },
    observe,
  });
  if (gone === undefined) throw notAppliedError(name, false);
}

function remembered(
  variables: Readonly<Record<string, string | null>>,
  { redactor }: RailwayContext["transport"],
): ReadonlyMap<string, string | null> {
  for (const value of Object.values(variables)) if (value !== null) redactor.learn(value);
  return new Map(Object.entries(variables));
}

function notAppliedError(name: string, sealed: boolean): CutoverError {
  return new CutoverError({
    code: "VARIABLE_NOT_APPLIED",
    message: sealed
      ? `The variable ${name} is sealed, so that the new value cannot be read back.`
      : `Railway accepted the change of the variable ${name}, but reading it back does not show it.`,
    remedy: sealed
      ? "Delete the sealed variable in Railway's dashboard and create it again unsealed, with its present value."
      : "Look at the variable in Railway's dashboard (somebody else may be changing it), then run the same command again.",
  });
}
