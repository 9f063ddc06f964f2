import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { ServiceError } from "@grpc/grpc-js";
import providerService from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import type {
  CheckResponse,
  CreateResponse,
  DiffResponse,
  ReadResponse,
  UpdateResponse,
} from "@pulumi/pulumi/proto/provider_pb.js";
import providerMessages from "@pulumi/pulumi/proto/provider_pb.js";
import statusMessages from "@pulumi/pulumi/proto/status_pb.js";
import type { Struct as StructMessage } from "google-protobuf/google/protobuf/struct_pb.js";
import { sdkRequire } from "./sdk-internals.ts";

type Properties = Record<string, unknown>;

/** What the engine is told when a resource exists but did not finish. */
export interface UnfinishedFailure {
  readonly id: string;
  readonly properties: Properties;
  readonly reasons: string[];
}

/** A refusal by the provider process, as the engine sees it. */
export class ProviderFailure extends Error {
  readonly unfinished: UnfinishedFailure | undefined;

  constructor(message: string, unfinished: UnfinishedFailure | undefined) {
    super(message);
    this.name = "ProviderFailure";
    this.unfinished = unfinished;
  }
}

/** The calls of Pulumi's engine to a dynamic provider; every properties object carries `__provider`. */
export interface GrpcProvider {
  /** Everything the process has printed so far. */
  readonly printed: () => string;
  /** Nobody reads what it prints any more: what it meets when the engine was killed. */
  stopReading(): void;
  /** The process's end, whoever brings it about. */
  readonly exited: Promise<unknown>;
  configure(config: Record<string, string>): Promise<void>;
  check(
    olds: Properties,
    news: Properties,
  ): Promise<{ inputs: Properties; failures: { property: string; reason: string }[] }>;
  diff(
    id: string,
    olds: Properties,
    news: Properties,
  ): Promise<{ changes: boolean | undefined; replaces: string[]; deleteBeforeReplace: boolean }>;
  create(inputs: Properties): Promise<{ id: string; properties: Properties }>;
  read(
    id: string,
    properties: Properties,
  ): Promise<{ id: string; properties: Properties; inputs: Properties | undefined }>;
  update(id: string, olds: Properties, news: Properties): Promise<Properties>;
  delete(id: string, properties: Properties): Promise<void>;
  /** Ends the process, in the midst of whatever it does. */
  kill(signal: NodeJS.Signals): void;
  stop(): Promise<void>;
}

/**
 * Starts the very process that `pulumi up` starts for dynamic providers, and speaks its protocol.
 *
 * @param options.workingDirectory The project's folder; `#providers/…` is resolved in it.
 */
