import { pathToFileURL } from "node:url";
import * as pulumi from "@pulumi/pulumi";
import type {
  RegisterResourceOutputsRequest,
  RegisterResourceRequest,
} from "@pulumi/pulumi/proto/resource_pb.js";
import type { ProgramRun, ProgramSetting } from "./run-program.ts";

/**
 * Runs the project's program once under Pulumi's testing mocks and reports the raw requests that it sent to the engine:
 * dependencies, protection and secret outputs are not among what the mocks themselves hand over. A process of its own,
 * because the program and the SDK keep their state in modules.
 */
process.once("message", async (setting: ProgramSetting) => {
  const run = await runProgram(setting);
  process.send?.(run, () => process.exit(0));
});

async function runProgram({ config, secretKeys, preview, main }: ProgramSetting): Promise<ProgramRun> {
  await pulumi.runtime.setMocks(
    { newResource: answer, call: ({ token }) => Promise.reject(new Error(`unexpected call of ${token}`)) },
    "railway-pgvector-cutover",
    "prod",
    preview,
    "organization",
  );
  pulumi.runtime.setAllConfig(config, secretKeys);
  const monitor = pulumi.runtime.getMonitor() as unknown as MockMonitor;
  const resources: ProgramRun["resources"][number][] = [];
  let outputs: Record<string, unknown> = {};

  const registerResource = monitor.registerResource.bind(monitor);
  monitor.registerResource = (request, done) => {
    if (request.getType() !== "pulumi:pulumi:Stack") resources.push(describe(request));
    registerResource(request, done);
  };
  monitor.registerResourceOutputs = (request, done) => {
    if (request.getUrn().includes("::pulumi:pulumi:Stack::")) {
      outputs = request.getOutputs()?.toJavaScript() ?? {};
    }
    done(null, {});
  };
  try {
    await pulumi.runtime.runInPulumiStack(async () => {
      const loaded = await import(pathToFileURL(main).href);
      return "default" in loaded ? loaded.default : { ...loaded };
    });
    await pulumi.runtime.disconnect();
    return { resources, outputs, error: undefined };
  } catch (error) {
    return { resources, outputs, error: error instanceof Error ? error.message : String(error) };
  }
}

interface MockMonitor {
  registerResource(request: RegisterResourceRequest, done: unknown): void;
  registerResourceOutputs(
    request: RegisterResourceOutputsRequest,
    done: (error: unknown, response: unknown) => void,
  ): void;
}

function describe(request: RegisterResourceRequest): ProgramRun["resources"][number] {
  const { __provider: provider, ...inputs } = request.getObject()?.toJavaScript() ?? {};
  return {
    type: request.getType(),
    name: request.getName(),
    inputs,
    provider: typeof provider === "string" ? provider : undefined,
    dependencies: request.getDependenciesList().map(nameOf).sort(),
    parent: nameOf(request.getParent()),
    isProtected: request.getProtect() ?? false,
    secretOutputs: request.getAdditionalsecretoutputsList(),
  };
}

function nameOf(urn: string): string {
  return urn.split("::").slice(3).join("::");
}

/** What the resources answer, shaped as their providers do. */
async function answer({ type, name, inputs }: pulumi.runtime.MockResourceArgs) {
  return { id: `id-of-${name}`, state: { ...inputs, ...answers[type] } };
}

const facts = {
  image: "pgvector/pgvector:pg17",
  volumeId: "volume",
  volumeMountPath: "/var/lib/postgresql/data",
};
const answers: Record<string, object> = {
  "pulumi-nodejs:dynamic/railway:PostgresService": {
    serviceId: "service",
    observed: facts,
    adopted: facts,
    retirement: { state: "running", evidence: [] },
  },
  "pulumi-nodejs:dynamic/railway:DataMigration": {
    migrationId: "5b9f9f1e-migration",
    verdict: "green",
    promotedAt: "2026-11-20T03:04:05.000Z",
    writePauseMs: 4_200,
    tables: 48,
    rows: 200_000,
  },
  "pulumi-nodejs:dynamic/railway:AppServiceVariables": {
    observed: {
      serviceId: "app",
      variables: { DATABASE_URL: "${{pgvector.DATABASE_URL}}" },
      deployed: true,
      deploymentId: "deployment",
    },
  },
  "command:local:Command": { stdout: "", stderr: "" },
};
