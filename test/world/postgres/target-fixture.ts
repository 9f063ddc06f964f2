import { readFile } from "node:fs/promises";
import { type ConnectionTarget, withConnection } from "../../../components/postgres/connection.ts";

/**
 * Fills an empty database like the new one before a cutover: the schema `llm_assistant` with its six tables
 * (63 chunks), `search_chunks` and `detect_modules`; with pgvector the extension in `public` and HNSW indexes, without
 * it the embeddings are plain arrays.
 */
export async function loadTargetFixture(
  connection: ConnectionTarget,
  { hasPgvector }: { hasPgvector: boolean },
): Promise<void> {
  await withConnection(connection, { purpose: "world" }, async (client) => {
    await client.query("SET search_path = public");
    if (hasPgvector) await client.query("CREATE EXTENSION vector SCHEMA public");
    const tables = await read("target-tables.sql");
    await client.query(hasPgvector ? tables : tables.replaceAll("vector(384)", "real[]"));
    await client.query(await read(hasPgvector ? "target-search-pgvector.sql" : "target-search-arrays.sql"));
    await client.query("ANALYZE");
  });
}

function read(file: string): Promise<string> {
  return readFile(new URL(file, import.meta.url), "utf8");
}
