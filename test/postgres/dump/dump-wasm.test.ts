import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { afterAll, afterEach, expect, test, vi } from "vitest";
import { type ConnectionTarget, withConnection } from "../../../components/postgres/connection.ts";
import { dumpArguments } from "../../../components/postgres/dump/arguments.ts";
import { parseDumpScript } from "../../../components/postgres/dump/parse-script.ts";
import {
  runWasmDump,
  type WasmDumpOptions,
  wasmClientVersion,
} from "../../../components/postgres/dump/wasm.ts";
import { type DumpEntry, describeDumpClient, dumpSchema } from "../../../components/postgres/dump.ts";
import { patienceMs } from "../../patience.ts";
import { startWireProxy } from "../../protocol/wire-proxy.ts";
import { createDatabase, type TestDatabase } from "../../world/postgres/databases.ts";
import { sharedServers } from "../../world/postgres/shared.ts";
import { startSilencer } from "../../world/postgres/silencer.ts";
import { ask, withSnapshot } from "../load/fixture.ts";

const servers = sharedServers();
const databases: TestDatabase[] = [];
const closers: Array<() => unknown> = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});
afterAll(() => Promise.all(databases.map((database) => database.drop())));

async function newDatabase(role: "source" | "target", ddl: string): Promise<ConnectionTarget> {
  const database = await createDatabase(servers[role]);
  databases.push(database);
  await ask(database.connection, ddl);
  return database.connection;
}

const oneTable = "CREATE TABLE public.t (a int)";

function dump(
  source: ConnectionTarget,
  options: Partial<WasmDumpOptions> = {},
): ReturnType<typeof runWasmDump> {
  return withSnapshot(directly(source), (snapshot) =>
    runWasmDump({
      source,
      args: dumpArguments(["public"], snapshot),
      signal: new AbortController().signal,
      ...options,
    }),
  );
}

async function dumpEntries(source: ConnectionTarget, timeoutMs = 60_000): Promise<DumpEntry[]> {
  const result = await dump(source, { signal: AbortSignal.timeout(timeoutMs) });
  if (!result.ok) throw new Error(result.message);
  return parseDumpScript(result.script);
}

const ways = new Map<number, number>();

/** The server itself, where `source` names a way to it that can fail. */
function directly(source: ConnectionTarget): ConnectionTarget {
  return { ...source, port: ways.get(source.port) ?? source.port };
}

function through(source: ConnectionTarget, port: number): ConnectionTarget {
  ways.set(port, source.port);
  return { ...source, port };
}

/** Runs `use` while a dump that `start` began waits for a lock on the only table, with the dump's session. */
async function whileWaiting<Result>(
  source: ConnectionTarget,
  start: () => Promise<Result>,
  use: (session: { pid: number; ssl: boolean }, unlock: () => Promise<unknown>) => Promise<void>,
): Promise<PromiseSettledResult<Result>> {
  return withConnection(directly(source), { purpose: "test" }, async (holder) => {
    await holder.query("BEGIN; LOCK TABLE public.t");
    const settled = Promise.allSettled([start()]);
    const session = await vi.waitFor(
      async () => {
        const [row] = await ask(directly(source), waitingDump);
        if (row === undefined) throw new Error("no dump waits");
        return row;
      },
      { timeout: patienceMs, interval: 50 },
    );
    await use(session, () => holder.query("COMMIT"));
    const [result] = await settled;
    return result;
  });
}

const waitingDump = `
  SELECT pid, ssl FROM pg_stat_activity JOIN pg_stat_ssl USING (pid)
   WHERE datname = current_database() AND application_name ~ ':dump$' AND wait_event_type = 'Lock'`;

