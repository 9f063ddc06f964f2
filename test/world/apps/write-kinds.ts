import { setTimeout as wait } from "node:timers/promises";
import type pg from "pg";

/**
 * How applications write, each in a transaction of its own:
 *
 * - `plain`: one statement after the other
 * - `long`: repeatable read, held open before and after the first row, so that it is under way when a fence falls, with
 *   a snapshot older than the fence
 * - `replica`: asks for a read-write transaction, and switches off the triggers that are not `ENABLE ALWAYS`
 * - `prepared`: by named statements that were planned before a fence stood
 * - `own-role`: as a role that is no superuser and overrides a read-only default
 */
export const writeKinds = ["plain", "long", "replica", "prepared", "own-role"] as const;

export type WriteKind = (typeof writeKinds)[number];

/** One write of one writer; `id` is the primary key of its row. */
export interface Write {
  readonly writer: string;
  readonly sequence: number;
  readonly id: string;
}

/** Sends everything of the kind's transaction but its COMMIT. `holdMs` is how long a `long` one stays open. */
export async function openTransaction(
  session: pg.ClientBase,
  kind: WriteKind,
  { writer, sequence, id }: Write,
  holdMs: number,
): Promise<void> {
  const send = (name: keyof typeof statements, values: unknown[]) =>
    session.query({ text: statements[name], values, ...(kind === "prepared" ? { name } : {}) });
  await session.query(beginnings[kind]);
  if (kind === "long") {
    await send("readProgress", [writer]);
    await wait(holdMs / 2);
  }
  await send("insertWrite", [id, writer, sequence]);
  if (kind === "long") await wait(holdMs / 2);
  await send("saveProgress", [writer, sequence]);
}

export const statements = {
  /** The sequence number of the writer's last committed write. */
  readProgress: `SELECT sequence FROM public."WriterProgress" WHERE writer = $1`,
  insertWrite: `INSERT INTO public."AppWrite" (id, writer, sequence) VALUES ($1, $2, $3)`,
  saveProgress: `
    INSERT INTO public."WriterProgress" (writer, sequence) VALUES ($1, $2)
      ON CONFLICT (writer) DO UPDATE SET sequence = excluded.sequence`,
} as const;

const beginnings: Record<WriteKind, string> = {
  plain: "BEGIN",
  long: "BEGIN ISOLATION LEVEL REPEATABLE READ",
  replica: "BEGIN READ WRITE; SET LOCAL session_replication_role = replica",
  prepared: "BEGIN",
  "own-role": "BEGIN",
};
