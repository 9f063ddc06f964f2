import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { patienceMs } from "../../patience.ts";
import { quickPace } from "./pace.ts";
import { type Simulator, type SimulatorOptions, startSimulator } from "./simulator.ts";
import type { AppServiceModel, DatabaseServer, ServiceModel, WorldModel } from "./world-model.ts";

/** The API that the project uses, as text. */
export const schemaSdl = readFileSync(
  new URL("../../../components/railway/schema.graphql", import.meta.url),
  "utf8",
);

/** A small world without real servers, for tests of the simulator itself. */
export interface TestWorld extends AsyncDisposable {
  readonly simulator: Simulator;
  readonly world: WorldModel;
  readonly projectId: string;
  readonly environmentId: string;
  serviceId(name: string): string;
  /** `stop` and `start` of the servers behind `Postgres` and `pgvector`, in order. */
  readonly serverCalls: readonly string[];
  /** Sends a document as the account and returns its data; rejects with the messages of the answer's errors. */
  // biome-ignore lint/suspicious/noExplicitAny: tests read whatever the API answered
  query(document: string, variables?: object): Promise<any>;
  /** The whole answer, with any headers. */
  send(document: string, variables?: object, options?: SendOptions): Promise<ApiAnswer>;
}

export interface SendOptions {
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly search?: string;
  readonly signal?: AbortSignal;
}

export interface ApiAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** The parsed JSON, or the text of an HTML answer. */
  // biome-ignore lint/suspicious/noExplicitAny: tests read whatever the API answered
  readonly body: any;
}

export async function startTestWorld(
  options: Partial<Omit<SimulatorOptions, "world">> & {
    world?: Partial<WorldModel>;
    extraServices?: readonly ServiceModel[];
  } = {},
): Promise<TestWorld> {
  const ledgerFolder = await mkdtemp(join(tmpdir(), "simulator-"));
  const serverCalls: string[] = [];
  const world: WorldModel = {
    workspaceId: randomUUID(),
    project: { id: randomUUID(), name: "clinic" },
    environments: [
      { id: randomUUID(), name: "production" },
      { id: randomUUID(), name: "staging" },
    ],
    ledgerFolder,
    services: [...defaultServices(serverCalls), ...(options.extraServices ?? [])],
    ...options.world,
  };
  const simulator = await startSimulator({
    schemaSdl: options.schemaSdl ?? schemaSdl,
    ...(options.quirks === undefined ? {} : { quirks: options.quirks }),
    ...(options.rateLimit === undefined ? {} : { rateLimit: options.rateLimit }),
    ...(options.intercept === undefined ? {} : { intercept: options.intercept }),
    world,
    pace: { ...quickPace, ...options.pace },
  });
  const send: TestWorld["send"] = async (document, variables = {}, sendOptions = {}) => {
    const answer = await fetch(simulator.url + (sendOptions.search ?? "?source=tests"), {
      method: "POST",
      headers: Object.entries({
        "content-type": "application/json",
        "user-agent": "simulator-tests",
        ...(sendOptions.headers ?? { authorization: `Bearer ${simulator.tokens.account}` }),
      }).flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as [string, string]])),
      body: JSON.stringify({ query: document, variables }),
      signal: sendOptions.signal ?? null,
    });
    const text = await answer.text();
    return { status: answer.status, headers: answer.headers, body: parseWherePossible(text) };
  };
  return {
    simulator,
    world,
    serverCalls,
    projectId: world.project.id,
    environmentId: world.environments[0]?.id ?? "",
    serviceId: (name) => world.services.find((service) => service.name === name)?.id ?? "",
    send,
    async query(document, variables) {
      const { body } = await send(document, variables);
      if (body.errors !== undefined) {
        throw new Error(body.errors.map((error: { message: string }) => error.message).join("; "));
      }
      return body.data;
    },
    async [Symbol.asyncDispose]() {
      await simulator.stop();
      await rm(ledgerFolder, { recursive: true });
    },
  };
}

/** An app without a database: it tells what it was given. Healthy unless `BROKEN` is set; `POST /exit` makes it crash. */
export function testApp(name: string, variables: Record<string, string> = {}): AppServiceModel {
  return {
    kind: "app",
    id: randomUUID(),
    name,
    variables,
    healthcheckPath: "/health",
    command: [process.execPath, "-e", testProgram],
  };
}

/** Waits until `probe` gives something other than `undefined` or `false`: for what certainly comes, however busy the machine is. */
export async function eventually<Value>(probe: () => Promise<Value> | Value): Promise<NonNullable<Value>> {
  const deadline = Date.now() + patienceMs;
  for (;;) {
    const value = await probe();
    if (value !== undefined && value !== false && value !== null) return value;
    if (Date.now() > deadline) throw new Error("it did not come to pass");
    await new Promise((resolve) => setTimeout(resolve, 15));
  }
}

const testProgram = `
const server = require("node:http").createServer((request, response) => {
  if (request.method === "POST") process.exit(3);
  response.writeHead(process.env.BROKEN ? 503 : 200).end(JSON.stringify({ ...process.env, pid: String(process.pid) }));
});
server.listen(0, "127.0.0.1", () => process.send({ listening: server.address().port }));
process.on("disconnect", () => process.exit(1));
`;

function defaultServices(serverCalls: string[]): ServiceModel[] {
  return [
    ...Array.from({ length: 11 }, (_, index): ServiceModel => {
      return {
        kind: "bystander",
        id: randomUUID(),
        name: `bystander-${index}`,
        image: "redis:8",
        variables: {},
      };
    }),
    database("Postgres", 5401, serverCalls),
    database("pgvector", 5402, serverCalls),
    testApp("@healthcare/api", { DATABASE_URL: "${{Postgres.DATABASE_URL}}" }),
    testApp("web"),
  ];
}

function database(name: string, port: number, serverCalls: string[]): ServiceModel {
  const server: DatabaseServer = {
    host: "127.0.0.1",
    port,
    stop: async () => void serverCalls.push(`stop ${name}`),
    start: async () => void serverCalls.push(`start ${name}`),
  };
  return {
    kind: "database",
    id: randomUUID(),
    name,
    image: name === "Postgres" ? "ghcr.io/railwayapp-templates/postgres-ssl:15" : "pgvector/pgvector:pg17",
    volumeMountPath: "/var/lib/postgresql/data",
    environments: ["production", "staging"],
    variables: {
      POSTGRES_PASSWORD: "secret",
      DATABASE_URL: "postgresql://u:${{POSTGRES_PASSWORD}}@${{RAILWAY_PRIVATE_DOMAIN}}:5432/railway",
    },
    server,
  };
}

function parseWherePossible(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
