import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { assertCatalogueUnchanged, runGate } from "../../../components/migration/gate/gate.ts";
import { type GateReport, gateReportSchema } from "../../../components/migration/gate/report.ts";
import type { Acceptance } from "../../../components/migration/inputs.ts";
import type { GateProgress } from "../../../components/migration/progress.ts";
import { connect, withConnection } from "../../../components/postgres/connection.ts";
import { TableHashing } from "../../../components/postgres/content/hash-tables.ts";
import { fenceTriggerName } from "../../../components/postgres/fence/fence.ts";
import {
  fingerprintProtected,
  type ProtectedFingerprint,
} from "../../../components/postgres/fingerprint/fingerprint.ts";
import { listTables } from "../../../components/postgres/relations.ts";
import { readSequences } from "../../../components/postgres/sequences.ts";
import { richDdl, richSchemas } from "../../postgres/catalogue/catalogue-ddl.ts";
import { createDatabase, type TestDatabase } from "../../world/postgres/databases.ts";
import { sharedServers } from "../../world/postgres/shared.ts";
import { inBatches } from "./batches.ts";
import { mutations } from "./mutations.ts";

const servers = sharedServers();
const protectedSchemas = ["llm_assistant"];
const protectedDdl = `
  CREATE SCHEMA llm_assistant;
  CREATE TABLE llm_assistant.chunk(id serial PRIMARY KEY, body text);
  INSERT INTO llm_assistant.chunk(body) SELECT 'chunk ' || g FROM generate_series(1, 20) g;
`;

let source: TestDatabase;
let template: TestDatabase;

beforeAll(async () => {
  [source, template] = await Promise.all([createDatabase(servers.source), createDatabase(servers.target)]);
  await Promise.all([run(source, richDdl), run(template, `${richDdl} ${protectedDdl}`)]);
});

afterAll(async () => {
  await Promise.all([source?.drop(), template?.drop()]);
});

/** Gates a copy on which the statements were run by a session that has ended. */
async function gateAfter(
  statements: string | readonly string[],
  { accept = [], snapshot }: { accept?: Acceptance[]; snapshot?: string } = {},
): Promise<GateReport> {
  const target = await createDatabase(servers.target, { template: template.connection.database });
  try {
    const protectedBefore = await fingerprint(target);
    await run(target, statements);
    return await gate(target, protectedBefore, { accept, snapshot });
  } finally {
    await target.drop();
  }
}

async function gate(
  target: TestDatabase,
  protectedBefore: ProtectedFingerprint,
  options: { accept?: Acceptance[]; snapshot?: string | undefined } = {},
): Promise<GateReport> {
  let progress: GateProgress = {};
  const report = await runGate({
    source: source.connection,
    snapshot: options.snapshot,
    target: target.connection,
    schemas: richSchemas,
    protectedSchemas,
    protectedBefore,
    accept: options.accept ?? [],
    workers: 2,
    onProgress: (now) => {
      progress = now;
    },
  });
  const toTheEnd = { tablesDone: report.tables.length, tablesTotal: report.tables.length, inFlight: [] };
  expect(progress).toMatchObject({ source: toTheEnd, target: toTheEnd });
  return gateReportSchema.parse(JSON.parse(JSON.stringify(report)));
}

function fingerprint(database: TestDatabase): Promise<ProtectedFingerprint> {
  return withConnection(database.connection, { purpose: "test" }, (client) =>
    fingerprintProtected(client, protectedSchemas),
  );
}

async function run(database: TestDatabase, statements: string | readonly string[]): Promise<void> {
  await withConnection(database.connection, { purpose: "test" }, async (client) => {
    for (const statement of [statements].flat()) await client.query(statement);
  });
}

function shown({ differences }: GateReport): string[] {
  return differences.map(({ code, object, aspect }) =>
    [code, object, aspect].filter((part) => part).join(" "),
  );
}

describe("a copy that is right", () => {
  it("is green, compared in full, and the same report twice", async () => {
    const report = await gateAfter("");
    expect(shown(report)).toEqual([]);
    expect(report.verdict).toBe("green");
    expect(report.compared).toMatchObject({ tables: 10, sequences: 4 });
    expect(report.compared.catalogueObjects).toBeGreaterThan(100);
    expect(report.compared.protectedObjects).toBeGreaterThan(5);
    expect(report.tables.every(({ equal, rows, targetRows }) => equal && rows === targetRows)).toBe(true);
    expect(report.tables.map(({ name }) => name)).not.toContain("event");
    expect(await gateAfter("")).toEqual(report);
  });

  it("stays green with what does not matter", async () => {
    expect(shown(await gateAfter(harmless))).toEqual([]);
  });
});

