import { spawn } from "node:child_process";
import { once } from "node:events";
import { access } from "node:fs/promises";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ConnectionTarget, connect, withConnection } from "../../../components/postgres/connection.ts";
import { connectionTo, type PostgresServer, type ServerFacts, startServer } from "./server.ts";

describe("a source", () => {
  let server: PostgresServer;
  const lines: string[] = [];
  beforeAll(async () => {
    server = await startServer({
      role: "source",
      settings: { log_statement: "ddl", work_mem: "7MB" },
      log: (line) => lines.push(line),
    });
  });
  afterAll(() => server?.dispose());

  test("is what its facts say, on loopback only", async () => {
    const settings = "version, listen_addresses, port, work_mem".split(", ");
    const shown = await one(
      server.connection(),
      `SELECT ${settings.map((name) => `current_setting('${name === "version" ? "server_version" : name}') AS ${name}`)}`,
    );
    expect(shown).toMatchObject({
      listen_addresses: "127.0.0.1",
      port: String(server.port),
      work_mem: "7MB",
    });
    expect(Number.parseInt(String(shown.version), 10)).toBe(server.majorVersion);
    expect(server.origin).toContain(`PostgreSQL ${server.majorVersion}`);
  });

  test("offers TLS, and refuses a wrong password", async () => {
    expect(server.connection().tls).toBe("require");
    const tls = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    expect(await one(server.connection(), tls)).toEqual({ ssl: true });
    const stranger = { ...server.connection(), password: "wrong" };
    await expect(connect(stranger, { purpose: "test" })).rejects.toMatchObject({ code: "WRONG_PASSWORD" });
  });

  test("hands its log over", async () => {
    await one(server.connection(), "CREATE TABLE public.logged ()");
    await expect.poll(() => lines.join("\n")).toContain("CREATE TABLE public.logged ()");
  });

  test("keeps port and data over a stop and over a crash", async () => {
    await one(server.connection(), "CREATE TABLE public.kept AS SELECT 1 AS value");
    for (const mode of ["fast", "immediate"] as const) {
      await server.stop(mode);
      await expect(connect(server.connection(), { purpose: "test" })).rejects.toMatchObject({
        code: "SERVER_UNREACHABLE",
      });
      await server.start();
      expect(await one(server.connection(), "SELECT value FROM public.kept")).toEqual({ value: 1 });
    }
  });
});

describe("a target", () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startServer({ role: "target" });
  });
  afterAll(() => server?.dispose());

  test("is PostgreSQL 17 or later without TLS", async () => {
    expect(server.majorVersion).toBeGreaterThanOrEqual(17);
    expect(server.connection().tls).toBe("off");
    const encrypted: ConnectionTarget = { ...server.connection(), tls: "require" };
    await expect(connect(encrypted, { purpose: "test" })).rejects.toMatchObject({ code: "TLS_NOT_OFFERED" });
  });

  test("has pgvector exactly when it says so", async () => {
    const available = "SELECT count(*)::int AS vector FROM pg_available_extensions WHERE name = 'vector'";
    expect(await one(server.connection(), available)).toEqual({ vector: server.hasPgvector ? 1 : 0 });
    expect(server.origin.includes("without pgvector")).toBe(!server.hasPgvector);
  });

  test("builds an HNSW index and searches with it", async (context) => {
    if (!server.hasPgvector) context.skip("no pgvector on this machine");
    await withConnection(server.connection(), { purpose: "test" }, async (client) => {
      await client.query("SET search_path = public");
      await client.query("CREATE EXTENSION vector; CREATE TABLE embeddings (value vector(3))");
      await client.query("SET min_parallel_table_scan_size = 0");
      await client.query(
        "INSERT INTO embeddings SELECT ARRAY[n, 1, 0]::vector FROM generate_series(1, 2000) n",
      );
      await client.query("CREATE INDEX ON embeddings USING hnsw (value vector_l2_ops)");
      await client.query("SET enable_seqscan = off");
      const { rows } = await client.query(
        "SELECT value::text FROM embeddings ORDER BY value <-> '[7,1,0]' LIMIT 1",
      );
      expect(rows).toEqual([{ value: "[7,1,0]" }]);
    });
  });
});

describe("cleaning up", () => {
  test("dispose leaves neither server nor data", async () => {
    const server = await startServer({ role: "source" });
    const folder = await dataFolder(server.connection());
    await expect(access(folder)).resolves.toBeUndefined();
    await server.dispose();
    await expect(access(folder)).rejects.toMatchObject({ code: "ENOENT" });
    await expect(connect(server.connection(), { purpose: "test" })).rejects.toMatchObject({
      code: "SERVER_UNREACHABLE",
    });
  });

  test.each(["SIGKILL", "SIGINT"] as const)(
    "a process that ends by %s takes its server along",
    async (signal) => {
      const script = fileURLToPath(new URL("server.ts", import.meta.url));
      const program = `const { startServer } = await import(${JSON.stringify(script)});
      console.log(JSON.stringify(await startServer({ role: "source" })));
      setInterval(() => {}, 1000);`;
      const owner = spawn(process.execPath, ["--input-type=module", "--eval", program], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      const exited = once(owner, "exit");
      const [line] = await once(createInterface({ input: owner.stdout }), "line");
      const connection = connectionTo(JSON.parse(line) as ServerFacts);
      const folder = await dataFolder(connection);
      owner.kill(signal);
      await exited;
      const look = () => access(folder).catch(({ code }) => code);
      await expect.poll(look).toBe("ENOENT");
      await expect(connect(connection, { purpose: "test" })).rejects.toMatchObject({
        code: "SERVER_UNREACHABLE",
      });
    },
  );
});

async function one(connection: ConnectionTarget, statement: string): Promise<Record<string, unknown>> {
  return withConnection(
    connection,
    { purpose: "test" },
    async (client) => (await client.query(statement)).rows[0],
  );
}

async function dataFolder(connection: ConnectionTarget): Promise<string> {
  return String((await one(connection, "SHOW data_directory")).data_directory);
}
