import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type ConnectionTarget, withConnection } from "../../../components/postgres/connection.ts";
import { setSeal } from "../../../components/postgres/fence/fence.ts";
import { createDatabase, type TestDatabase } from "../../world/postgres/databases.ts";
import { reloadServer } from "../../world/postgres/reload.ts";
import { type PostgresServer, startServer } from "../../world/postgres/server.ts";
import { sharedServers } from "../../world/postgres/shared.ts";
import { follow } from "../../world/postgres/standby.ts";
import { createFixture, type FixtureWorld, type PreflightFixture, runSql } from "./fixture.ts";
import { preflight, summarise } from "./world.ts";

const run = promisify(execFile);
const servers = sharedServers();

describe("a standby", () => {
  let primary: PostgresServer;
  let standby: PostgresServer;
  let fixture: PreflightFixture;
  let world: FixtureWorld;
  let onStandby: ConnectionTarget;

  beforeAll(async () => {
    [primary, standby] = await Promise.all([
      startServer({ role: "source" }),
      startServer({ role: "source" }),
    ]);
    fixture = await createFixture({ source: primary, target: servers.target });
    world = await fixture.createWorld(() => {});
    await follow(standby, primary);
    const { source } = world.connections;
    onStandby = { ...source, port: standby.port };
  });

  afterAll(async () => {
    await Promise.all([standby?.dispose(), primary?.dispose()]);
  });

  test("is no source, and everything else can be looked at on it", async () => {
    const lines = summarise(await preflight({ ...world.connections, source: onStandby }));
    expect(lines).toContain("blocker SOURCE_IN_RECOVERY source");
    expect(lines.join("\n")).not.toMatch(/CHECK_FAILED|SAME_DATABASE/);
  });

  test("is no target, and not taken for the database that it follows", async () => {
    const lines = summarise(await preflight({ ...world.connections, target: onStandby }));
    expect(lines).toContain("blocker TARGET_IN_RECOVERY target");
    expect(lines).toContain("warning SAME_SERVER target");
    expect(lines.join("\n")).not.toMatch(/CHECK_FAILED|SAME_DATABASE/);
  });
});

describe("a server that speaks German", () => {
  const locale = "de_DE.UTF-8";
  let folder: string;
  let server: PostgresServer | undefined;
  let fixture: PreflightFixture;
  let speaks = false;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "locale-"));
    const made = run("localedef", ["-i", "de_DE", "-f", "UTF-8", join(folder, locale)]);
    if (
      !(await made.then(
        () => true,
        () => false,
      ))
    )
      return;
    await run("chmod", ["-R", "a+rX", folder]);
    const former = process.env.LOCPATH;
    process.env.LOCPATH = folder;
    try {
      server = await startServer({ role: "source" });
    } finally {
      if (former === undefined) delete process.env.LOCPATH;
      else process.env.LOCPATH = former;
    }
    fixture = await createFixture({ source: server, target: servers.target });
    await runSql(server.connection(), `ALTER SYSTEM SET lc_messages = '${locale}'`);
    await reloadServer(server.connection());
    speaks = await runSql(server.connection(), "SELECT 1 / 0").then(
      () => false,
      ({ message }) => /Null/.test(message),
    );
  });

  afterAll(async () => {
    await server?.dispose();
    await rm(folder, { recursive: true, force: true });
  });

  test("is judged by its codes and never by its words", async ({ skip }) => {
    if (server === undefined || !speaks) return skip("no German messages on this machine");
    const { connections } = await fixture.createWorld(onTestFinished);
    const { source } = connections;
    const sealed = await createDatabase(server);
    onTestFinished(() => sealed.drop());
    await withConnection(server.connection("postgres"), { purpose: "test" }, (client) =>
      setSeal(client, sealed.connection.database, true),
    );
    const faults = await Promise.all(
      [
        source,
        { ...source, password: "wrong" },
        { ...source, database: "nowhere" },
        { ...source, database: sealed.connection.database },
      ].map(async (each) => summarise(await preflight({ ...connections, source: each })).join("\n")),
    );
    expect(faults[0]).not.toMatch(/unchecked|CHECK_FAILED/);
    expect(faults[1]).toContain("blocker WRONG_PASSWORD source");
    expect(faults[2]).toContain("blocker DATABASE_NOT_FOUND source");
    expect(faults[3]).toContain("blocker DATABASE_SEALED source");
  });
});

describe("a database", () => {
  let database: TestDatabase;
  let fixture: PreflightFixture;

  beforeAll(async () => {
    fixture = await createFixture(servers);
    database = await createDatabase(servers.source);
  });
  afterAll(() => Promise.all([fixture?.drop(), database?.drop()]));

  test("that does not exist", async () => {
    const { connections } = await fixture.createWorld(onTestFinished);
    const target = { ...connections.target, database: "nowhere" };
    expect(summarise(await preflight({ ...connections, target }))).toContain(
      "blocker DATABASE_NOT_FOUND target",
    );
  });

  test("that is sealed", async () => {
    const { connections } = await fixture.createWorld(onTestFinished);
    const seal = (sealed: boolean) =>
      withConnection(servers.source.connection("postgres"), { purpose: "test" }, (client) =>
        setSeal(client, database.connection.database, sealed),
      );
    await seal(true);
    onTestFinished(() => seal(false));
    const lines = summarise(await preflight({ ...connections, source: database.connection }));
    expect(lines).toContain("blocker DATABASE_SEALED source");
  });
});