test("2,000 tables come out as an installed pg_dump writes them", { timeout: 900_000 }, async () => {
  const source = await newDatabase("source", "SELECT");
  for (let first = 0; first < 2_000; first += 200) await ask(source, tables(first, first + 199));
  const builtIn = await dumpEntries(source, 600_000);
  expect(builtIn.filter(({ type }) => type === "TABLE")).toHaveLength(2_000);
  expect(builtIn.filter(({ type }) => type === "FK CONSTRAINT")).toHaveLength(1_999);
  // Where none is installed it is the built-in one again.
  const installed = await withSnapshot(source, (snapshot) =>
    dumpSchema({
      ...{ source, schemas: ["public"], snapshot, timeoutMs: 600_000 },
      minimumMajor: servers.source.majorVersion,
    }),
  );
  expect(installed.entries).toEqual(builtIn);
});

function tables(first: number, last: number): string {
  return `
    DO $$ BEGIN
      FOR i IN ${first}..${last} LOOP
        EXECUTE format('CREATE TABLE public."Table %s" (id bigint PRIMARY KEY, name text NOT NULL DEFAULT %L, at date,
          amount numeric(10,2) CHECK (amount > 0), parent bigint)', i, 'x;' || i);
        EXECUTE format('CREATE INDEX ON public."Table %s" (at, lower(name))', i);
        IF i > 0 THEN
          EXECUTE format('ALTER TABLE public."Table %s" ADD FOREIGN KEY (parent) REFERENCES public."Table %s"', i, i - 1);
        END IF;
      END LOOP;
    END $$`;
}

test("queries longer than libpq sends in one piece are answered", async () => {
  const source = await newDatabase(
    "source",
    `DO $$ BEGIN
       FOR i IN 1..200 LOOP EXECUTE format('CREATE TABLE public.%I ()', lpad(i::text, 60, 'long name ')); END LOOP;
     END $$`,
  );
  expect(await dumpEntries(source)).toHaveLength(200);
});

test.each(["source", "target"] as const)(
  "encrypts as the %s's transport says, and waits for locks",
  async (role) => {
    const source = await newDatabase(role, oneTable);
    const result = await whileWaiting(
      source,
      () => dump(source),
      async ({ ssl }, unlock) => {
        expect(ssl).toBe(source.tls === "require");
        await unlock();
      },
    );
    expect(result).toMatchObject({
      value: { ok: true, script: expect.stringContaining('TABLE "public"."t"') },
    });
  },
);

test("the sources of these tests are one with TLS and one without", () => {
  expect([servers.source.offersTls, servers.target.offersTls]).toEqual([true, false]);
});

test("a server that ends the session in mid-dump", async () => {
  const source = await newDatabase("source", oneTable);
  const result = await whileWaiting(
    source,
    () => dump(source),
    async ({ pid }) => void (await ask(source, `SELECT pg_terminate_backend(${pid})`)),
  );
  expect(result).toMatchObject({ reason: { code: "DUMP_CONNECTION_LOST" } });
});

test("a connection that is reset in mid-dump", async () => {
  const server = await newDatabase("target", oneTable);
  const proxy = await startWireProxy(server);
  closers.push(() => proxy.close());
  const source = through(server, proxy.port);
  const result = await whileWaiting(
    source,
    () => dump(source),
    async () => proxy.cut(),
  );
  expect(result).toMatchObject({ reason: { code: "DUMP_CONNECTION_LOST" } });
});

test("a connection that is lost before the program has started", async () => {
  const server = await newDatabase("target", oneTable);
  const proxy = await startWireProxy(server);
  closers.push(() => proxy.close());
  proxy.intercept(async ({ session, text }) =>
    session.endsWith(":dump") && text.includes("unnest($1") ? "drop" : "go-on",
  );
  await expect(dump(through(server, proxy.port))).rejects.toMatchObject({ code: "DUMP_CONNECTION_LOST" });
});

test("a server that falls silent in mid-dump costs no more than the time limit", async () => {
  const server = await newDatabase("source", oneTable);
  const silencer = await startSilencer(server.port);
  closers.push(silencer.close);
  const source = through(server, silencer.port);
  const abort = new AbortController();
  const result = await whileWaiting(
    source,
    () => dump(source, { signal: abort.signal }),
    async (_session, unlock) => {
      silencer.silence();
      await unlock();
      abort.abort(new Error("time is up"));
    },
  );
  expect(result).toMatchObject({ reason: { message: "time is up" } });
});

