import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import {
  appendFile,
  chmod,
  lstat,
  mkdtemp,
  readFile,
  rm,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { excludeOtherRuns } from "../../../components/migration/exclusion/exclusion.ts";
import { beginMigration, ensureJournal } from "../../../components/migration/journal/journal.ts";
import { wouldNotStart } from "../../../components/migration/target-tls/plan.ts";
import { connect, withConnection } from "../../../components/postgres/connection.ts";
import { fingerprintProtected } from "../../../components/postgres/fingerprint/fingerprint.ts";
import { embeddedPostgres } from "../../world/postgres/embedded-postgres.ts";
import { chooseInstallation, type Installation } from "../../world/postgres/installation.ts";
import { installedPostgres } from "../../world/postgres/installed-postgres.ts";
import { reloadServer } from "../../world/postgres/reload.ts";
import { loadTargetFixture } from "../../world/postgres/target-fixture.ts";
import { loadingRecord } from "../records.ts";
import { changedInstallation, startTargetTlsWorld, type TargetTlsWorld } from "./world.ts";

const run = promisify(execFile);
const file = "pgvector_cutover_tls.pem";

/** A world for one test. */
async function world(...options: Parameters<typeof startTargetTlsWorld>): Promise<TargetTlsWorld> {
  const here = await startTargetTlsWorld(...options);
  onTestFinished(() => here.stop());
  return here;
}

/** Clients that know nothing of this project. */
const hasClients = await Promise.all([run("psql", ["--version"]), run("openssl", ["version"])]).then(
  () => true,
  () => false,
);

/** What such a client sees. */
async function fingerprintByOpenssl({ server }: TargetTlsWorld): Promise<string> {
  const look = `openssl s_client -connect 127.0.0.1:${server.port} -starttls postgres </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256`;
  const { stdout } = await run("/bin/sh", ["-c", look]);
  return stdout.trim();
}

/** libpq as an application uses it. Answers whether the session has TLS. */
async function libpq({ server }: TargetTlsWorld, mode: string): Promise<boolean> {
  const { stdout } = await run(
    "psql",
    [
      ...["--no-psqlrc", "--tuples-only", "--no-align"],
      ...["--dbname", `host=127.0.0.1 port=${server.port} user=postgres dbname=railway sslmode=${mode}`],
      ...["--command", "select ssl from pg_stat_ssl where pid = pg_backend_pid()"],
    ],
    { env: { ...process.env, PGPASSWORD: server.password } },
  );
  return stdout.trim() === "t";
}

/** Fails as soon as a session is lost, or a statement on it. */
async function keepWorking(here: TargetTlsWorld) {
  const client = await connect(here.server.connection(), { purpose: "x" });
  await client.query("set application_name = 'clinic'; create temp table note (body text); begin");
  let isOver = false;
  const working = (async () => {
    let count = 0;
    for (; !isOver; count++) await client.query("insert into note values ('x')");
    const { rows } = await client.query("select count(*)::int as count from note");
    await client.query("commit");
    await client.end();
    return { sent: count, stored: rows[0].count };
  })();
  working.catch(() => {});
  return async () => {
    isOver = true;
    return working;
  };
}

const installations: Array<readonly [string, () => Promise<Installation | undefined>]> = [
  ["the target's server, with the tools of Debian trixie", () => chooseInstallation("target", () => {})],
  ["npm's PostgreSQL 17, with the tools of this machine", embeddedPostgres],
  ["the oldest one that is installed here", async () => (await installedPostgres())[0]],
];

describe.skipIf(!hasClients).for(installations)("the whole life on %s", ([, choose]) => {
  let here: TargetTlsWorld | undefined;
  beforeAll(async () => {
    const installation = await choose();
    if (installation === undefined) return;
    here = await startTargetTlsWorld({ installation, settings: { log_statement: "all" } });
    await loadTargetFixture(here.server.connection(), here.server);
    await here.query("alter system set work_mem = '7MB'");
    await reloadServer(here.server.connection());
  });
  afterAll(() => here?.stop());

  test("on, a restart, on again, and off", async (context) => {
    if (here === undefined) return context.skip("no such server on this machine");
    const { server } = here;
    const protectedNow = () =>
      withConnection(server.connection(), { purpose: "observe", readOnly: true }, (client) =>
        fingerprintProtected(client, ["llm_assistant"]),
      );
    const before = { ...(await here.snapshot()), protected: await protectedNow() };
    expect((await here.look()).stand).toBe("off");
    const workers = await Promise.all([keepWorking(here), keepWorking(here)]);

    const on = await here.run({ command: "on" });
    expect(on).toMatchObject({ plan: { action: "switch-on", makesCertificate: true } });
    const pinned = on.certificate?.fingerprint;
    expect(await fingerprintByOpenssl(here)).toBe(`sha256 Fingerprint=${pinned}`);
    expect((await here.look()).seen.files.current).toMatchObject({
      ...{ fingerprint: pinned, names: ["DNS:pgvector.railway.internal", "DNS:shuttle.proxy.rlwy.net"] },
    });
    expect(
      await Promise.all(["disable", "prefer", "require"].map((mode) => libpq(here as TargetTlsWorld, mode))),
    ).toEqual([false, true, true]);
    for (const finish of workers) {
      const { sent, stored } = await finish();
      expect(sent).toBeGreaterThan(0);
      expect(stored).toBe(sent);
    }
    const stat = await lstat(here.at(file));
    expect(stat.mode & 0o777).toBe(0o600);
    expect(stat.uid).toBe((await lstat(here.at("PG_VERSION"))).uid);
    expect((await here.snapshot()).names).toEqual([...before.names, file].sort());
    expect(await here.query("show work_mem")).toEqual([{ work_mem: "7MB" }]);

    await server.stop();
    await server.start();
    expect(await here.look()).toMatchObject({ stand: "on", seen: { served: { fingerprint: pinned } } });
    expect(await here.run({ command: "on" })).toMatchObject({ plan: { action: "nothing" } });
    expect(await here.run({ command: "on", renew: true })).toMatchObject({ plan: { action: "nothing" } });
    expect(await fingerprintByOpenssl(here)).toBe(`sha256 Fingerprint=${pinned}`);

    const encrypted = await connect({ ...server.connection(), tls: "require" }, { purpose: "x" });
    await encrypted.query("set application_name = 'clinic'");
    expect((await here.look()).seen.sessions).toContainEqual({
      ...{ user: "postgres", application: "clinic", usesTls: true, count: 1 },
    });
    const secret = await readFile(here.at(file), "utf8");
    expect(await here.run({ command: "off" })).toMatchObject({
      plan: { action: "switch-off" },
      certificate: null,
    });
    const { rows } = await encrypted.query("select ssl from pg_stat_ssl where pid = pg_backend_pid()");
    await encrypted.end();
    expect(rows).toEqual([{ ssl: true }]);
    expect(await libpq(here, "prefer")).toBe(false);
    await expect(libpq(here, "require")).rejects.toThrow();
    expect({ ...(await here.snapshot()), protected: stable(await protectedNow()) }).toEqual({
      ...before,
      protected: stable(before.protected),
    });
    expect(await here.run({ command: "off" })).toMatchObject({ plan: { action: "nothing" } });

    const keyLines = secret.slice(secret.indexOf("PRIVATE KEY")).split("\n").slice(1, -2);
    expect(keyLines.length).toBeGreaterThan(1);
    const told = [...here.log, ...here.lines, JSON.stringify(on)].join("\n");
    expect(told).toContain("openssl req");
    for (const line of [...keyLines, "PRIVATE KEY"]) expect(told).not.toContain(line);
  });
});

/** Everything but when the server was started. */
function stable({ serverStartedAt, ...fingerprint }: Awaited<ReturnType<typeof fingerprintProtected>>) {
  return fingerprint;
}

describe("killed at any point", () => {
  let here: TargetTlsWorld;
  let before: Awaited<ReturnType<TargetTlsWorld["snapshot"]>>;
  beforeAll(async () => {
    here = await startTargetTlsWorld();
    before = await here.snapshot();
  });
  afterAll(() => here?.stop());

  const whileOn = [
    "key and certificate made",
    "ssl_cert_file written",
    "ssl_key_file written",
    "ssl written",
    "told to read",
    "a new session uses TLS",
  ];
  test.for(whileOn)("on at '%s': the server starts, off takes it back, on finishes it", async (line) => {
    await here.killAt(line, { command: "on" });
    await here.server.stop("immediate");
    await here.server.start();
    await here.run({ command: "off" });
    expect(await here.snapshot()).toEqual(before);

    await here.killAt(line, { command: "on" });
    await here.run({ command: "on" });
    expect(await here.look()).toMatchObject({ stand: "on" });
    await here.run({ command: "off" });
    expect(await here.snapshot()).toEqual(before);
  });

  const whileOff = ["ssl reset", "ssl_key_file reset", "ssl_cert_file reset", "told to read"];
  test.for(whileOff)("off at '%s': the server starts, off finishes it, on takes it back", async (line) => {
    const { certificate } = await here.run({ command: "on" });
    await here.killAt(line, { command: "off" });
    await here.server.stop("immediate");
    await here.server.start();
    expect((await here.run({ command: "on" })).certificate).toEqual(certificate);
    await here.killAt(line, { command: "off" });
    await here.run({ command: "off" });
    expect(await here.snapshot()).toEqual(before);
  });

  test("what a killed making left, key and all, goes with the next command", async () => {
    await here.query(
      `copy (select) to program 'cat >/dev/null; mkdir pgvector_cutover_tls.new; touch pgvector_cutover_tls.new/key'`,
    );
    expect((await here.look()).stand).toBe("unfinished");
    await here.run({ command: "off" });
    expect(await here.snapshot()).toEqual(before);
  });
});

describe("renewal", () => {
  let here: TargetTlsWorld;
  beforeAll(async () => {
    here = await startTargetTlsWorld();
  });
  afterAll(() => here?.stop());

  test("of a certificate in its last days: another fingerprint, and nobody is disconnected", async () => {
    const former = (await here.run({ command: "on" }, { validDays: 10 })).certificate;
    const hint = await here.run({ command: "on" });
    expect(hint.plan).toMatchObject({ action: "nothing", why: expect.stringContaining("--renew") });
    const finish = await keepWorking(here);
    const renewed = await here.run({ command: "on", renew: true }, { validDays: 10 });
    await finish();
    expect(renewed).toMatchObject({ plan: { action: "renew" } });
    expect(renewed.certificate?.fingerprint).not.toBe(former?.fingerprint);
    expect(await fingerprintByOpenssl(here)).toBe(`sha256 Fingerprint=${renewed.certificate?.fingerprint}`);
    expect((await here.look()).stand).toBe("on");
  });

  test.for(["key and certificate made", "told to read", "a new session uses TLS"])(
    "killed at '%s': a restart serves the new one, and on finishes it",
    async (line) => {
      const former = (await here.look()).seen.served?.fingerprint;
      await here.killAt(line, { command: "on", renew: true }, 10);
      expect((await here.look()).stand).toBe("unfinished");
      const finished = await here.run({ command: "on" });
      expect(finished.certificate?.fingerprint).not.toBe(former);
      expect((await here.look()).stand).toBe("on");
      await here.server.stop("immediate");
      await here.server.start();
      expect((await here.look()).seen.served).toEqual(finished.certificate);
    },
  );

  test("of which the new certificate cannot be loaded: the former one is back", async () => {
    const { served } = (await here.look()).seen;
    const spoil = spoilAt("key and certificate made", here);
    await expect(
      here.run({ command: "on", renew: true }, { ...spoil, reloadTimeoutMs: 5_000 }),
    ).rejects.toMatchObject({
      code: "TLS_NOT_SWITCHED",
      message: expect.stringContaining("the former certificate is back"),
    });
    expect(await here.look()).toMatchObject({ stand: "on", seen: { served } });
  });
});

/** Makes the file useless in the moment in which a line is told. */
function spoilAt(text: string, here: TargetTlsWorld) {
  const detail = (line: string) => {
    if (!line.includes(text)) return;
    // In place, so that it keeps its owner and mode; the report is not waited for.
    writeFileSync(here.at(file), "-----BEGIN CERTIFICATE-----\nnone\n");
  };
  return { reporter: { step: () => {}, detail } };
}

test("a certificate that cannot be loaded: the server goes on without TLS, and everything is put back", async () => {
  const here = await world();
  const before = await here.snapshot();
  const finish = await keepWorking(here);
  const spoil = spoilAt("ssl written", here);
  await expect(here.run({ command: "on" }, { ...spoil, reloadTimeoutMs: 5_000 })).rejects.toMatchObject({
    code: "TLS_NOT_SWITCHED",
    message: expect.stringContaining("everything is put back"),
  });
  await finish();
  expect(await here.snapshot()).toEqual(before);
  expect((await here.look()).stand).toBe("off");
});

describe("what somebody else set is left alone", () => {
  test("a server that has TLS from its configuration file", async () => {
    const here = await world({ tls: true });
    const before = await here.snapshot();
    expect(await here.look()).toMatchObject({
      stand: "foreign",
      seen: { served: { fingerprint: expect.any(String) }, files: { current: null } },
    });
    for (const command of ["on", "off"] as const)
      await expect(here.run({ command })).rejects.toMatchObject({
        code: "TLS_SET_BY_OTHERS",
        message: expect.stringContaining("ssl in world.conf"),
      });
    expect(await here.snapshot()).toEqual(before);
  });

  test("a setting of the command line, which no ALTER SYSTEM overrules", async () => {
    const installation = changedInstallation(await chooseInstallation("target", () => {}), {
      args: ["-c", "ssl=off"],
    });
    const here = await world({ installation });
    const before = await here.snapshot();
    await expect(here.run({ command: "on" })).rejects.toMatchObject({
      code: "TLS_SET_BY_OTHERS",
      message: expect.stringContaining("ssl from the command line"),
    });
    expect(await here.snapshot()).toEqual(before);
  });

  test("an administrator's key, a file of our name, a setting of ALTER SYSTEM", async () => {
    const here = await world();
    const before = await here.snapshot();
    const refused = (part: string) =>
      expect(here.run({ command: "on" })).rejects.toMatchObject({
        code: "TLS_SET_BY_OTHERS",
        message: expect.stringContaining(part),
      });
    await writeFile(here.at("server.key"), "");
    await refused("the file server.key");
    await rm(here.at("server.key"));
    await writeFile(here.at(file), "mine", { mode: 0o644 });
    await refused(file);
    await expect(here.run({ command: "off" })).rejects.toMatchObject({ code: "TLS_SET_BY_OTHERS" });
    expect(await readFile(here.at(file), "utf8")).toBe("mine");
    await rm(here.at(file));
    await here.query("alter system set ssl_min_protocol_version = 'TLSv1.3'");
    await reloadServer(here.server.connection());
    await refused("ssl_min_protocol_version in postgresql.auto.conf");
    await here.query("alter system reset ssl_min_protocol_version");
    await reloadServer(here.server.connection());
    expect(await here.snapshot()).toEqual(before);
  });

  test("what was added since: off takes only its own away", async () => {
    const here = await world();
    await here.run({ command: "on" });
    await here.query("alter system set ssl_min_protocol_version = 'TLSv1.3'");
    await reloadServer(here.server.connection());
    await here.run({ command: "off" });
    const { autoFile, names } = await here.snapshot();
    expect(autoFile.split("\n").filter((line) => line.startsWith("ssl"))).toEqual([
      "ssl_min_protocol_version = 'TLSv1.3'",
    ]);
    expect(names).not.toContain(file);
  });
});

describe("refused, with nothing changed", () => {
  let here: TargetTlsWorld;
  let before: Awaited<ReturnType<TargetTlsWorld["snapshot"]>>;
  beforeAll(async () => {
    here = await startTargetTlsWorld();
    before = await here.snapshot();
  });
  afterAll(() => here?.stop());

  test("while a run of the cutover is at work", async () => {
    const other = await excludeOtherRuns({ target: here.server.connection() });
    const refused = here.run({ command: "on" });
    await expect(refused).rejects.toMatchObject({ code: "ANOTHER_RUN_ACTIVE" });
    await other.release();
    expect(await here.snapshot()).toEqual(before);
  });

  test("while a migration is under way, and not once it is aborted", async () => {
    await withConnection(here.server.connection(), { purpose: "world" }, async (client) => {
      await ensureJournal(client);
      await beginMigration(client, "m", loadingRecord());
    });
    await expect(here.run({ command: "on" })).rejects.toMatchObject({
      code: "TLS_MIGRATION_UNDER_WAY",
      message: expect.stringContaining("loading"),
    });
    expect(await here.snapshot()).toEqual(before);
    await here.query("drop schema pgvector_cutover cascade");
  });

  test("where a reload would put more into force than this", async () => {
    const configuration = here.at("postgresql.conf");
    const text = await readFile(configuration, "utf8");
    await appendFile(configuration, "work_mem = '5MB'\n");
    const later = new Date(Date.now() + 5_000);
    await utimes(configuration, later, later);
    await expect(here.run({ command: "on" })).rejects.toMatchObject({
      code: "TLS_RELOAD_UNSAFE",
      message: expect.stringContaining("postgresql.conf"),
    });
    await writeFile(configuration, text);
    const longAgo = new Date(0);
    await utimes(configuration, longAgo, longAgo);
    expect(await here.snapshot()).toEqual(before);
  });

  test("where the file of ALTER SYSTEM was edited by hand", async () => {
    const { autoFile } = before;
    await writeFile(here.at("postgresql.auto.conf"), `${autoFile}work_mem = '6MB'  # for the night\n`);
    await reloadServer(here.server.connection());
    await expect(here.run({ command: "on" })).rejects.toMatchObject({
      code: "TLS_RELOAD_UNSAFE",
      message: expect.stringContaining("edited by hand"),
    });
    await writeFile(here.at("postgresql.auto.conf"), autoFile);
    await reloadServer(here.server.connection());
    expect(await here.snapshot()).toEqual(before);
  });

  test("where the role of the service's URL is no superuser", async () => {
    const plain = await world({ login: { user: "plain", password: "plain" } });
    await plain.query("create role plain login password 'plain'; grant pg_execute_server_program to plain");
    await expect(plain.run({ command: "on" })).rejects.toMatchObject({ code: "TLS_NOT_SUPERUSER" });
    await expect(plain.look()).rejects.toMatchObject({ code: "TLS_NOT_SUPERUSER" });
  });
});

test("an image without openssl: a clear error, and nothing is left", async () => {
  const tools = await mkdtemp(path.join(tmpdir(), "target-tls-tools-"));
  onTestFinished(() => rm(tools, { recursive: true }));
  await chmod(tools, 0o755);
  for (const name of ["cat", "mkdir", "mv", "ln", "rm", "sync"])
    await symlink(`/usr/bin/${name}`, path.join(tools, name));
  const here = await world({ installation: changedInstallation(await embeddedPostgres(), { path: tools }) });
  const before = await here.snapshot();
  await expect(here.run({ command: "on" })).rejects.toMatchObject({ code: "TLS_TOOL_MISSING" });
  expect(await here.snapshot()).toEqual(before);
});

test.for([
  ["openssl", "openssl on the target's server made no certificate"],
  ["sync", "could not store its certificate"],
] as const)("%s that fails: a clear error, and no key is left", async ([tool, what]) => {
  const tools = await mkdtemp(path.join(tmpdir(), "target-tls-tools-"));
  onTestFinished(() => rm(tools, { recursive: true }));
  await chmod(tools, 0o755);
  await writeFile(path.join(tools, tool), "#!/bin/sh\nexit 1\n", { mode: 0o755 });
  const installation = changedInstallation(await embeddedPostgres(), { path: `${tools}:/usr/bin:/bin` });
  const here = await world({ installation });
  const before = await here.snapshot();
  await expect(here.run({ command: "on" })).rejects.toMatchObject({
    code: "TLS_CERTIFICATE_NOT_MADE",
    message: expect.stringContaining(what),
  });
  expect(await here.snapshot()).toEqual(before);
});

describe("a certificate that was lost or damaged while the server runs, so that it would not start again", () => {
  const harms = [
    ["damaged", (at: string) => writeFile(at, "garbage")],
    ["removed", (at: string) => rm(at)],
  ] as const;
  test.for(harms)("%s: it is told, off takes TLS away, on makes a new one", async ([, harm]) => {
    const here = await world();
    const before = await here.snapshot();
    for (const command of ["off", "on"] as const) {
      await here.run({ command: "on" });
      await harm(here.at(file));
      const look = await here.look();
      expect(look.stand).toBe("unfinished");
      expect(wouldNotStart(look.seen)).toBe(true);
      await here.run({ command });
      await here.server.stop("immediate");
      await here.server.start();
      expect((await here.look()).stand).toBe(command);
    }
    await here.run({ command: "off" });
    expect(await here.snapshot()).toEqual(before);
  });
});

test("a server on which ALTER SYSTEM is not allowed", async (context) => {
  const installation = await chooseInstallation("target", () => {});
  if (installation.majorVersion < 17) return context.skip("allow_alter_system came with PostgreSQL 17");
  const here = await world({ installation, settings: { allow_alter_system: "off" } });
  await expect(here.run({ command: "on" })).rejects.toMatchObject({ code: "TLS_SERVER_UNSUITABLE" });
});

describe("rules of pg_hba.conf that TLS gives another meaning", () => {
  async function withRules(rules: string) {
    const here = await world();
    const hba = here.at("pg_hba.conf");
    await writeFile(hba, `${rules}\n${await readFile(hba, "utf8")}`);
    await reloadServer(here.server.connection());
    return { here, before: await here.snapshot() };
  }

  test("are shown and refused, and once accepted the switch goes on", async () => {
    const { here, before } = await withRules("hostnossl all all 127.0.0.1/32 scram-sha-256");
    await expect(here.run({ command: "on" })).rejects.toMatchObject({
      code: "TLS_RULES_CHANGE",
      message: expect.stringContaining("line 1: hostnossl all all 127.0.0.1/255.255.255.255 scram-sha-256"),
    });
    expect(await here.snapshot()).toEqual(before);
    expect((await here.run({ command: "on", acceptRules: true })).plan).toMatchObject({
      action: "switch-on",
    });
    expect(await libpq(here, "prefer")).toBe(true);
  });

  test("that nobody matches without TLS are told as well", async () => {
    const { here, before } = await withRules("hostssl railway postgres 10.0.0.0/8 trust");
    await expect(here.run({ command: "on" })).rejects.toMatchObject({
      code: "TLS_RULES_CHANGE",
      message: expect.stringContaining("line 1: hostssl railway postgres 10.0.0.0/255.0.0.0 trust"),
    });
    expect(await here.snapshot()).toEqual(before);
  });

  test("that keep out whoever uses TLS: everything is put back", async () => {
    const { here, before } = await withRules("hostssl all all all reject");
    await expect(here.run({ command: "on", acceptRules: true })).rejects.toMatchObject({
      code: "TLS_NOT_SWITCHED",
      message: expect.stringContaining("a session with TLS is refused"),
    });
    expect(await here.snapshot()).toEqual(before);
    expect(await libpq(here, "prefer")).toBe(false);
  });
});

test("a host name that is none gets into no command", async () => {
  const here = await world({ variables: { RAILWAY_TCP_PROXY_DOMAIN: "x';touch /tmp/target-tls-owned;'" } });
  await here.run({ command: "on" });
  expect((await here.look()).seen.files.current).toMatchObject({ names: ["DNS:pgvector.railway.internal"] });
  expect(here.log.join("\n")).not.toContain("owned");
});

test("each client is told by what its variable asks for", async () => {
  const url = "${{pgvector.DATABASE_URL}}";
  const here = await world({
    services: {
      api: { DATABASE_URL: url, OTHER: "x" },
      doctor: { DATABASE_URL: `${url}?sslmode=require`, PGSSLMODE: "require" },
      admin: { LLM_DATABASE_URL: `${url}?sslmode=verify-full`, SECRET_URL: null },
      elsewhere: {
        DATABASE_URL: "postgresql://a:b@elsewhere.railway.internal/x?sslmode=require",
        PGSSLMODE: "require",
      },
    },
  });
  expect((await here.look()).variables).toEqual([
    { object: "api DATABASE_URL", wish: "unsaid" },
    { object: "doctor DATABASE_URL", wish: "tls" },
    { object: "doctor PGSSLMODE", wish: "tls" },
    { object: "admin LLM_DATABASE_URL", wish: "verified" },
    { object: "admin SECRET_URL", wish: "unreadable" },
  ]);
});
