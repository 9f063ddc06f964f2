import type pg from "pg";
import { runTasks } from "../components/postgres/load/schedule.ts";

/** Works the items off in their order, on all sessions at once, one at a time on each. Throws the first failure. */
export function eachOf<Item>(
  sessions: readonly pg.Client[],
  items: readonly Item[],
  work: (item: Item, client: pg.Client) => Promise<unknown>,
): Promise<void> {
  const tasks = items.map((item, index) => ({
    kind: "build" as const,
    size: items.length - index,
    run: async (client: pg.Client) => {
      await work(item, client);
      return [];
    },
  }));
  return runTasks(sessions, tasks, { copiesAtOnce: 1, onFailure: () => {} });
}
