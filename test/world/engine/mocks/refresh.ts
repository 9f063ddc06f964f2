import type { EngineStep } from "../engine.ts";
import { describeStep } from "./display.ts";
import type { FindProvider } from "./providers.ts";
import { markSecrets, type Properties, reveal } from "./secrets.ts";
import { type ResourceState, type StackState, writeState } from "./state.ts";

/**
 * Reads every resource of the state again. As in the engine a difference is one only if `diff` says so; what was read
 * is saved either way, unless `previewOnly`.
 */
export async function refreshState(options: {
  readonly previewOnly: boolean;
  readonly state: StackState;
  readonly stateFile: string;
  readonly findProvider: FindProvider;
}): Promise<EngineStep[]> {
  const { previewOnly, state, stateFile, findProvider } = options;
  const steps: EngineStep[] = [];
  const kept: ResourceState[] = [];
  for (const resource of state.resources) {
    const { operation, refreshed } = await readResource(resource, findProvider);
    steps.push({ operation, type: resource.type, name: resource.name });
    if (operation !== "same") {
      const phase = previewOnly ? operation : `${operation}d`;
      console.log(describeStep(operation, resource.type, resource.name, phase));
    }
    if (refreshed !== undefined) kept.push(refreshed);
  }
  if (!previewOnly) writeState(stateFile, { ...state, resources: kept });
  return steps;
}

async function readResource(
  resource: ResourceState,
  findProvider: FindProvider,
): Promise<{ operation: "same" | "update" | "delete"; refreshed: ResourceState | undefined }> {
  if (!resource.custom) return { operation: "same", refreshed: resource };
  const known: Properties = reveal(resource.outputs);
  const provider = await findProvider(resource.type, known);
  const live = (await provider.read?.(resource.id, known)) ?? { id: resource.id, props: known };
  if (live.id === undefined || live.id === "") return { operation: "delete", refreshed: undefined };
  const properties: Properties = { ...live.props };
  if (known.__provider !== undefined) properties.__provider = known.__provider;
  const inputs = live.inputs === undefined ? resource.inputs : markSecrets(resource.inputs, live.inputs);
  const diff = (await provider.diff?.(live.id, properties, reveal(inputs))) ?? {};
  return {
    operation: diff.changes === true ? "update" : "same",
    refreshed: {
      ...resource,
      inputs: inputs as Properties,
      outputs: markSecrets(resource.outputs, properties) as Properties,
      initErrors: [],
    },
  };
}
