import { join } from "node:path";
import { pathToFileURL } from "node:url";
import * as pulumi from "@pulumi/pulumi";
import type {
  RegisterResourceOutputsRequest,
  RegisterResourceRequest,
} from "@pulumi/pulumi/proto/resource_pb.js";
import resourceMessages from "@pulumi/pulumi/proto/resource_pb.js";
import type { Struct as StructMessage } from "google-protobuf/google/protobuf/struct_pb.js";
import { sdkRequire } from "../sdk-internals.ts";
import type { Project } from "./project.ts";
import type { Registration } from "./reconcile.ts";
import type { Properties } from "./secrets.ts";

const { Struct }: { Struct: typeof StructMessage } = sdkRequire("google-protobuf/google/protobuf/struct_pb");

const stackType = "pulumi:pulumi:Stack";

/** Answers one registration of the program; without an id its value is unknown to the program. */
export type Register = (
  registration: Registration,
) => Promise<{ id: string | undefined; outputs: Properties }>;

/**
 * Runs a program to its end under Pulumi's testing mocks and returns the stack's outputs, secrets wrapped and unknown
 * values in place. The mocks' own monitor is asked for everything but registrations: it drops unknown values.
 */
export async function runProgram(options: {
  readonly projectDirectory: string;
  readonly project: Project;
  readonly stack: string;
  readonly preview: boolean;
  readonly register: Register;
}): Promise<Properties> {
  const { project, stack, preview, register, projectDirectory } = options;
  await pulumi.runtime.setMocks(
    { newResource: refuseRead, call: refuseInvoke },
    project.name,
    stack,
    preview,
    "organization",
  );
  pulumi.runtime.setAllConfig(project.config);
  const monitor = pulumi.runtime.getMonitor() as unknown as MockMonitor;
  let outputs: Properties = {};

  monitor.registerResource = (request, done) => {
    const registration = readRegistration(request, `urn:pulumi:${stack}::${project.name}`);
    const answer =
      registration.type === stackType
        ? Promise.resolve({ id: undefined, outputs: {} })
        : register(registration);
    answer.then((resource) => done(null, response(registration.urn, resource)), done);
  };
  monitor.registerResourceOutputs = (request, done) => {
    if (request.getUrn().includes(`::${stackType}::`)) outputs = request.getOutputs()?.toJavaScript() ?? {};
    done(null, {});
  };

  await pulumi.runtime.runInPulumiStack(() => loadExports(join(projectDirectory, project.main)));
  await pulumi.runtime.disconnect();
  if (pulumi.log.hasErrors()) throw new pulumi.RunError("the program logged an error");
  return outputs;
}

interface MockMonitor {
  registerResource(
    request: RegisterResourceRequest,
    done: (error: unknown, response?: unknown) => void,
  ): void;
  registerResourceOutputs(
    request: RegisterResourceOutputsRequest,
    done: (error: unknown, response?: unknown) => void,
  ): void;
}

function readRegistration(request: RegisterResourceRequest, prefix: string): Registration {
  const type = request.getType();
  const name = request.getName();
  refuseUnsupported(request, name);
  const parentType = request.getParent().split("::")[2] ?? "";
  const qualifiedType = parentType === "" || parentType === stackType ? type : `${parentType}$${type}`;
  return {
    urn: `${prefix}::${qualifiedType}::${name}`,
    type,
    name,
    custom: request.getCustom(),
    protect: request.getProtect() ?? false,
    inputs: request.getObject()?.toJavaScript() ?? {},
    additionalSecretOutputs: request.getAdditionalsecretoutputsList(),
  };
}

/** An option that this host would silently ignore must not look as if it worked. */
function refuseUnsupported(request: RegisterResourceRequest, name: string): void {
  const hooks = request.getHooks()?.toObject() ?? {};
  const options: Record<string, boolean> = {
    import: request.getImportid() !== "",
    aliases: request.getAliasesList().length > 0 || request.getAliasurnsList().length > 0,
    ignoreChanges: request.getIgnorechangesList().length > 0,
    deletedWith: request.getDeletedwith() !== "",
    retainOnDelete: request.getRetainondelete() ?? false,
    replacementTrigger: request.getReplacementTrigger() !== undefined,
    transforms: request.getTransformsList().length > 0,
    hooks: Object.values(hooks).some((bound) => Array.isArray(bound) && bound.length > 0),
  };
  const unsupported = Object.keys(options).filter((option) => options[option]);
  if (unsupported.length > 0) {
    throw new Error(
      `this host does not know the option ${unsupported.join(", ")} of ${name}: use the Pulumi CLI`,
    );
  }
}

function response(urn: string, { id, outputs }: { id: string | undefined; outputs: Properties }): unknown {
  const message = new resourceMessages.RegisterResourceResponse();
  message.setUrn(urn);
  message.setId(id ?? "");
  message.setObject(Struct.fromJavaScript(outputs as Parameters<typeof Struct.fromJavaScript>[0]));
  return message;
}

async function loadExports(main: string): Promise<pulumi.Inputs> {
  const loaded = await import(pathToFileURL(main).href);
  const exported = "default" in loaded ? loaded.default : { ...loaded };
  return typeof exported === "function" ? exported() : exported;
}

function refuseRead({ type, name }: pulumi.runtime.MockResourceArgs): never {
  throw new Error(`this host cannot read the existing resource ${name} of type ${type}: use the Pulumi CLI`);
}

function refuseInvoke({ token }: pulumi.runtime.MockCallArgs): never {
  throw new Error(`this host cannot call the function ${token}: use the Pulumi CLI`);
}
