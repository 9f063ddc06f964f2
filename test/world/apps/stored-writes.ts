import type pg from "pg";

/** What a database holds of the writers' work. */
export interface StoredWrites {
  readonly rows: ReadonlyArray<{ readonly id: string; readonly writer: string; readonly sequence: number }>;
  readonly progress: ReadonlyArray<{ readonly writer: string; readonly sequence: number }>;
}

/** Reads the two tables that the writers fill, in one snapshot. */
export async function readStoredWrites(client: pg.Client): Promise<StoredWrites> {
  await client.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
  const rows = await client.query<{ id: string; writer: string; sequence: string }>(
    `SELECT id, writer, sequence FROM public."AppWrite"`,
  );
  const progress = await client.query<{ writer: string; sequence: string }>(
    `SELECT writer, sequence FROM public."WriterProgress"`,
  );
  await client.query("COMMIT");
  const withNumber = <Row extends { sequence: string }>(row: Row) => ({
    ...row,
    sequence: Number(row.sequence),
  });
  return { rows: rows.rows.map(withNumber), progress: progress.rows.map(withNumber) };
}
