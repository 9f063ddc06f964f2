import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { withConnection } from "../../components/postgres/connection.ts";
import { createDatabase, type TestDatabase } from "../world/postgres/databases.ts";
import { reloadServer } from "../world/postgres/reload.ts";
import { type PostgresServer, startServer } from "../world/postgres/server.ts";
import { sharedServers } from "../world/postgres/shared.ts";
import { loadSourceFixture } from "../world/postgres/source-fixture.ts";
import { buildHealthcareWorld, healthcareServiceNames } from "../world/railway/healthcare-world.ts";
import { quickPace } from "../world/railway/pace.ts";
import { type Simulator, startSimulator } from "../world/railway/simulator.ts";
import { schemaSdl } from "../world/railway/test-world.ts";
import { makeStackFolder, type StackFolder } from "./stack-folder.ts";

const servers = sharedServers();
let ledgerFolder: string;
let source: TestDatabase;
let target: PostgresServer;
let simulator: Simulator;
let stack: StackFolder;

beforeAll(async () => {
  ledgerFolder = await mkdtemp(path.join(tmpdir(), "target-tls-"));
  source = await createDatabase(servers.source);
  await loadSourceFixture(source.connection, { rows: 2_000 });
  target = await startServer({ role: "target" });
  const { host, port, user, password, database } = source.connection;
  // The server is shared by all test files: this one may not stop it.
  const sourceServer = { host, port, stop: async () => {}, start: async () => {} };
  simulator = await startSimulator({
    schemaSdl,
    pace: quickPace,
    world: buildHealthcareWorld({
      postgres: { server: sourceServer, user, password, database },
      pgvector: { server: target, user: target.user, password: target.password, database: "railway" },
      ledgerFolder,
    }),
  });
  stack = await makeStackFolder(
    {
      ...{ phase: "adopt", project: "DOCTORES-SEO-PACIENTE-MGMT", environment: "production" },
      ...{ source: "Postgres", target: "pgvector", schemas: ["public"], protectedSchemas: ["llm_assistant"] },
      services: healthcareServiceNames.map((name) => ({ name })),
      // As on the real project: not from this machine.
      transport: { source: { via: "private" }, target: { via: "private" } },
    },
    { RAILWAY_TOKEN: simulator.tokens.project, RAILWAY_API_URL: simulator.url },
  );
});
afterAll(async () => {
  await stack?.remove();
  await simulator?.stop();
  await target?.dispose();
  await source?.drop();
  await rm(ledgerFolder, { recursive: true, force: true });
});

async function targetTls(...args: string[]) {
  const result = await stack.script("target-tls", [
    "--stack",
    "trial",
    "--port",
    String(target.port),
    ...args,
  ]);
  for (const secret of [target.password, servers.source.password, simulator.tokens.project])
    expect(result.output + result.errors).not.toContain(secret);
  return result;
}

const autoFile = async () =>
  withConnection(target.connection(), { purpose: "observe" }, async (client) => {
    const { rows } = await client.query(
      "select pg_read_file('postgresql.auto.conf') as text, (select count(*) from pg_ls_dir('.')) as files",
    );
    return rows[0];
  });

test("shown, done, looked at, and taken back, as an operator does it", async () => {
  const before = await autoFile();
  simulator.setVariableByHand(
    "@healthcare/doctor",
    "LLM_DATABASE_URL",
    "${{pgvector.DATABASE_URL}}?sslmode=require",
  );
  await simulator.settle();

  const shown = await targetTls("on");
  expect(shown).toMatchObject({ exitCode: 0, errors: "" });
  expect(shown.output).toMatch(/^TLS +off: the server offers none$/m);
  expect(shown.output).toContain("ALTER SYSTEM SET ssl");
  expect(shown.output).toMatch(/@healthcare\/doctor LLM_DATABASE_URL: could not connect until now/);
  expect(shown.output).toContain("Nothing was done. Once more with --yes does it.");
  expect(await autoFile()).toEqual(before);

  const on = await targetTls("on", "--yes");
  expect(on).toMatchObject({ exitCode: 0, errors: "" });
  const fingerprint = /^sha256 Fingerprint=([0-9A-F:]{95})$/m.exec(on.output)?.[1];
  expect(on.output).toContain(`target: { via: tls, fingerprint: "${fingerprint}" }`);

  const status = await targetTls();
  expect(status.exitCode).toBe(0);
  expect(status.output).toMatch(new RegExp(`^fingerprint +sha256 Fingerprint=${fingerprint}$`, "m"));
  expect(await targetTls("on", "--yes")).toMatchObject({
    exitCode: 0,
    output: expect.stringContaining("Nothing to do: TLS is on already"),
  });

  const off = await targetTls("off");
  expect(off.output).toMatch(/@healthcare\/doctor LLM_DATABASE_URL: BREAKS at its next connection/);
  expect(off.output).toContain("1 of them breaks: @healthcare/doctor LLM_DATABASE_URL");
  expect(await targetTls("off", "--yes")).toMatchObject({
    exitCode: 0,
    output: expect.stringContaining("TLS is off"),
  });
  expect(await autoFile()).toEqual(before);
  expect(simulator.mutations()).toEqual([]);
});

test("what would be refused is refused without --yes, too", async () => {
  const alter = async (text: string) => {
    await withConnection(target.connection(), { purpose: "world" }, (client) => client.query(text));
    await reloadServer(target.connection());
  };
  await alter("alter system set ssl_ciphers = 'HIGH'");
  const shown = await targetTls("on");
  await alter("alter system reset ssl_ciphers");
  expect(shown).toMatchObject({
    exitCode: 1,
    output: expect.stringContaining("set up, or begun, by somebody else"),
    errors: expect.stringMatching(/^TLS_SET_BY_OTHERS: .*ssl_ciphers in postgresql\.auto\.conf.* Remedy: /),
  });
});