describe("a copy that is wrong turns red and names what", () => {
  const batches = inBatches(mutations).map((batch) => ({
    batch,
    names: batch.map(([name]) => name).join(", "),
  }));

  it.each(batches)("$names", async ({ batch }) => {
    const report = await gateAfter(batch.map(([, statements]) => statements));
    expect(report.verdict).toBe("red");
    expect(shown(report).sort()).toEqual(batch.flatMap(([, , differences]) => differences).sort());
  });

  it("an enum's label renamed, wherever it shows", async () => {
    const report = await gateAfter("ALTER TYPE public.mood RENAME VALUE 'calm' TO 'quiet'");
    expect(shown(report)).toEqual([
      "CATALOGUE_CHANGED column public.users.mood default",
      "CATALOGUE_CHANGED enum public.mood labels",
      "CONTENT_DIFFERS table public.users values",
    ]);
    expect(JSON.stringify(report)).not.toMatch(/calm|quiet/);
  });
});

describe("acceptances", () => {
  const reason = "the index is built after promotion";
  const accepted = { code: "CATALOGUE_MISSING", object: "index public.users_mood", reason };

  it("make one difference green and show the reason", async () => {
    const report = await gateAfter("DROP INDEX public.users_mood", { accept: [accepted] });
    expect(report).toMatchObject({
      verdict: "green",
      differences: [{ accepted: reason }],
      staleAcceptances: [],
    });
  });

  it("cover nothing else, and are stale where nothing matches", async () => {
    const preflight = { code: "LARGE_OBJECTS", object: "source", reason };
    const report = await gateAfter("DROP INDEX public.users_lower", { accept: [accepted, preflight] });
    expect(report).toMatchObject({
      verdict: "red",
      differences: [{ accepted: null }],
      staleAcceptances: [accepted],
    });
  });

  it("without an aspect hold for one difference, and with it for that alone", async () => {
    const code = "CATALOGUE_CHANGED";
    const about = (object: string) => ({ code, object, reason });
    const table = "table public.users";
    const one = await gateAfter("COMMENT ON TABLE public.users IS 'x'", { accept: [about(table)] });
    expect(one).toMatchObject({ verdict: "green", staleAcceptances: [] });
    const both = "COMMENT ON TABLE public.users IS 'x'; ALTER TABLE public.users ENABLE ROW LEVEL SECURITY";
    const accept = [about(table), about(`${table} (comment)`)];
    const report = await gateAfter(both, { accept });
    expect(report).toMatchObject({ verdict: "red", staleAcceptances: [about(table)] });
    expect(report.differences).toMatchObject([
      { aspect: "comment", accepted: reason },
      { aspect: "rowSecurity", accepted: null },
    ]);
  });

  it("of large objects that stay behind hold for the preflight and here", async () => {
    const accept = [{ code: "LARGE_OBJECTS", object: "source", reason }];
    const report = await gateAfter("SELECT lo_unlink(99001)", { accept });
    expect(report).toMatchObject({ verdict: "green", staleAcceptances: [] });
    expect(report.differences.map(({ accepted }) => accepted)).toEqual([reason, reason]);
  });
});

it("lets the protected schema's own users write", async () => {
  const report = await gateAfter("INSERT INTO llm_assistant.chunk(body) VALUES ('new')");
  expect(report).toMatchObject({
    verdict: "green",
    differences: [],
    writtenByOthers: ["sequence llm_assistant.chunk_id_seq", "table llm_assistant.chunk"],
  });
});

it("waits for writes of the protected schema that a session has not reported yet", async () => {
  const target = await createDatabase(servers.target, { template: template.connection.database });
  const writer = await connect(target.connection, { purpose: "test" });
  try {
    const write = () => writer.query("UPDATE llm_assistant.chunk SET body = body || '!' WHERE id = 1");
    await write();
    const protectedBefore = await fingerprint(target);
    await write();
    expect(await gate(target, protectedBefore)).toMatchObject({
      verdict: "green",
      writtenByOthers: ["table llm_assistant.chunk"],
    });
  } finally {
    await writer.end();
    await target.drop();
  }
});

it("does not read large objects: they stay behind, and the server returns none of 1 GB", async () => {
  const atEnd = "SELECT lo_put(99001, 1073741824, '\\x01')";
  await run(source, atEnd);
  try {
    expect(shown(await gateAfter(atEnd))).toEqual([]);
  } finally {
    await run(source, "SELECT lo_truncate64(lo_open(99001, 131072), 2)");
  }
});

