import { randomBytes } from "node:crypto";
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type pg from "pg";
import { type MigrationInputs, migrationInputsSchema } from "../../../components/migration/inputs.ts";
import type { TargetTlsRequest } from "../../../components/migration/target-tls/plan.ts";
import {
  lookAtTargetTls,
  switchTargetTls,
  type TargetTlsLook,
  type TargetTlsOutcome,
  type TargetTlsRun,
} from "../../../components/migration/target-tls.ts";
import { withConnection } from "../../../components/postgres/connection.ts";
import type { EnvironmentScope, Railway, RailwayService } from "../../../components/railway/railway.ts";
import { chooseInstallation, type Installation } from "../../world/postgres/installation.ts";
import { type PostgresServer, type ServerOptions, startServer } from "../../world/postgres/server.ts";
import { killProgramAt } from "../kill-at.ts";

/** A target server whose data folder the test can look into, and a Railway that knows it. */
export interface TargetTlsWorld {
  readonly server: PostgresServer;
  /** The server's log so far. */
  readonly log: string[];
  /** Lines of the report so far. */
  readonly lines: string[];
  look(changes?: Partial<TargetTlsRun>): Promise<TargetTlsLook>;
  run(request: Partial<TargetTlsRequest>, changes?: Partial<TargetTlsRun>): Promise<TargetTlsOutcome>;
  /** The same in a process of its own, killed (SIGKILL) at the first line that contains the text. */
  killAt(text: string, request: Partial<TargetTlsRequest>, validDays?: number): Promise<void>;
  query(text: string): Promise<pg.QueryResult["rows"]>;
  /** A path in the data folder. */
  at(name: string): string;
  /** What `off` has to put back: the names in the data folder, and what ALTER SYSTEM wrote, byte for byte. */
  snapshot(): Promise<{ readonly names: string[]; readonly autoFile: string }>;
  stop(): Promise<void>;
}

/** What the process of its own is given in TARGET_TLS. */
export interface TargetTlsCall {
  readonly variables: Variables;
  readonly inputs: MigrationInputs;
  readonly request: TargetTlsRequest;
  readonly validDays?: number;
}

type Variables = Readonly<Record<string, Readonly<Record<string, string | null>>>>;

export interface TargetTlsWorldOptions extends Partial<Omit<ServerOptions, "role">> {
  /** Raw variables of the application's services, by service. */
  readonly services?: Variables;
  /** Variables of the database's service beside its URL. */
  readonly variables?: Readonly<Record<string, string>>;
  readonly login?: { readonly user: string; readonly password: string };
}

export async function startTargetTlsWorld(options: TargetTlsWorldOptions = {}): Promise<TargetTlsWorld> {
  const { services = {}, variables = {}, login, ...serverOptions } = options;
  const log: string[] = [];
  const lines: string[] = [];
  const installation = options.installation ?? (await chooseInstallation("target", () => {}));
  const keptIn = join(installation.dataParent, `target-tls-${randomBytes(6).toString("hex")}`);
  const server = await startServer({
    role: "target",
    keptIn,
    log: (line) => log.push(line),
    ...serverOptions,
    installation,
  });
  const account = login ?? { user: server.user, password: server.password };
  const all: Variables = {
    ...services,
    pgvector: {
      DATABASE_URL: `postgresql://${account.user}:${account.password}@pgvector.railway.internal:5432/railway`,
      RAILWAY_TCP_PROXY_DOMAIN: "shuttle.proxy.rlwy.net",
      RAILWAY_TCP_PROXY_PORT: "15140",
      ...variables,
    },
  };
  const inputs = inputsFor(server.port);
  const report = (line: string) => void lines.push(line);
  const base = { railway: railwayOf(all), inputs, reporter: { step: report, detail: report } };
  const complete = (request: Partial<TargetTlsRequest>): TargetTlsRequest => ({
    ...{ command: "on", renew: false, acceptRules: false },
    ...request,
  });
  const at = (name: string) => join(keptIn, "data", name);
  return {
    server,
    log,
    lines,
    look: (changes = {}) => lookAtTargetTls({ ...base, ...changes }),
    run: (request, changes = {}) => switchTargetTls({ ...base, ...changes }, complete(request)),
    killAt: (text, request, validDays) => {
      const call: TargetTlsCall = { variables: all, inputs, request: complete(request), validDays };
      return killProgramAt(text, "target-tls/process.ts", { TARGET_TLS: JSON.stringify(call) });
    },
    query: (text) =>
      withConnection(
        server.connection(),
        { purpose: "observe" },
        async (client) => (await client.query(text)).rows,
      ),
    at,
    snapshot: async () => ({
      // These come and go with the server itself.
      names: (await readdir(at(".")))
        .filter((name) => !/^(postmaster\.pid|postmaster\.opts|pg_.*)$/.test(name))
        .sort(),
      autoFile: await readFile(at("postgresql.auto.conf"), "utf8"),
    }),
    stop: async () => {
      await server.dispose();
      await rm(keptIn, { recursive: true, force: true });
    },
  };
}

function inputsFor(port: number): MigrationInputs {
  return migrationInputsSchema.parse({
    ...{ project: "p", environment: "e", source: "Postgres", target: "pgvector" },
    ...{ schemas: ["public"], protectedSchemas: ["llm_assistant"], accept: [], copy: { workers: 1 } },
    services: [
      { name: "api", variables: ["DATABASE_URL"], healthCheckUrl: null, wave: 0, startsReadOnly: true },
    ],
    limits: { writePauseMs: 60_000, lockTimeoutMs: 1_000, deploymentTimeoutMs: 1_000 },
    hooks: { beforeSwitch: null },
    transport: { source: { via: "private" }, target: { via: "tunnel", port }, plaintextReason: null },
  });
}

/** As much of Railway as the command asks: `${{pgvector.NAME}}` is rendered, nothing else. */
export function railwayOf(variables: Variables): Railway {
  const services = Object.keys(variables).map((name) => ({ id: name, name }) as unknown as RailwayService);
  const rawOf = (id: string) => new Map(Object.entries(variables[id] ?? {}));
  const render = (text: string) =>
    text.replaceAll(/\$\{\{pgvector\.(\w+)\}\}/g, (_all, name: string) => variables.pgvector?.[name] ?? "");
  const renderedOf = (id: string) =>
    new Map([...rawOf(id)].map(([name, text]) => [name, text === null ? null : render(text)]));
  const methods: Partial<Railway> = {
    resolveEnvironment: async () => ({ projectId: "p", environmentId: "e" }) as EnvironmentScope,
    findService: async (_scope, name) => services.find((service) => service.name === name) as RailwayService,
    listServices: async () => services,
    renderedVariables: async (_scope, id) => renderedOf(id),
    serviceVariables: async (_scope, id) => ({ raw: rawOf(id), rendered: renderedOf(id) }),
    guarded: () => methods as Railway,
  };
  return methods as Railway;
}

/** The same installation, started with more arguments, or with a search path for programs of its own. */
export function changedInstallation(
  installation: Installation,
  { args = [], path }: { readonly args?: readonly string[]; readonly path?: string },
): Installation {
  return {
    ...installation,
    command: (program, given, workFolder) => {
      const command = installation.command(program, given, workFolder);
      if (program !== "postgres") return command;
      const all = [...command.args, ...args];
      if (path === undefined) return { ...command, args: all };
      return { ...command, file: "/usr/bin/env", args: [`PATH=${path}`, command.file, ...all] };
    },
  };
}
