import { execFile } from "node:child_process";
import { readdir, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { promisify } from "node:util";
import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import { findArchiveClient } from "../../components/postgres/archive/client.ts";
import { dumpArchive } from "../../components/postgres/archive/dump-archive.ts";
import { restoreArchive } from "../../components/postgres/archive/restore-archive.ts";
import { type ConnectionTarget, databaseUrl, withConnection } from "../../components/postgres/connection.ts";
import { clientEnvironment } from "../../components/postgres/dump/client-environment.ts";
import { findInstalledClients, runInstalledDump } from "../../components/postgres/dump/installed.ts";
import { openRelay, withRelay } from "../../components/postgres/relay.ts";
import { closedPort } from "../migration/preflight/closed-port.ts";
import { createDatabase } from "../world/postgres/databases.ts";
import { sharedServers } from "../world/postgres/shared.ts";
import { startImpostor } from "./impostor.ts";

const { source } = sharedServers();
const fingerprint = source.fingerprint as string;
const pinned = (port = source.port): ConnectionTarget => ({
  ...source.connection("postgres"),
  port,
  tls: { fingerprint },
});
const clients = await findInstalledClients();
const archiveClient = await findArchiveClient(source.majorVersion).catch(() => undefined);
const signal = new AbortController().signal;
const isEncrypted = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";

test("a program that takes a URL gets to a pinned server, encrypted on the way", async () => {
  const rows = await withRelay(pinned(), async (reached) => {
    const client = new pg.Client({ connectionString: databaseUrl(reached) });
    await client.connect();
    const result = await client.query(isEncrypted);
    await client.end();
    return result.rows;
  });
  expect(rows).toEqual([{ ssl: true }]);
});

test("much data and several connections pass", async () => {
  await withRelay(pinned(), async (reached) => {
    const sizes = await Promise.all(
      [1, 2, 3].map((size) =>
        withConnection(reached, { purpose: "test", readOnly: true }, async (client) => {
          const { rows } = await client.query("select repeat('x', $1::int * 1000000) as text", [size]);
          return rows[0].text.length;
        }),
      ),
    );
    expect(sizes).toEqual([1_000_000, 2_000_000, 3_000_000]);
  });
});

test("only this user can get at it, and nothing of it is left", async () => {
  const folders = async () =>
    (await readdir(tmpdir())).filter((name) => name.startsWith("pgvector-cutover-"));
  let folder = "";
  await withRelay(pinned(), async (reached) => {
    folder = reached.host;
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
  });
  expect(await folders()).not.toContain(folder.split("/").at(-1));
});

test("whoever asks for encryption on the socket is told that there is none", async () => {
  await withRelay(pinned(), async (reached) => {
    const asking = new pg.Client({
      connectionString: databaseUrl(reached),
      ssl: { rejectUnauthorized: false },
    });
    await expect(asking.connect()).rejects.toThrow("does not support SSL");
  });
});

test("somebody in between reads nothing, whatever the program made of it", async () => {
  const impostor = await startImpostor(source, "S");
  onTestFinished(() => impostor.close());
  const careless = withRelay(pinned(impostor.port), async (reached) => {
    await new pg.Client({ connectionString: databaseUrl(reached) }).connect().catch(() => {});
    return "done";
  });
  await expect(careless).rejects.toMatchObject({ code: "CERTIFICATE_CHANGED" });
  expect(impostor.overheard()).toHaveLength(0);
});

test("a server that was not there for a moment is the program's own affair, and the reason of its failure", async () => {
  const nobody = pinned(await closedPort());
  const careless = async (reached: ConnectionTarget) => {
    await new pg.Client({ connectionString: databaseUrl(reached) }).connect().catch(() => {});
    return "done";
  };
  expect(await withRelay(nobody, careless)).toBe("done");
  const failing = withRelay(nobody, async (reached) => {
    await careless(reached);
    throw new Error("exit code 1");
  });
  await expect(failing).rejects.toMatchObject({ code: "SERVER_UNREACHABLE" });
});

test("what need not be held to a certificate is reached as it is", async () => {
  const plain = source.connection();
  const relay = await openRelay(plain);
  expect(relay.reached).toEqual(plain);
  await relay.close();
});

test.skipIf(archiveClient === undefined)("psql gets through, and asks for nothing else", async () => {
  await withRelay(pinned(), async (reached) => {
    const { stdout } = await promisify(execFile)(
      archiveClient?.psqlPath as string,
      ["--no-psqlrc", "--tuples-only", "--no-align", "--command", isEncrypted],
      { env: clientEnvironment(reached, { purpose: "test", readOnly: true }) },
    );
    expect(stdout.trim()).toBe("t");
  });
});

test.skipIf(clients.length === 0)("an installed pg_dump is held to the pin", async () => {
  const client = clients.toSorted((a, b) => b.major - a.major)[0] as (typeof clients)[number];
  const args = ["--schema-only", "--schema=pg_catalog"];
  const told = await runInstalledDump(client, pinned(), args, signal);
  expect(told).toMatchObject({ ok: true });
  const impostor = await startImpostor(source, "S");
  onTestFinished(() => impostor.close());
  await expect(runInstalledDump(client, pinned(impostor.port), args, signal)).rejects.toMatchObject({
    code: "CERTIFICATE_CHANGED",
  });
  expect(impostor.overheard()).toHaveLength(0);
});

test.skipIf(archiveClient === undefined)("an archive is dumped and restored through it", async () => {
  const client = archiveClient as NonNullable<typeof archiveClient>;
  const [dumped, restored] = await Promise.all([createDatabase(source), createDatabase(source)]);
  onTestFinished(async () => {
    await Promise.all([dumped.drop(), restored.drop()]);
  });
  const through = ({ connection }: typeof dumped): ConnectionTarget => ({
    ...connection,
    tls: { fingerprint },
  });
  await withConnection(dumped.connection, { purpose: "test" }, (session) =>
    session.query("create table public.moved as select n from generate_series(1, 1000) as n"),
  );
  await restoreArchive(dumpArchive(client, through(dumped), signal), {
    ...{ client, database: through(restored), searchPath: "public", signal },
  });
  const { rows } = await withConnection(restored.connection, { purpose: "test" }, (session) =>
    session.query("select count(*)::int as rows from public.moved"),
  );
  expect(rows).toEqual([{ rows: 1000 }]);
  const impostor = await startImpostor(source, "S");
  onTestFinished(() => impostor.close());
  const away = { ...through(dumped), port: impostor.port };
  await expect(dumpArchive(client, away, signal).next()).rejects.toMatchObject({
    code: "CERTIFICATE_CHANGED",
  });
  expect(impostor.overheard()).toHaveLength(0);
});
