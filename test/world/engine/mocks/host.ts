import { readFileSync, writeFileSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import type { EngineStep } from "../engine.ts";
import { type Deployment, startDeployment } from "./deployment.ts";
import { describeOutputs, maskOutputs } from "./display.ts";
import { runProgram } from "./program.ts";
import { type Project, readProject } from "./project.ts";
import { providerFinder } from "./providers.ts";
import { refreshState } from "./refresh.ts";
import { readState, type StackState, writeState } from "./state.ts";

/** What one run of this process is to do; the path of the file that holds it is the only parameter. */
export interface HostRequest {
  readonly operation: "preview" | "up" | "refresh" | "destroy";
  readonly projectDirectory: string;
  readonly stack: string;
  readonly config: Record<string, unknown>;
  readonly stateFile: string;
  /** Where the steps are written. */
  readonly stepsFile: string;
  readonly previewOnly: boolean;
  /** Destroys what is protected too. */
  readonly ignoreProtect: boolean;
}

const failed = 1;

const titles: Record<HostRequest["operation"], string> = {
  preview: "Previewing update",
  up: "Updating",
  refresh: "Refreshing",
  destroy: "Destroying",
};

const request: HostRequest = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8"));
const { exitCode, steps } = await perform(request);
writeFileSync(request.stepsFile, JSON.stringify(steps));
// Registrations that are never answered keep nothing alive, but a provider's open connection might.
process.exit(exitCode);

async function perform(request: HostRequest): Promise<{ exitCode: number; steps: EngineStep[] }> {
  const state = readState(request.stateFile);
  const project = readProject(request.projectDirectory, request.stack, request.config);
  console.log(`${titles[request.operation]} (${request.stack}):`);
  switch (request.operation) {
    case "refresh": {
      const steps = await refreshState({
        ...request,
        state,
        findProvider: providerFinder(project.name, state.config),
      });
      return { exitCode: 0, steps };
    }
    case "destroy": {
      if (request.ignoreProtect) {
        state.resources = state.resources.map((resource) => ({ ...resource, protect: false }));
      }
      const deployment = startDeployment({
        preview: false,
        state,
        stateFile: request.stateFile,
        findProvider: providerFinder(project.name, state.config),
      });
      await Promise.race([deployment.deleteRemaining(), deployment.failed]);
      return conclude(deployment);
    }
    case "preview":
    case "up":
      return deploy(request, project, state);
  }
}

async function deploy(
  request: HostRequest,
  project: Project,
  state: StackState,
): Promise<{ exitCode: number; steps: EngineStep[] }> {
  if (project.problems.length > 0) {
    for (const problem of project.problems) console.error(`error: ${problem}`);
    return { exitCode: failed, steps: [] };
  }
  const preview = request.operation === "preview";
  if (!preview) state.config = project.config;
  const deployment = startDeployment({
    preview,
    state,
    stateFile: request.stateFile,
    findProvider: providerFinder(project.name, project.config),
  });
  const program = runProgram({ ...request, project, preview, register: deployment.register });
  const run = Promise.race([program, uncaughtFailure()]).then(async (outputs) => {
    await deployment.deleteRemaining();
    return outputs;
  });
  try {
    const outputs = await Promise.race([run, deployment.failed]);
    if (outputs !== undefined && deployment.errors.length === 0) {
      console.log(describeOutputs(maskOutputs(outputs)));
      if (!preview) writeState(request.stateFile, { ...state, outputs });
    }
  } catch (error) {
    console.error(`error: ${describeProgramFailure(error)}`);
    return { exitCode: failed, steps: deployment.steps };
  }
  return conclude(deployment);
}

function conclude({ steps, errors }: Deployment): { exitCode: number; steps: EngineStep[] } {
  const counts = Object.entries(Object.groupBy(steps, ({ operation }) => operation));
  const summary = counts.map(([operation, some]) => `${some.length} ${operation}`).join(", ");
  console.log(`Resources: ${summary || "none"}${errors.length > 0 ? `; ${errors.length} failed` : ""}`);
  return { exitCode: errors.length > 0 ? failed : 0, steps };
}

/** Errors outside of any promise that is awaited end a program for Pulumi too. */
function uncaughtFailure(): Promise<never> {
  return new Promise((_resolve, reject) => {
    process.on("uncaughtException", reject);
    process.on("unhandledRejection", reject);
  });
}

function describeProgramFailure(error: unknown): string {
  if (pulumi.RunError.isInstance(error)) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