test("says that the server was silent when the time was up", async ({ skip }) => {
  const minimumMajor = Number.parseInt(wasmClientVersion, 10);
  const chosen = await describeDumpClient(minimumMajor);
  skip(chosen.ok && chosen.client.kind === "installed", "an installed pg_dump goes before the built-in one");
  const source = await newDatabase("source", oneTable);
  await withConnection(source, { purpose: "test" }, async (holder) => {
    await holder.query("BEGIN; LOCK TABLE public.t");
    const dumping = withSnapshot(source, (snapshot) =>
      dumpSchema({ source, schemas: ["public"], snapshot, minimumMajor, timeoutMs: 2_000 }),
    );
    await expect(dumping).rejects.toMatchObject({
      code: "DUMP_TIMEOUT",
      message: expect.stringMatching(
        /\(wasm\) took longer than 2000 ms; the server had sent nothing for \d+ ms/,
      ),
    });
  });
});

test("an abort in mid-dump ends the dump and its session", async () => {
  const source = await newDatabase("source", oneTable);
  const abort = new AbortController();
  const result = await whileWaiting(
    source,
    () => dump(source, { signal: abort.signal }),
    async (_session, unlock) => {
      abort.abort(new Error("enough"));
      await unlock();
    },
  );
  expect(result).toMatchObject({ reason: { message: "enough" } });
  const dumping =
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name ~ ':dump$'";
  await expect.poll(() => ask(source, dumping)).toEqual([]);
});

test("an abort while a server does not greet", async () => {
  const greetless = createServer(() => abort.abort(new Error("enough")));
  const abort = new AbortController();
  greetless.listen(0, "127.0.0.1");
  await once(greetless, "listening");
  closers.push(() => greetless.close());
  const source = servers.target.connection();
  const { port } = greetless.address() as AddressInfo;
  await expect(dump(through(source, port), { signal: abort.signal })).rejects.toThrow("enough");
});

test("an abort while a server does not answer before the program has started", async () => {
  const server = await newDatabase("target", oneTable);
  const proxy = await startWireProxy(server);
  closers.push(() => proxy.close());
  const abort = new AbortController();
  proxy.intercept(async ({ session, text }) => {
    if (!session.endsWith(":dump") || !text.includes("current_setting")) return "go-on";
    abort.abort(new Error("enough"));
    return new Promise(() => {});
  });
  await expect(dump(through(server, proxy.port), { signal: abort.signal })).rejects.toThrow("enough");
});

test("a program that breaks down", async () => {
  const source = await newDatabase("source", oneTable);
  const args = [null as unknown as string];
  await expect(dump(source, { args })).rejects.toMatchObject({
    code: "DUMP_CLIENT_CRASHED",
    message: expect.stringContaining("stopped by itself (TypeError"),
    remedy: expect.stringContaining("Install PostgreSQL's own client programs"),
  });
});

test("one value longer than every buffer on the way", async () => {
  const source = await newDatabase(
    "source",
    `DO $do$ BEGIN
       EXECUTE 'CREATE FUNCTION public.f() RETURNS text LANGUAGE sql AS $f$ SELECT ''' || repeat('ä', 3000000) || ''' $f$';
     END $do$`,
  );
  const result = await dump(source);
  expect(result).toMatchObject({ ok: true, script: expect.stringContaining("ä".repeat(3_000_000)) });
});

test("writes no stamp of the server's build among a column's options", async () => {
  const source = await newDatabase(
    "target",
    `${oneTable}; ALTER TABLE public.t ALTER a SET (n_distinct = 5)`,
  );
  const table = (await dumpEntries(source)).find(({ type }) => type === "TABLE");
  expect(table?.sql).toMatch(/ALTER TABLE ONLY "public"\."t" ALTER COLUMN "a" SET \(n_distinct=5\);$/m);
});
