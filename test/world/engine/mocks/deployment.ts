import type { EngineStep, StepOperation } from "../engine.ts";
import { describeStep } from "./display.ts";
import type { FindProvider } from "./providers.ts";
import { applyStep, planStep, type Registration, StepFailure } from "./reconcile.ts";
import { type Properties, reveal } from "./secrets.ts";
import { type ResourceState, type StackState, writeState } from "./state.ts";

export interface Deployment {
  readonly steps: EngineStep[];
  readonly errors: string[];
  /** Resolves once a step has failed and none is under way any more. */
  readonly failed: Promise<void>;
  /** Brings one resource about. Never settles once a step has failed: the program must not go on. */
  register(registration: Registration): Promise<{ id: string | undefined; outputs: Properties }>;
  /** Deletes what the program no longer asks for, and what was replaced. */
  deleteRemaining(): Promise<void>;
}

/** One `preview` or `up`, or with no registrations at all one `destroy`. */
export function startDeployment(options: {
  readonly preview: boolean;
  readonly state: StackState;
  readonly stateFile: string;
  readonly findProvider: FindProvider;
}): Deployment {
  const { preview, state, stateFile, findProvider } = options;
  const steps: EngineStep[] = [];
  const errors: string[] = [];
  const registered = new Set<string>();
  const replaced: ResourceState[] = [];
  const failure = Promise.withResolvers<void>();
  let underWay = 0;

  function report(
    operation: StepOperation,
    resource: { type: string; name: string },
    changed?: readonly string[],
  ): void {
    steps.push({ operation, type: resource.type, name: resource.name });
    if (operation !== "same") show(operation, resource, preview ? operation : started[operation], changed);
  }

  function save(resource: ResourceState): void {
    const index = state.resources.findIndex(({ urn }) => urn === resource.urn);
    if (index === -1) state.resources.push(resource);
    else state.resources[index] = resource;
    writeState(stateFile, state);
  }

  function forget(resource: ResourceState): void {
    state.resources = state.resources.filter((kept) => kept !== resource);
    writeState(stateFile, state);
  }

  async function remove(resource: ResourceState): Promise<void> {
    report("delete", resource);
    if (resource.protect) {
      throw new StepFailure(
        `resource "${resource.urn}" cannot be deleted because it is protected. To unprotect the resource, remove the \`protect\` flag from the resource in your Pulumi program and run \`pulumi up\``,
      );
    }
    if (preview) return;
    if (resource.custom) {
      const provider = await findProvider(resource.type, reveal(resource.outputs));
      await provider.delete?.(resource.id, reveal(resource.outputs));
    }
    forget(resource);
    show("delete", resource, "deleted");
  }

  async function reconcile(
    registration: Registration,
  ): Promise<{ id: string | undefined; outputs: Properties }> {
    const old = state.resources.find(({ urn }) => urn === registration.urn);
    if (!registration.custom) {
      report(old === undefined ? "create" : "same", registration);
      if (!preview) save({ ...registration, id: "", outputs: {}, initErrors: [] });
      return { id: undefined, outputs: {} };
    }
    const provider = await findProvider(registration.type, reveal(registration.inputs));
    const step = await planStep(provider, registration, old);
    report(step.operation, registration, "changed" in step ? step.changed : []);
    if (preview) {
      const kept = step.operation === "update" || step.operation === "same" ? step.old.id : undefined;
      return { id: kept, outputs: step.operation === "same" ? step.old.outputs : step.inputs };
    }
    if (step.operation === "replace" && step.deleteFirst) await remove(step.old);
    const resource = await applyStep(provider, registration, step);
    save(resource);
    if (step.operation === "replace" && !step.deleteFirst) replaced.push(step.old);
    if (step.operation !== "same") show(step.operation, registration, finished[step.operation]);
    return { id: resource.id, outputs: resource.outputs };
  }

  /** Runs one piece of work; the first failure ends the deployment as soon as the others under way are through. */
  async function guard<Result>(subject: string, work: () => Promise<Result>): Promise<Result> {
    if (errors.length > 0) return new Promise(() => {});
    underWay++;
    try {
      return await work();
    } catch (error) {
      if (error instanceof StepFailure && error.partial !== undefined) save(error.partial);
      const message = error instanceof Error ? error.message : String(error);
      errors.push(`${subject}: ${message}`);
      console.error(`error: ${subject}: ${message}`);
      return new Promise(() => {});
    } finally {
      underWay--;
      if (errors.length > 0 && underWay === 0) failure.resolve();
    }
  }

  return {
    steps,
    errors,
    failed: failure.promise,
    register(registration) {
      return guard(`${registration.type} (${registration.name})`, () => {
        if (registered.has(registration.urn)) throw new StepFailure("there are two resources of this name");
        registered.add(registration.urn);
        return reconcile(registration);
      });
    },
    async deleteRemaining() {
      const surplus = state.resources.filter(({ urn }) => !registered.has(urn)).reverse();
      for (const resource of surplus) {
        await guard(`${resource.type} (${resource.name})`, () => remove(resource));
      }
      for (const resource of replaced) {
        await guard(`${resource.type} (${resource.name})`, async () => {
          const provider = await findProvider(resource.type, reveal(resource.outputs));
          await provider.delete?.(resource.id, reveal(resource.outputs));
        });
      }
    },
  };
}

const started: Record<StepOperation, string> = {
  create: "creating",
  update: "updating",
  replace: "replacing",
  delete: "deleting",
  same: "",
  read: "reading",
  refresh: "refreshing",
};

const finished = { create: "created", update: "updated", replace: "replaced" } as const;

function show(
  operation: StepOperation,
  { type, name }: { type: string; name: string },
  phase: string,
  changed?: readonly string[],
): void {
  console.log(describeStep(operation, type, name, phase, changed));
}
