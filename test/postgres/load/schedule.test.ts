import { expect, test } from "vitest";
import { type LoadTask, runTasks } from "../../../components/postgres/load/schedule.ts";

type Task = LoadTask<string>;

const options = { copiesAtOnce: 1, onFailure: () => {} };

function task(kind: Task["kind"], size: number, run: Task["run"]): Task {
  return { kind, size, run };
}

test("copies go first, the larger ones before, and what follows from a task is run", async () => {
  const order: string[] = [];
  const note =
    (name: string, followUps: readonly Task[] = []) =>
    async () => {
      order.push(name);
      return followUps;
    };
  await runTasks(
    ["only"],
    [
      task("build", 9, note("build 9")),
      task("copy", 1, note("copy 1", [task("build", 1, note("build 1"))])),
      task("copy", 2, note("copy 2", [task("build", 20, note("build 20"))])),
    ],
    options,
  );
  expect(order).toEqual(["copy 2", "copy 1", "build 20", "build 9", "build 1"]);
});

test("only so many copies run at once, while others build", async () => {
  let copies = 0;
  let most = 0;
  const running = new Set<string>();
  const copy = task("copy", 1, async (session) => {
    running.add(session);
    most = Math.max(most, ++copies);
    await new Promise((resolve) => setImmediate(resolve));
    copies -= 1;
    return [task("build", 1, async () => [])];
  });
  await runTasks(["a", "b", "c"], [copy, copy, copy, copy], { ...options, copiesAtOnce: 2 });
  expect(most).toBe(2);
});

test("a copy that lets the next one begin early makes room for one, and what follows from it is still waited for", async () => {
  const order: string[] = [];
  const { promise: secondBegan, resolve: begin } = Promise.withResolvers<void>();
  const follows = task("build", 1, async (session) => {
    order.push(`build on ${session}`);
    return [];
  });
  const first = task("copy", 2, async (_session, letNext) => {
    letNext();
    letNext();
    await secondBegan;
    // Nobody else is at work by now, and all but this session have found nothing to do.
    await new Promise((resolve) => setTimeout(resolve, 20));
    return [follows, follows];
  });
  let copies = 0;
  let most = 0;
  const later = task("copy", 1, async () => {
    most = Math.max(most, ++copies);
    begin();
    await new Promise((resolve) => setImmediate(resolve));
    copies -= 1;
    return [];
  });
  await runTasks(["a", "b", "c"], [first, later, later], options);
  expect(most).toBe(1);
  expect(order).toHaveLength(2);
  expect(new Set(order).size).toBe(2);
});

test("a session that has nothing to do takes what another one's task made possible", async () => {
  const used = new Set<string>();
  let bothAreThere: () => void = () => {};
  const met = new Promise<void>((resolve) => {
    bothAreThere = resolve;
  });
  const build = task("build", 1, async (session) => {
    used.add(session);
    if (used.size === 2) bothAreThere();
    await met;
    return [];
  });
  await runTasks(["a", "b"], [task("copy", 1, async () => [build, build])], options);
  expect([...used].sort()).toEqual(["a", "b"]);
});

test("after a failure nothing is started, and those who wait stop", async () => {
  let failures = 0;
  const started: string[] = [];
  const running = runTasks(
    ["a", "b", "c"],
    [
      task("copy", 2, async () => {
        throw new Error("first");
      }),
      task("copy", 1, async () => {
        started.push("second");
        return [];
      }),
    ],
    { copiesAtOnce: 1, onFailure: () => ++failures },
  );
  await expect(running).rejects.toThrow("first");
  expect([started, failures]).toEqual([[], 1]);
});
