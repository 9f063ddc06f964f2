import { isDeepStrictEqual } from "node:util";
import type { dynamic } from "@pulumi/pulumi";
import { describeDifferences } from "./display.ts";
import { markSecrets, type Properties, reveal } from "./secrets.ts";
import type { ResourceState } from "./state.ts";

/** What the program asks for: one resource, its inputs with secrets wrapped and unknown values in place. */
export interface Registration {
  readonly urn: string;
  readonly type: string;
  readonly name: string;
  readonly custom: boolean;
  readonly protect: boolean;
  readonly inputs: Properties;
  readonly additionalSecretOutputs: readonly string[];
}

/** What to do about one resource, decided before anything is done. */
export type Step =
  | { readonly operation: "create"; readonly inputs: Properties }
  | { readonly operation: "same"; readonly inputs: Properties; readonly old: ResourceState }
  | {
      readonly operation: "update";
      readonly inputs: Properties;
      readonly old: ResourceState;
      readonly changed: readonly string[];
    }
  | {
      readonly operation: "replace";
      readonly inputs: Properties;
      readonly old: ResourceState;
      readonly changed: readonly string[];
      readonly deleteFirst: boolean;
    };

/** A resource that could not be brought to what the program asks for; `partial` is what there is of it. */
export class StepFailure extends Error {
  readonly partial: ResourceState | undefined;

  constructor(message: string, partial?: ResourceState) {
    super(message);
    this.name = "StepFailure";
    this.partial = partial;
  }
}

/** Asks the provider's `check` and `diff`, as the engine does in previews and in earnest alike. */
export async function planStep(
  provider: dynamic.ResourceProvider,
  registration: Registration,
  old: ResourceState | undefined,
): Promise<Step> {
  const news = reveal(registration.inputs);
  const checked = (await provider.check?.(reveal(old?.inputs ?? {}), news)) ?? {};
  const [failure] = checked.failures ?? [];
  if (failure !== undefined) {
    const problems = (checked.failures ?? []).map(
      ({ property, reason }) => `property ${property} has a problem: ${reason}`,
    );
    throw new StepFailure(`${registration.type} resource '${registration.name}': ${problems.join("; ")}`);
  }
  const plain: Properties = { ...(checked.inputs ?? news) };
  if (news.__provider !== undefined) plain.__provider = news.__provider;
  const inputs = markSecrets(registration.inputs, plain) as Properties;
  if (old === undefined) return { operation: "create", inputs };

  const diff = (await provider.diff?.(old.id, reveal(old.outputs), plain)) ?? {};
  const changed = describeDifferences(reveal(old.inputs), plain);
  if (diff.replaces !== undefined && diff.replaces.length > 0) {
    if (old.protect) {
      throw new StepFailure(
        `unable to replace resource "${old.urn}" as it is currently marked for protection`,
      );
    }
    return { operation: "replace", inputs, old, changed, deleteFirst: diff.deleteBeforeReplace ?? false };
  }
  const changes = diff.changes ?? !isDeepStrictEqual(plain, reveal(old.inputs));
  return changes || old.initErrors.length > 0
    ? { operation: "update", inputs, old, changed }
    : { operation: "same", inputs, old };
}

/** Does what was planned, but for the deletion of what is replaced. */
export async function applyStep(
  provider: dynamic.ResourceProvider,
  registration: Registration,
  step: Step,
): Promise<ResourceState> {
  const { urn, type, name, custom, protect, additionalSecretOutputs } = registration;
  const { inputs } = step;
  const plain = reveal(inputs);
  const resource = { urn, type, name, custom, protect, inputs, initErrors: [] };
  const carry = (outputs: Properties | undefined): Properties =>
    markSecrets(
      inputs,
      plain.__provider === undefined ? { ...outputs } : { ...outputs, __provider: plain.__provider },
      additionalSecretOutputs,
    ) as Properties;
  try {
    switch (step.operation) {
      case "same":
        return { ...resource, id: step.old.id, outputs: step.old.outputs };
      case "update": {
        const result = await provider.update?.(step.old.id, reveal(step.old.outputs), plain);
        return { ...resource, id: step.old.id, outputs: jsonOnly(carry(result?.outs)) };
      }
      case "create":
      case "replace": {
        const { id, outs } = await provider.create(plain);
        return { ...resource, id, outputs: jsonOnly(carry(outs)) };
      }
    }
  } catch (error) {
    throw toStepFailure(error, (id, properties, initErrors) => ({
      ...resource,
      // A failed update keeps the inputs that the resource has been brought to before.
      inputs: step.operation === "update" ? step.old.inputs : inputs,
      id,
      outputs: jsonOnly(markSecrets(inputs, properties, additionalSecretOutputs) as Properties),
      initErrors,
    }));
  }
}

function toStepFailure(
  error: unknown,
  keep: (id: string, properties: Properties, reasons: readonly string[]) => ResourceState,
): StepFailure {
  const { id, properties, reasons, message } = error as {
    id?: string;
    properties?: Properties;
    reasons?: string[];
    message?: string;
  };
  if (id === undefined) return new StepFailure(message ?? String(error));
  const initErrors = reasons === undefined || reasons.length === 0 ? ["resource init failed"] : reasons;
  return new StepFailure(initErrors.join("\n"), keep(id, properties ?? {}, initErrors));
}

/** Refuses what Pulumi's wire format refuses, at the same moment: when the work is already done. */
function jsonOnly(value: Properties): Properties {
  const seen = JSON.stringify(value, (_key, item) => {
    if (item === undefined || typeof item === "bigint") throw new StepFailure("Unexpected struct type.");
    return item;
  });
  return JSON.parse(seen);
}
