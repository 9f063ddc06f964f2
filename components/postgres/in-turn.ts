import type { ClientBase } from "pg";
import { allOf } from "../all-of.ts";

type Work<Results extends readonly unknown[]> = {
  readonly [Index in keyof Results]: () => Promise<Results[Index]>;
};

/**
 * Does several things on one session: at once where it is pipelined (`connect`), so that a long way to the server is gone
 * once, else one after the other. Resolves or rejects when all that was begun has ended.
 *
 * @throws the first failure
 */
export async function inTurn<Results extends readonly unknown[]>(
  client: ClientBase,
  work: Work<Results>,
): Promise<Results> {
  const steps: ReadonlyArray<() => Promise<unknown>> = work;
  if (isPipelined(client)) return (await allOf(steps.map((step) => step()))) as never;
  const results: unknown[] = [];
  for (const step of steps) results.push(await step());
  return results as never;
}

function isPipelined(client: ClientBase): boolean {
  return (client as unknown as { pipeline?: boolean }).pipeline === true;
}
