import type pg from "pg";
import { CutoverError } from "../errors.ts";

/** Runs `work` in one transaction, rolled back when it throws. */
export async function inTransaction<Result>(client: pg.Client, work: () => Promise<Result>): Promise<Result> {
  await client.query("begin");
  try {
    const result = await work();
    await commit(client);
    return result;
  } catch (error) {
    await client.query("rollback").catch(() => {});
    throw error;
  }
}

/**
 * Commits. A transaction that has failed, such as by a statement that somebody cancelled, ends in a rollback instead,
 * and the server answers that without an error.
 */
export async function commit(client: pg.Client): Promise<void> {
  const { command } = await client.query("commit");
  if (command === "COMMIT") return;
  throw new CutoverError({
    code: "TRANSACTION_ROLLED_BACK",
    message:
      "The server rolled a transaction back in place of committing it; what was in it did not take place.",
    remedy: "Run again. If it recurs, find out who cancels statements on that server.",
  });
}
