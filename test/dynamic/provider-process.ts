import { once } from "node:events";
import { type AddressInfo, createServer, type Server } from "node:net";
import { providerText } from "../../components/dynamic/lazy-provider.ts";
import { type GrpcProvider, startGrpcProvider } from "../world/engine/grpc-provider.ts";
import type { Simulator } from "../world/railway/simulator.ts";

type Properties = Record<string, unknown>;
type Kind = "app-service-variables" | "data-migration" | "postgres-service";

/** One of the project's providers in Pulumi's own provider process; its text is added to whatever is sent. */
export interface RemoteProvider {
  check(olds: Properties, news: object): Promise<{ property: string; reason: string }[]>;
  /** The inputs as `check` normalises them; throws when it refuses them. */
  normalise(news: object): Promise<Properties>;
  diff(id: string, olds: Properties, news: object): Promise<boolean | undefined>;
  create(inputs: object): Promise<{ id: string; properties: Properties }>;
  read(id: string, properties: Properties): Promise<Properties>;
  update(id: string, olds: Properties, news: object): Promise<Properties>;
  delete(id: string, properties: Properties): Promise<void>;
}

/** The process that `pulumi up` starts for dynamic providers, with the project's code in it. */
export interface ProviderProcess {
  readonly printed: () => string;
  /** Nobody reads what it prints any more: what it meets when the engine was killed. */
  stopReading(): void;
  readonly exited: Promise<unknown>;
  provider(kind: Kind): Promise<RemoteProvider>;
  kill(signal: NodeJS.Signals): void;
  /** The engine dies, and its provider lives on. */
  loseEngine(): void;
  stop(): Promise<void>;
}

/**
 * Starts the process as an operator's shell and stack would: token and address of Railway, and the token's kind.
 *
 * @param options.engineIsGone The address that the process was given for its engine does not answer.
 */
export async function startProviderProcess(
  simulator: Simulator,
  options: { tokenKind?: string; environment?: Record<string, string>; engineIsGone?: boolean } = {},
): Promise<ProviderProcess> {
  const engine = options.engineIsGone === true ? undefined : await startEngine();
  const process: GrpcProvider = await startGrpcProvider({
    workingDirectory: new URL("../..", import.meta.url).pathname,
    project,
    environment: {
      RAILWAY_TOKEN: simulator.tokens.project,
      RAILWAY_API_URL: simulator.url,
      RAILWAY_POLL_INTERVAL_MS: "50",
      ...(engine === undefined ? {} : { NODE_OPTIONS: engineAddress(engine) }),
      ...options.environment,
    },
  });
  await process.configure({ [`${project}:tokenKind`]: options.tokenKind ?? "project" });
  return {
    printed: process.printed,
    stopReading: process.stopReading,
    exited: process.exited,
    provider: async (kind) => remote(process, providerText(`#providers/${kind}`)),
    kill: process.kill,
    loseEngine: () => void engine?.close(),
    stop: async () => {
      await process.stop();
      engine?.close();
    },
  };
}

/** As much of an engine as the project asks for: it answers on its address. */
async function startEngine(): Promise<Server> {
  const engine = createServer((socket) => socket.on("error", () => {}).end());
  engine.listen(0, "127.0.0.1").unref();
  await once(engine, "listening");
  return engine;
}

/** The engine's address is the process's first argument, and the driver names one that nobody listens on. */
function engineAddress(engine: Server): string {
  const { port } = engine.address() as AddressInfo;
  return `--import=data:text/javascript,process.argv[2]=%22127.0.0.1:${port}%22`;
}

const project = "railway-pgvector-cutover";

function remote(process: GrpcProvider, __provider: string): RemoteProvider {
  const carry = (values: object): Properties => ({ ...values, __provider });
  return {
    check: async (olds, news) => (await process.check(olds, carry(news))).failures,
    async normalise(news) {
      const { inputs, failures } = await process.check({}, carry(news));
      if (failures.length > 0) throw new Error(JSON.stringify(failures));
      return inputs;
    },
    diff: async (id, olds, news) => (await process.diff(id, olds, carry(news))).changes,
    create: (inputs) => process.create(carry(inputs)),
    read: async (id, properties) => (await process.read(id, properties)).properties,
    update: (id, olds, news) => process.update(id, olds, carry(news)),
    delete: (id, properties) => process.delete(id, carry(properties)),
  };
}