export async function startGrpcProvider(options: {
  workingDirectory: string;
  /** The project's name, by which unqualified configuration keys are found. */
  project: string;
  environment?: Record<string, string>;
}): Promise<GrpcProvider> {
  const child = spawn(
    process.execPath,
    [sdkRequire.resolve("./cmd/dynamic-provider/index.js"), "127.0.0.1:1"],
    {
      cwd: options.workingDirectory,
      env: { ...process.env, PULUMI_NODEJS_PROJECT: options.project, ...options.environment },
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  const exited = once(child, "exit");
  const { port, printed } = await readPort(child);
  const client = new providerService.ResourceProviderClient(
    `127.0.0.1:${port}`,
    grpc.credentials.createInsecure(),
  );

  return {
    printed,
    stopReading() {
      child.stdout.destroy();
      child.stderr.destroy();
    },
    exited,
    async configure(config) {
      const request = new providerMessages.ConfigureRequest();
      request.setArgs(struct(config));
      await answer((done) => client.configure(request, done));
    },
    async check(olds, news) {
      const request = new providerMessages.CheckRequest();
      request.setOlds(struct(olds));
      request.setNews(struct(news));
      const response = await answer<CheckResponse>((done) => client.check(request, done));
      return {
        inputs: plain(response.getInputs()),
        failures: response.getFailuresList().map((failure) => failure.toObject()),
      };
    },
    async diff(id, olds, news) {
      const request = new providerMessages.DiffRequest();
      request.setId(id);
      request.setOlds(struct(olds));
      request.setNews(struct(news));
      const response = await answer<DiffResponse>((done) => client.diff(request, done));
      const { DIFF_UNKNOWN, DIFF_SOME } = providerMessages.DiffResponse.DiffChanges;
      const changes = response.getChanges();
      return {
        changes: changes === DIFF_UNKNOWN ? undefined : changes === DIFF_SOME,
        replaces: response.getReplacesList(),
        deleteBeforeReplace: response.getDeletebeforereplace(),
      };
    },
    async create(inputs) {
      const request = new providerMessages.CreateRequest();
      request.setProperties(struct(inputs));
      const response = await answer<CreateResponse>((done) => client.create(request, done));
      return { id: response.getId(), properties: plain(response.getProperties()) };
    },
    async read(id, properties) {
      const request = new providerMessages.ReadRequest();
      request.setId(id);
      request.setProperties(struct(properties));
      const response = await answer<ReadResponse>((done) => client.read(request, done));
      const inputs = response.hasInputs() ? plain(response.getInputs()) : undefined;
      return { id: response.getId(), properties: plain(response.getProperties()), inputs };
    },
    async update(id, olds, news) {
      const request = new providerMessages.UpdateRequest();
      request.setId(id);
      request.setOlds(struct(olds));
      request.setNews(struct(news));
      return plain((await answer<UpdateResponse>((done) => client.update(request, done))).getProperties());
    },
    async delete(id, properties) {
      const request = new providerMessages.DeleteRequest();
      request.setId(id);
      request.setProperties(struct(properties));
      await answer((done) => client.delete(request, done));
    },
    kill: (signal) => void child.kill(signal),
    async stop() {
      client.close();
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGTERM");
      await exited;
    },
  };
}

// gRPC and protobuf are the SDK's own dependencies: taken from where it finds them itself.
const grpc: typeof import("@grpc/grpc-js") = sdkRequire("@grpc/grpc-js");
const { Struct }: { Struct: typeof StructMessage } = sdkRequire("google-protobuf/google/protobuf/struct_pb");

function struct(properties: Properties): StructMessage {
  return Struct.fromJavaScript(properties as Parameters<typeof Struct.fromJavaScript>[0]);
}

function plain(message: StructMessage | undefined): Properties {
  return message?.toJavaScript() ?? {};
}

function answer<Response>(
  send: (done: (error: ServiceError | null, response: Response) => void) => void,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    send((error, response) => {
      if (error === null) resolve(response);
      else reject(new ProviderFailure(error.details, unfinishedFailure(error)));
    });
  });
}

/** The details that Go's gRPC attaches to a status, in which a provider reports a half-made resource. */
function unfinishedFailure(error: ServiceError): UnfinishedFailure | undefined {
  const [bytes] = error.metadata?.get("grpc-status-details-bin") ?? [];
  if (!(bytes instanceof Uint8Array)) return undefined;
  const [detail] = statusMessages.Status.deserializeBinary(bytes).getDetailsList();
  const failure = detail?.unpack(
    providerMessages.ErrorResourceInitFailed.deserializeBinary,
    "pulumirpc.ErrorResourceInitFailed",
  );
  if (failure === undefined || failure === null) return undefined;
  return {
    id: failure.getId(),
    properties: plain(failure.getProperties()),
    reasons: failure.getReasonsList(),
  };
}

/** The process prints its port on the first line; everything after it is the provider's own output. */
async function readPort(child: ChildProcess): Promise<{ port: number; printed: () => string }> {
  let text = "";
  child.stderr?.on("data", (chunk) => {
    text += chunk;
  });
  if (child.stdout === null) throw new Error("the provider process has no standard output");
  const lines = createInterface({ input: child.stdout });
  const exited = once(child, "exit").then(() => {
    throw new Error(`the provider process ended before it was ready:\n${text}`);
  });
  exited.catch(() => {});
  const [first] = (await Promise.race([once(lines, "line"), exited])) as [string];
  lines.on("line", (line) => {
    text += `${line}\n`;
  });
  return { port: Number(first), printed: () => text };
}
