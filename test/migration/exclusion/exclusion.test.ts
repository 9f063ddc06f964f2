import { afterAll, beforeAll, expect, it } from "vitest";
import { excludeOtherRuns, isRunActive } from "../../../components/migration/exclusion/exclusion.ts";
import { connect, withConnection } from "../../../components/postgres/connection.ts";
import { eachRow } from "../../../components/postgres/each-row.ts";
import { setSeal } from "../../../components/postgres/fence/fence.ts";
import { type PostgresServer, startServer } from "../../world/postgres/server.ts";

// Servers of its own: orphans are looked for on the whole server.
let source: PostgresServer;
let target: PostgresServer;
beforeAll(async () => {
  [source, target] = (await Promise.all(
    (["source", "target"] as const).map((role) => startServer({ role })),
  )) as [PostgresServer, PostgresServer];
});
afterAll(() => Promise.all([source?.dispose(), target?.dispose()]));

const exclude = () => excludeOtherRuns({ source: source.connection(), target: target.connection() });

async function runActive(): Promise<boolean> {
  return withConnection(target.connection(), { purpose: "observe", readOnly: true }, isRunActive);
}

it("lets one run in, the next one after it, and tells whether one is active", async () => {
  expect(await runActive()).toBe(false);
  const first = await exclude();
  expect(await runActive()).toBe(true);
  await expect(exclude()).rejects.toMatchObject({ code: "ANOTHER_RUN_ACTIVE" });
  await first.release();
  expect(await runActive()).toBe(false);
  await (await exclude()).release();
});

it("lets one of two in that come at the same time", async () => {
  const outcomes = await Promise.allSettled([exclude(), exclude()]);
  const granted = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
  expect(granted.length).toBeLessThanOrEqual(1);
  await Promise.all(granted.map((one) => one.release()));
  await (await exclude()).release();
});

it("keeps the second out by the source alone, where another target is named", async () => {
  const first = await exclude();
  await withConnection(target.connection("postgres"), { purpose: "world" }, (client) =>
    client.query("create database elsewhere"),
  );
  await expect(
    excludeOtherRuns({ source: source.connection(), target: target.connection("elsewhere") }),
  ).rejects.toMatchObject({
    code: "ANOTHER_RUN_ACTIVE",
  });
  await first.release();
});

it("asks in turn through one session, however many ask at once", async () => {
  const warnings: string[] = [];
  const note = (warning: Error) => warnings.push(warning.message);
  process.on("warning", note);
  const run = await exclude();
  const sums = Array.from({ length: 5 }, (_, number) =>
    run.target.query("select $1::int + 1 as sum", [number]),
  );
  const rows: unknown[] = [];
  const [answers, failed] = await Promise.all([
    Promise.all(sums),
    run.target.query("select 1 / 0").catch((error: Error) => error.message),
    eachRow(run.target, { text: "select n from generate_series(1, 3) n" }, (row) => rows.push(row)),
    expect(eachRow(run.target, { text: "select 1 / 0" }, () => {})).rejects.toThrow("division by zero"),
    ...Array.from({ length: 5 }, () => run.assertAlone()),
  ]);
  await run.release();
  process.off("warning", note);
  expect(answers.map(({ rows }) => rows[0].sum)).toEqual([1, 2, 3, 4, 5]);
  expect(failed).toBe("division by zero");
  expect(rows).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
  expect(warnings).toEqual([]);
});

it("holds nothing after a refusal", async () => {
  const holder = await exclude();
  await expect(exclude()).rejects.toMatchObject({ code: "ANOTHER_RUN_ACTIVE" });
  const { rows } = await holder.source.query(
    "select count(*)::int as count from pg_stat_activity where application_name = 'pgvector_cutover:control'",
  );
  await holder.release();
  expect(rows[0].count).toBe(1);
});

it("ends what an orphaned run left, with its locks, and nobody else", async () => {
  const orphan = await connect(source.connection(), { purpose: "lock" });
  const loader = await connect(target.connection(), { purpose: "load" });
  const observer = await connect(target.connection(), { purpose: "observe" });
  const app = await connect(source.connection(), { purpose: "x" });
  await app.query("set application_name = 'clinic'; create table public.held (id int)");
  await orphan.query("begin; lock table public.held in share row exclusive mode");
  await loader.query("begin; create table public.half (id int)");
  const exclusion = await exclude();
  await app.query("insert into public.held values (1)");
  await expect(orphan.query("select 1")).rejects.toThrow();
  await expect(loader.query("commit")).rejects.toThrow();
  await observer.query("select 1");
  await exclusion.release();
  await Promise.all([orphan, loader, observer, app].map((client) => client.end().catch(() => {})));
});

it("works on a source that is sealed", async () => {
  await withConnection(source.connection("postgres"), { purpose: "world" }, (client) =>
    setSeal(client, "railway", true),
  );
  const exclusion = await exclude();
  await setSeal(exclusion.source, "railway", false);
  await exclusion.release();
});
