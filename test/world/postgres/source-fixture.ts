import { readFile } from "node:fs/promises";
import { type ConnectionTarget, withConnection } from "../../../components/postgres/connection.ts";

/** Part of every patient's name, record number and notes: whatever shows it outside the databases has leaked. */
export const sentinelMarker = "SENTINELMRN";

/** Rows that the fixture makes for each patient, over all tables, at the least. */
const rowsPerPatient = 61;

/**
 * Fills an empty database like the old one of a real clinic's application: three schemas, about fifty tables, synthetic
 * content that is the same in every run. `rows` is the least number of rows over all tables, by default 200,000.
 * `public."AppWrite"` and `public."WriterProgress"` are empty: the live writers fill them.
 */
export async function loadSourceFixture(
  connection: ConnectionTarget,
  { rows = 200_000 }: { rows?: number } = {},
): Promise<void> {
  const patients = Math.max(1, Math.ceil(rows / rowsPerPatient));
  await withConnection(connection, { purpose: "world" }, async (client) => {
    await client.query("SET search_path = public");
    await client.query("SELECT set_config('world.patients', $1, false)", [String(patients)]);
    for (const file of ["source-tables.sql", "source-rows.sql", "source-constraints.sql"]) {
      await client.query(await readFile(new URL(file, import.meta.url), "utf8"));
    }
    await client.query("ANALYZE");
  });
}
