import { afterAll, beforeAll, expect, test } from "vitest";
import { connect, withConnection } from "../../../components/postgres/connection.ts";
import { type PostgresServer, startServer } from "../../world/postgres/server.ts";
import { loadSourceFixture } from "../../world/postgres/source-fixture.ts";
import { loadTargetFixture } from "../../world/postgres/target-fixture.ts";
import { type CutoverWorld, startCutoverWorld } from "../cutover-world.ts";

let source: PostgresServer;
let target: PostgresServer;
let here: CutoverWorld;
const log: string[] = [];

beforeAll(async () => {
  [source, target] = await Promise.all([
    startServer({ role: "source" }),
    startServer({
      role: "target",
      settings: { log_statement: "all", log_line_prefix: "%a|" },
      log: (line) => log.push(line),
    }),
  ]);
  await Promise.all([
    loadSourceFixture(source.connection(), { rows: 2_000 }),
    loadTargetFixture(target.connection(), target),
  ]);
  here = await startCutoverWorld({ source, target });
});

afterAll(async () => {
  await here?.stop();
  await Promise.all([source?.dispose(), target?.dispose()]);
});

test("the protected schema's users search and write all through a cutover, and nothing of ours can reach it", async () => {
  const rows = "SELECT count(*)::int AS n FROM llm_assistant.llm_conv_memory WHERE content = 'during'";
  const ended = new AbortController();
  const users = Promise.all([useOften("search", search), useOften("insert", insert)]);
  log.length = 0;
  try {
    expect((await here.run()).record.state).toBe("finished");
  } finally {
    ended.abort();
  }
  const [searches, inserts] = await users;
  for (const { name, calls, longestMs } of [searches, inserts]) {
    console.log(`${name}: ${calls} times during the cutover, the longest took ${longestMs.toFixed(0)} ms`);
    expect(calls).toBeGreaterThan(20);
  }
  expect(await here.query("target", rows)).toEqual([{ n: inserts.calls }]);

  const ours = statementsOf(/^pgvector_cutover/);
  expect(ours.length).toBeGreaterThan(500);
  const naming = ours.filter((statement) => /llm_assistant/i.test(statement));
  // The fingerprint's reads, and the journal's record of it.
  expect(naming.length).toBeGreaterThan(0);
  expect(naming.filter((statement) => !isHarmless(statement))).toEqual([]);
  expect(ours.filter((statement) => reachesEverything.test(statement))).toEqual([]);

  async function useOften(name: string, use: (client: Session) => Promise<void>) {
    const client = await connect(target.connection(), { purpose: "test" });
    try {
      await client.query("SET application_name = 'llm user'; SET enable_seqscan = off");
      let [calls, longestMs] = [0, 0];
      while (!ended.signal.aborted) {
        const start = performance.now();
        await use(client);
        longestMs = Math.max(longestMs, performance.now() - start);
        calls += 1;
      }
      return { name, calls, longestMs };
    } finally {
      await client.end();
    }
  }
});

test.runIf(process.platform !== "win32")("the search goes through the HNSW index", async ({ skip }) => {
  if (!target.hasPgvector) return skip("no pgvector on this machine");
  const plan = await withConnection(target.connection(), { purpose: "test" }, async (client) => {
    await client.query("SET enable_seqscan = off");
    const { rows } = await client.query(`EXPLAIN ${nearest(12)}`);
    return rows.map((row) => row["QUERY PLAN"]).join("\n");
  });
  expect(plan).toContain("llm_docs_chunks_embedding_idx");
});

type Session = Awaited<ReturnType<typeof connect>>;

async function search(client: Session): Promise<void> {
  const { rows } = await client.query(
    target.hasPgvector
      ? nearest(1 + Math.floor(Math.random() * 60))
      : "SELECT id FROM llm_assistant.search_chunks((SELECT embedding FROM llm_assistant.llm_docs_chunks WHERE id = 20), 3)",
  );
  expect(rows).toHaveLength(3);
}

function nearest(id: number): string {
  return `SELECT id FROM llm_assistant.llm_docs_chunks ORDER BY embedding OPERATOR(public.<=>)
    (SELECT embedding FROM llm_assistant.llm_docs_chunks WHERE id = ${id}) LIMIT 3`;
}

async function insert(client: Session): Promise<void> {
  await client.query(
    `INSERT INTO llm_assistant.llm_conv_memory (conversation_id, role, content, embedding)
     SELECT gen_random_uuid(), 'user', 'during', embedding FROM llm_assistant.llm_docs_chunks WHERE id = 7`,
  );
}

/** The statements of matching sessions, each with its further lines. */
function statementsOf(application: RegExp): string[] {
  const statements: string[] = [];
  let isOpen = false;
  for (const line of log) {
    const [, name, text] = /^([^|]*)\|(?:LOG: {2}(?:statement|execute [^:]*): (.*)|.*)/s.exec(line) ?? [];
    if (text !== undefined) {
      isOpen = application.test(name ?? "");
      if (isOpen) statements.push(text);
    } else if (name !== undefined) {
      isOpen = false;
    } else if (isOpen) {
      statements.push(`${statements.pop()}\n${line}`);
    }
  }
  return statements;
}

/** Reads without a row lock. */
function isHarmless(statement: string): boolean {
  return (
    /^\s*(?:SELECT|WITH)\b/i.test(statement) &&
    !/\b(?:FOR (?:NO KEY )?(?:UPDATE|SHARE)|nextval|setval|INSERT|UPDATE|DELETE)\b/i.test(statement)
  );
}

const reachesEverything =
  /^\s*(?:ANALYZE|VACUUM|REINDEX|CLUSTER)\s*(?:;|$)|(?<!\bON (?:DELETE|UPDATE) )\bCASCADE\b|\b(?:DROP|REASSIGN) OWNED\b|\bALL (?:TABLES|SEQUENCES|FUNCTIONS|ROUTINES) IN SCHEMA\b|\b(?:DROP|ALTER|CREATE) EXTENSION\b|\b(?:REINDEX|VACUUM) (?:DATABASE|SCHEMA|SYSTEM)\b/i;
