import { writeFile } from "node:fs/promises";
import pg from "pg";

/**
 * What a migration tool does in a hook: executes HOOK_SQL on DATABASE_URL; exits with 1 when the server refuses. With a
 * file as its argument it creates that afterwards, and stays with its session open.
 */
const client = new pg.Client({ connectionString: process.env.DATABASE_URL });
client.on("error", () => process.exit(1));
try {
  await client.connect();
  await client.query(process.env.HOOK_SQL ?? "");
  const [mark] = process.argv.slice(2);
  if (mark === undefined) await client.end();
  else await writeFile(mark, "");
} catch {
  process.exit(1);
}