describe("a source that goes on", () => {
  it("is compared as of the snapshot, and its sequences with what was loaded", async () => {
    const target = await createDatabase(servers.target, { template: template.connection.database });
    const exporter = await connect(source.connection, { purpose: "test" });
    try {
      await exporter.query("BEGIN ISOLATION LEVEL REPEATABLE READ");
      const { rows } = await exporter.query("SELECT pg_export_snapshot() AS snapshot");
      const expectedSequences = await readSequences(exporter, richSchemas);
      await run(
        source,
        "INSERT INTO medical_records.note VALUES ('late', 1); SELECT nextval('public.users_id_seq')",
      );
      const protectedBefore = await fingerprint(target);
      const options = {
        source: source.connection,
        target: target.connection,
        schemas: richSchemas,
        protectedSchemas,
        protectedBefore,
        accept: [],
        workers: 2,
      };
      const held = await runGate({ ...options, snapshot: rows[0].snapshot, expectedSequences });
      expect(shown(held)).toEqual([]);
      expect(shown(await runGate(options))).toEqual([
        "SEQUENCE_DIFFERS sequence public.users_id_seq position",
        "CONTENT_DIFFERS table medical_records.note rows",
      ]);
    } finally {
      await exporter.end();
      await run(
        source,
        "DELETE FROM medical_records.note WHERE body = 'late'; SELECT setval('public.users_id_seq', 500)",
      );
      await target.drop();
    }
  });

  it("may be hashed before the gate begins, but only whole", async () => {
    const target = await createDatabase(servers.target, { template: template.connection.database });
    const exporter = await connect(source.connection, { purpose: "test" });
    try {
      await exporter.query("BEGIN ISOLATION LEVEL REPEATABLE READ");
      const { rows } = await exporter.query("SELECT pg_export_snapshot() AS snapshot");
      const { snapshot } = rows[0];
      const tables = (await listTables(exporter, richSchemas)).filter(({ kind }) => kind === "table");
      const protectedBefore = await fingerprint(target);
      const gateWith = (hashed: typeof tables) =>
        runGate({
          ...{ source: source.connection, target: target.connection, schemas: richSchemas, snapshot },
          ...{ protectedSchemas, protectedBefore, accept: [], workers: 2 },
          sourceHashing: new TableHashing({
            connect: () => connect(source.connection, { purpose: "gate", readOnly: true }),
            ...{ tables: hashed, snapshot },
          }),
        });
      expect(await gateWith(tables)).toEqual(await gate(target, protectedBefore, { snapshot }));
      await expect(gateWith(tables.slice(1))).rejects.toThrow("other tables were hashed");
    } finally {
      await exporter.end();
      await target.drop();
    }
  });

  it("is not read to the end when the other side has failed", async () => {
    const target = await createDatabase(servers.target, { template: template.connection.database });
    const admin = await connect(servers.target.connection(), { purpose: "test" });
    try {
      const protectedBefore = await fingerprint(target);
      const tables = await withConnection(source.connection, { purpose: "test" }, (client) =>
        listTables(client, richSchemas),
      );
      let isHashing = false;
      const sourceHashing = new TableHashing({
        // What it hashes has to wait for what never ends.
        connect: async () => {
          isHashing = true;
          const client = await connect(source.connection, { purpose: "gate", readOnly: true });
          client.query("SELECT pg_sleep(3600)").catch(() => {});
          return client;
        },
        tables: tables.filter(({ kind }) => kind === "table"),
      });
      const gated = runGate({
        ...{ source: source.connection, target: target.connection, schemas: richSchemas, sourceHashing },
        ...{ protectedSchemas, protectedBefore, accept: [], workers: 2 },
      });
      gated.catch(() => {});
      await expect.poll(() => isHashing, { interval: 5 }).toBe(true);
      await admin.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", [
        target.connection.database,
      ]);
      await expect(gated).rejects.toThrow(/terminat|open a session|not queryable/);
    } finally {
      await admin.end();
      await target.drop();
    }
  });

  it("is found out when its catalogue changes after the gate", async () => {
    const report = await gateAfter("");
    await withConnection(source.connection, { purpose: "test" }, async (client) => {
      await expect(assertCatalogueUnchanged(client, richSchemas, report)).resolves.toBeUndefined();
      await client.query("CREATE TABLE public.surprise()");
      await expect(assertCatalogueUnchanged(client, richSchemas, report)).rejects.toMatchObject({
        code: "SOURCE_CHANGED_BEFORE_FENCE",
      });
      await client.query("DROP TABLE public.surprise");
    });
  });
});

const harmless = [
  // Another physical order.
  "CREATE TABLE public.spare AS TABLE medical_records.note; TRUNCATE medical_records.note; INSERT INTO medical_records.note SELECT * FROM public.spare ORDER BY body; DROP TABLE public.spare",
  // Rewritten rows.
  "UPDATE medical_records.patient SET mrn = mrn; CLUSTER public.users",
  // Other column numbers.
  "ALTER TABLE public.audit_log ADD COLUMN gone int; ALTER TABLE public.audit_log DROP COLUMN gone",
  // Statistics.
  "ANALYZE",
  // Cached sequence values.
  "SELECT nextval('public.users_id_seq'); SELECT setval('public.users_id_seq', 500)",
  // Rebuilt indexes.
  "REINDEX TABLE public.users",
  // An explicit grant of the default.
  "GRANT ALL ON public.users TO postgres; GRANT EXECUTE ON FUNCTION public.same_text(text, text) TO PUBLIC",
  // The cutover's own fence.
  `CREATE SCHEMA pgvector_cutover; CREATE FUNCTION pgvector_cutover.refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''closed''; END';
      CREATE TRIGGER ${fenceTriggerName} BEFORE INSERT ON public.users EXECUTE FUNCTION pgvector_cutover.refuse()`,
];
