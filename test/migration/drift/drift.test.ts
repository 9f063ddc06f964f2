import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { reconcileAppService } from "../../../components/migration/app-service.ts";
import { recordBaseline } from "../../../components/migration/drift/baseline.ts";
import type { DriftItem } from "../../../components/migration/drift/item.ts";
import { fatesOf } from "../../../components/migration/drift/old-database.ts";
import { type DriftOptions, type DriftReport, readDrift } from "../../../components/migration/drift.ts";
import type { MigrationInputs } from "../../../components/migration/inputs.ts";
import type { RetirementRecord } from "../../../components/migration/retirement/evidence.ts";
import { connect, endConnection, withConnection } from "../../../components/postgres/connection.ts";
import { closeTargetFence, removeFence, setSeal } from "../../../components/postgres/fence/fence.ts";
import { eventTriggerNames } from "../../../components/postgres/fence/parts.ts";
import { listTables } from "../../../components/postgres/relations.ts";
import type { Railway } from "../../../components/railway/railway.ts";
import { driftDocumentSchema, exitCodeOf, renderDrift } from "../../../scripts/render-drift.ts";
import { root } from "../../docs/markdown.ts";
import { sentinelMarker } from "../../world/postgres/source-fixture.ts";
import { type CutoverWorld, startCutoverWorld } from "../cutover-world.ts";

const admin = "@healthcare/admin";
const oldText = "${{Postgres.DATABASE_URL}}";
const newText = "${{pgvector.DATABASE_URL}}";
const literal = "postgresql://admin:by-hand-secret@elsewhere.example/railway";
const kept: DriftOptions = { oldDatabase: ["running"] };

let here: CutoverWorld;

beforeAll(async () => {
  here = await startCutoverWorld();
});
afterAll(() => here?.stop());

const dashboard = () => here.world.railway;

function look(change: Partial<MigrationInputs> = {}, options = kept): Promise<DriftReport> {
  return readDrift(here.railway, { ...here.inputs, ...change }, options);
}

/** What is found when everything can be seen: what could not be fails the test with its reason. */
async function found(options = kept): Promise<DriftItem[]> {
  await dashboard().settle();
  const report = await look({}, options);
  const { items } = report;
  expect(items.filter(({ severity }) => severity === "unseen")).toEqual([]);
  expect(report).toMatchObject({ complete: true, verdict: items.length === 0 ? "none" : "drift" });
  const told = JSON.stringify(report) + renderDrift(report, "trial");
  const { source, target } = here.world;
  for (const secret of [sentinelMarker, "by-hand-secret", source.password, target.password]) {
    expect(told).not.toContain(secret);
  }
  return items;
}

/** `resource CODE object` of each. */
function names(items: readonly DriftItem[]): string[] {
  return items.map(({ resource, code, object }) => `${resource} ${code} ${object}`);
}

/** Does something, looks, takes it back, and sees that nothing is left of it. */
async function provoked(
  act: () => unknown,
  undo: () => unknown,
  options = kept,
): Promise<{ items: DriftItem[]; named: string[] }> {
  await act();
  try {
    const items = await found(options);
    return { items, named: names(items) };
  } finally {
    await undo();
    expect(names(await found())).toEqual([]);
  }
}

function seal(sealed: boolean): Promise<void> {
  const { source } = here.world;
  return withConnection(source.connection("postgres"), { purpose: "world" }, (client) =>
    setSeal(client, source.connection().database, sealed),
  );
}

/** What the stack would have noted of the old database. */
function retirementOf(change: Partial<RetirementRecord>): RetirementRecord {
  const at = "2026-01-01T00:00:00.000Z";
  return {
    ...{
      provenAt: at,
      deploymentId: null,
      environmentId: "production",
      tables: 1,
      environments: ["production"],
    },
    volumeBackup: { id: "backup", volumeId: "volume" },
    finalBackup: { to: "own", place: "the safe", restoredAt: at },
    ...{ stoppedAt: at, removalBegunAt: null, removedAt: null, ...change },
  };
}

function noteRetired(retirement: RetirementRecord | undefined): Promise<unknown> {
  const note = retirement === undefined ? {} : { retirement };
  return here.query(
    "target",
    `update pgvector_cutover.migration set record = (record - 'retirement') || '${JSON.stringify(note)}'
      where state = 'finished'`,
  );
}

describe("before anything was begun", () => {
  test("there is nothing to find in an application on the old database", async () => {
    expect(await found()).toEqual([]);
    expect(await look()).toMatchObject({ migration: null, compared: expect.stringContaining("no cutover") });
  });

  test("a service that runs on the new one is found, one with a variable for either is not", async () => {
    const early = await provoked(
      () => dashboard().setVariableByHand(admin, "DATABASE_URL", newText),
      () => dashboard().setVariableByHand(admin, "DATABASE_URL", oldText),
    );
    expect(early.named).toEqual([`${admin} SERVICE_ON_UNPROMOTED DATABASE_URL`]);
    const doctor = "@healthcare/doctor";
    const either = await provoked(
      () => dashboard().setVariableByHand(doctor, "LLM_DATABASE_URL", newText),
      () => dashboard().removeVariableByHand(doctor, "LLM_DATABASE_URL"),
    );
    expect(either.named).toEqual([]);
  });

  test("a database that vanished or was renamed is found", async () => {
    const { named } = await provoked(
      () => dashboard().renameService("Postgres", "legacy"),
      () => dashboard().renameService("legacy", "Postgres"),
    );
    expect(named).toEqual(["source SERVICE_VANISHED Postgres"]);
    dashboard().renameService("pgvector", "vectors");
    const target =
      dashboard()
        .inspect()
        .services.find(({ name }) => name === "vectors")?.id ?? "";
    const known = await look({}, { ...kept, ids: { target } });
    const gone = await look({}, { ...kept, ids: { target: "no-such-id" }, only: "target" });
    const unknown = await look();
    dashboard().renameService("vectors", "pgvector");
    expect(names(known.items)).toEqual(["target SERVICE_RENAMED pgvector"]);
    expect(names(gone.items)).toEqual(["target SERVICE_VANISHED pgvector"]);
    expect(unknown).toMatchObject({ verdict: "unseen", items: [{ code: "NOT_SEEN", object: "journal" }] });
  });

  test("an old database that refuses its application is found", async () => {
    const { named } = await provoked(
      () => seal(true),
      () => seal(false),
    );
    expect(named).toEqual(["source OLD_DATABASE_CLOSED Postgres"]);
  });
});

test("while a cutover is under way nothing can be told, and that is no success", async () => {
  await here.killAt("both databases refuse writes");
  expect(await look()).toMatchObject({
    verdict: "unseen",
    complete: false,
    migration: { state: "switching" },
    items: [{ code: "MIGRATION_UNDER_WAY", severity: "unseen", resource: "migration" }],
  });
});

describe("after an abort", () => {
  beforeAll(async () => {
    expect(await here.abort()).toBe("aborted");
  });

  test("there is nothing to find", async () => {
    expect(await found()).toEqual([]);
    expect(await look()).toMatchObject({
      migration: { state: "aborted" },
      compared: expect.stringContaining("put back"),
    });
  });

  test("a service on the new database, a table of the copy and a closed old database are found", async () => {
    const [table] = (await here.journal())?.record.load.expectedRelations ?? [];
    const [schema = "", name = ""] = (table ?? "").split(".");
    const { named } = await provoked(
      async () => {
        dashboard().setVariableByHand(admin, "DATABASE_URL", newText);
        await here.query(
          "target",
          `create schema if not exists ${schema}; create table ${schema}."${name}" ()`,
        );
        await seal(true);
      },
      async () => {
        dashboard().setVariableByHand(admin, "DATABASE_URL", oldText);
        await here.query("target", `drop table ${schema}."${name}"`);
        await seal(false);
      },
    );
    expect(named).toEqual([
      `${admin} SERVICE_ON_UNPROMOTED DATABASE_URL`,
      expect.stringMatching(/^migration COPY_LEFT table /),
      "source OLD_DATABASE_CLOSED Postgres",
    ]);
    if (schema !== "public") await here.query("target", `drop schema ${schema}`);
  });
});

describe("after a cutover", () => {
  beforeAll(async () => {
    await here.run();
  });

  test("everything is as it was left", async () => {
    expect(names(await found())).toEqual([]);
    expect(await look()).toMatchObject({ verdict: "none", complete: true, migration: { state: "finished" } });
  });

  describe("a service", () => {
    const set = (name: string, value: string) => dashboard().setVariableByHand(admin, name, value);
    const back = () => set("DATABASE_URL", newText);

    test("whose reference was changed, and not deployed", async () => {
      const { items } = await provoked(() => set("DATABASE_URL", oldText), back);
      expect(items).toMatchObject([
        {
          code: "SERVICE_NOT_DEPLOYED",
          resource: admin,
          is: expect.stringContaining("leads to the new database"),
        },
        {
          code: "SERVICE_REFERENCE_CHANGED",
          resource: admin,
          object: "DATABASE_URL",
          was: newText,
          is: `${oldText}, which leads to the old database`,
          who: expect.stringMatching(/^Ana Lopez at 20/),
        },
      ]);
    });

    test("whose reference gave way to a literal", async () => {
      const { items, named } = await provoked(() => set("DATABASE_URL", literal), back);
      expect(named).toEqual([
        `${admin} SERVICE_LITERAL DATABASE_URL`,
        `${admin} SERVICE_NOT_DEPLOYED ${admin}`,
      ]);
      expect(items[0]).toMatchObject({ is: "another text, which leads to elsewhere" });
    });

    test("that lost its variable", async () => {
      const remove = () => dashboard().removeVariableByHand(admin, "DATABASE_URL");
      const { named } = await provoked(remove, back);
      expect(named).toContain(`${admin} SERVICE_VARIABLE_MISSING DATABASE_URL`);
    });

    test("whose variable was sealed", async () => {
      const { named } = await provoked(
        () => dashboard().sealVariable(admin, "DATABASE_URL"),
        () => {
          dashboard().removeVariableByHand(admin, "DATABASE_URL");
          back();
        },
      );
      expect(named).toEqual([`${admin} SERVICE_VARIABLE_SEALED DATABASE_URL`]);
    });

    test("whose reference leads elsewhere", async () => {
      const raw = dashboard().inspect().variables;
      const was = raw.find(({ name, value }) => name === "DATABASE_URL" && value.includes("POSTGRES_DB}}"));
      const pointAt = (value: string) => dashboard().setVariableByHand("pgvector", "DATABASE_URL", value);
      const { named } = await provoked(
        () => pointAt(literal),
        () => pointAt(was?.value ?? ""),
      );
      expect(named).toContain(`${admin} SERVICE_RENDERS_ELSEWHERE DATABASE_URL`);
      expect(named).toContain(`${admin} SERVICE_NOT_DEPLOYED ${admin}`);
    });

    test("that crashed", async () => {
      const { named } = await provoked(
        () => dashboard().crash(admin),
        () => dashboard().pushDeployment(admin),
      );
      expect(named).toEqual([`${admin} SERVICE_NOT_RUNNING ${admin}`]);
    });

    test("that Railway rolled back to the old values, which up puts right", async () => {
      await seal(false);
      dashboard().rollBack(admin, dashboard().deployments(admin)[0]?.id ?? "");
      await dashboard().settle();
      await seal(true);
      const items = await found();
      expect(names(items)).toContain(`${admin} SERVICE_ROLLED_BACK ${admin}`);
      expect(items.find(({ code }) => code === "SERVICE_ROLLED_BACK")).toMatchObject({
        is: expect.stringContaining("DATABASE_URL leads to the old database"),
        who: "Ana Lopez",
      });
      expect(items.filter(({ resource }) => resource === "source")).toMatchObject([
        { code: "OLD_DATABASE_SESSIONS" },
      ]);
      const inputs = {
        ...here.inputs,
        ...{ service: admin, database: "target" as const, variables: { DATABASE_URL: newText } },
        ...{ observeOnly: false, healthCheckUrl: null, deploymentTimeoutMs: 60_000 },
      };
      await reconcileAppService(here.railway, inputs, { step: () => {}, detail: () => {} });
      expect(names(await found())).toEqual([]);
    });

    test("that was renamed", async () => {
      const { named, items } = await provoked(
        () => dashboard().renameService(admin, "backoffice"),
        () => dashboard().renameService("backoffice", admin),
      );
      expect(named).toEqual([`${admin} SERVICE_RENAMED ${admin}`]);
      expect(items).toMatchObject([{ is: "called backoffice" }]);
    });
  });

  test("a staged edit belongs to what it touches; one of a stranger is nobody's", async () => {
    const discard = () => dashboard().discardStagedEdits();
    const untold = await provoked(() => dashboard().stageEdit(), discard);
    expect(untold.named).toEqual(["migration STAGED_EDIT production"]);
    const stage = (service: string) => () => dashboard().stageEdit({ service, name: "DATABASE_URL" });
    const ours = await provoked(stage(admin), discard);
    expect(ours.items).toMatchObject([{ code: "STAGED_EDIT", resource: admin, is: "staged: DATABASE_URL" }]);
    const old = await provoked(stage("Postgres"), discard);
    expect(old.named).toEqual(["source STAGED_EDIT Postgres"]);
    expect((await provoked(stage("metrics"), discard)).named).toEqual([]);
  });

  test("a new consumer of the old database is found, by reference, address or through a shared variable", async () => {
    const { host, port } = here.world.source;
    const set = (value: string) => () => dashboard().setVariableByHand("metrics", "SOURCE", value);
    const remove = () => dashboard().removeVariableByHand("metrics", "SOURCE");
    const byReference = await provoked(set("${{ Postgres.PGHOST }}"), remove);
    expect(byReference.items).toMatchObject([
      {
        ...{ code: "OLD_DATABASE_NAMED", resource: "source", object: "metrics SOURCE" },
        who: expect.stringMatching(/^Ana Lopez/),
      },
    ]);
    const byAddress = await provoked(set(`postgresql://x:y@${host}:${port}/railway`), remove);
    expect(byAddress.named).toEqual(["source OLD_DATABASE_NAMED metrics SOURCE"]);
    dashboard().setSharedVariable("OLD", oldText);
    expect(names(await found())).toEqual(["source OLD_DATABASE_NAMED shared OLD"]);
    const reason = "The warehouse is reconnected on Monday";
    const accept = [{ code: "OTHER_CONSUMER", object: "shared OLD", reason }];
    expect((await look({ accept })).items).toEqual([]);
    dashboard().setSharedVariable("OLD", "");
  });

  describe("the old database", () => {
    test("whose seal was lifted", async () => {
      const { named } = await provoked(
        () => seal(false),
        () => seal(true),
      );
      expect(named).toEqual(["source OLD_DATABASE_SEAL_LIFTED Postgres"]);
    });

    test("whose fence was lifted, and that was written and is connected to", async () => {
      const { source } = here.world;
      await seal(false);
      const session = await connect({ ...source.connection() }, { purpose: "x" });
      await session.query("set application_name = 'nightly-report'");
      for (const name of eventTriggerNames) await session.query(`alter event trigger ${name} disable`);
      await session.query(`alter table public."WriterProgress" disable trigger user`);
      await session.query(`update public."WriterProgress" set sequence = sequence + 1`);
      const items = await found();
      await endConnection(session);
      expect(names(items)).toEqual([
        "source OLD_DATABASE_FENCE_LIFTED Postgres",
        "source OLD_DATABASE_SEAL_LIFTED Postgres",
        "source OLD_DATABASE_SESSIONS nightly-report",
        expect.stringMatching(/^source OLD_DATABASE_WRITTEN table public\./),
      ]);
      expect(items[0]?.is).toContain("WriterProgress");
      await seal(true);
      expect(names(await found())).toEqual([]);
    });

    test("that does not run, unless it was stopped on purpose", async () => {
      dashboard().crash("Postgres");
      expect(names(await found())).toEqual(["source OLD_DATABASE_DOWN Postgres"]);
      expect(await found({ oldDatabase: ["stopped"] })).toEqual([]);
      dashboard().pushDeployment("Postgres");
      await dashboard().settle();
      expect(names(await found())).toEqual([]);
    });

    test("that was deployed again after it was stopped", async () => {
      expect(names(await found({ oldDatabase: ["stopped"] }))).toEqual([
        "source OLD_DATABASE_RUNS_AGAIN Postgres",
      ]);
    });

    test.each([["stop"], ["remove"]] as const)(
      "is told by the journal, whatever legacyPostgres: %s still lets come",
      async (lifecycle) => {
        const options: DriftOptions = { oldDatabase: fatesOf(lifecycle) };
        expect(names(await found(options))).toEqual([]);
        dashboard().crash("Postgres");
        const unproven = names(await found(options));
        await noteRetired(retirementOf({}));
        const stopped = names(await found(options));
        dashboard().pushDeployment("Postgres");
        await dashboard().settle();
        const again = await found(options);
        await noteRetired(retirementOf({ stoppedAt: null }));
        const proven = names(await found(options));
        await noteRetired(undefined);
        expect(unproven).toEqual(["source OLD_DATABASE_DOWN Postgres"]);
        expect(stopped).toEqual([]);
        expect(names(again)).toEqual(["source OLD_DATABASE_RUNS_AGAIN Postgres"]);
        expect(again[0]?.remedy).toContain("legacyPostgres: stop");
        expect(proven).toEqual([]);
      },
    );

    test("may be deployed again where the configuration went back to legacyPostgres: keep", async () => {
      await noteRetired(retirementOf({}));
      const named = names(await found({ oldDatabase: fatesOf("keep") }));
      await noteRetired(undefined);
      expect(named).toEqual([]);
    });
  });

  test("a TCP proxy that was opened again is found, and belongs to its database", async () => {
    await dashboard().openTcpProxy("Postgres");
    await dashboard().openTcpProxy("pgvector");
    expect(names(await found())).toEqual([
      "source TCP_PROXY_OPENED Postgres",
      "target TCP_PROXY_OPENED pgvector",
    ]);
    await recordBaseline(here.railway, here.inputs);
    expect(names(await found())).toEqual([]);
  });

  test("a retirement that is noted while a base is recorded is not lost, nor the base", async () => {
    const retirement = retirementOf({ stoppedAt: null });
    const railway: Railway = {
      ...here.railway,
      async tcpProxies(...given) {
        await noteRetired(retirement);
        return here.railway.tcpProxies(...given);
      },
    };
    const { recordedAt } = await recordBaseline(railway, here.inputs);
    const record = (await here.journal())?.record;
    await noteRetired(undefined);
    expect(record).toMatchObject({ state: "finished", retirement, baseline: { recordedAt } });
  });

  describe("the new database", () => {
    test("whose image or volume changed, until that is recorded as right", async () => {
      dashboard().changeImage("pgvector", "pgvector/pgvector:pg18");
      dashboard().replaceVolume("pgvector");
      const items = await found();
      expect(names(items)).toEqual(["target IMAGE_CHANGED image", "target VOLUME_CHANGED volume"]);
      expect(items[0]).toMatchObject({
        was: "pgvector/pgvector:pg17",
        is: "pgvector/pgvector:pg18",
        who: expect.stringMatching(/^Ana Lopez/),
      });
      await recordBaseline(here.railway, here.inputs);
      expect(names(await found())).toEqual([]);
    });

    test("whose extension changed", async ({ skip }) => {
      if (!here.world.target.hasPgvector) skip("this machine has no pgvector");
      const [{ version }] = await here.query(
        "target",
        "select extversion as version from pg_extension where extname = 'vector'",
      );
      const be = (other: string) => () =>
        here.query("target", `update pg_extension set extversion = '${other}' where extname = 'vector'`);
      const { named } = await provoked(be("0.0.1"), be(version));
      expect(named).toContain("target EXTENSION_CHANGED extension vector");
    });

    test("whose fence is closed", async () => {
      const { schemas } = here.inputs;
      const onTarget = here.world.target.connection();
      const { named } = await provoked(
        () =>
          withConnection(onTarget, { purpose: "world" }, async (client) => {
            await closeTargetFence(client, { tables: await listTables(client, schemas), schemas });
          }),
        () =>
          withConnection(onTarget, { purpose: "world" }, async (client) => {
            await client.query("update pgvector_cutover.fence set open = true");
            await removeFence(client, { withinMs: 20_000 });
          }),
      );
      expect(named).toEqual(["target NEW_DATABASE_FENCED pgvector"]);
    });

    test("whose tables of the application or of the protected schema are defined otherwise", async () => {
      const run = (sql: string) => () => here.query("target", sql);
      const column = await provoked(
        run(`alter table public."WriterProgress" add column by_hand int`),
        run(`alter table public."WriterProgress" drop column by_hand`),
      );
      expect(column.items).toMatchObject([
        {
          ...{ code: "APP_STRUCTURE_CHANGED", resource: "migration", is: "added" },
          object: 'column public."WriterProgress".by_hand',
        },
      ]);
      const table = await provoked(
        run("create table public.by_hand (id int primary key, name text not null)"),
        run("drop table public.by_hand"),
      );
      expect(table.named).toContain("migration APP_STRUCTURE_CHANGED table public.by_hand");
      expect(table.named).not.toContain("migration APP_STRUCTURE_CHANGED column public.by_hand.name");
      const guarded = await provoked(
        run("alter table llm_assistant.llm_docs_versions alter version drop not null"),
        run("alter table llm_assistant.llm_docs_versions alter version set not null"),
      );
      expect(guarded.named).toContain(
        "migration PROTECTED_STRUCTURE_CHANGED column llm_assistant.llm_docs_versions.version",
      );
    });

    test("that lost a table", async () => {
      await here.query("target", `alter table public."WriterProgress" rename to writer_progress`);
      const named = names(await found());
      await here.query("target", `alter table public.writer_progress rename to "WriterProgress"`);
      expect(named).toContain('migration TABLE_MISSING table public."WriterProgress"');
      expect(named).toContain("migration APP_STRUCTURE_CHANGED table public.writer_progress");
      expect(names(await found())).toEqual([]);
    });

    test("whose journal does not know the migration of this stack", async () => {
      const options = { ...kept, only: "migration", migrationId: "another" };
      expect(names(await found(options))).toEqual(["migration JOURNAL_UNKNOWN journal"]);
    });
  });

  describe("what cannot be seen", () => {
    const nowhere = { via: "tunnel" as const, port: 9 };

    test("is told where the new database does not answer", async () => {
      const transport = { ...here.inputs.transport, target: nowhere };
      expect(await look({ transport })).toMatchObject({
        verdict: "unseen",
        complete: false,
        migration: null,
        items: [{ code: "NOT_SEEN", object: "journal", is: expect.stringContaining("SERVER_UNREACHABLE") }],
      });
    });

    test("says nothing about what can be: drift is told, and what was not seen beside it", async () => {
      const transport = { ...here.inputs.transport, source: nowhere };
      dashboard().stageEdit();
      const report = await look({ transport });
      dashboard().discardStagedEdits();
      expect(report).toMatchObject({ verdict: "drift", complete: false });
      expect(names(report.items)).toEqual(["migration STAGED_EDIT production", "source NOT_SEEN Postgres"]);
    });

    test("a part that Railway does not answer is never taken for no drift", async () => {
      const times = Number.POSITIVE_INFINITY;
      dashboard().failRequests({ operation: "CutoverDeploymentSnapshot", mode: "not-authorized", times });
      const { items } = await look();
      dashboard().clearRequestFaults();
      expect(items.map(({ code }) => code)).toEqual(here.inputs.services.map(() => "NOT_SEEN"));
    });

    test.each([["source"], ["target"], [admin]])(
      "staged edits that Railway does not tell are not seen of %s alone either",
      async (only) => {
        const times = Number.POSITIVE_INFINITY;
        dashboard().failRequests({ operation: "CutoverEnvironmentState", mode: "not-authorized", times });
        const { items } = await look({}, { ...kept, only });
        dashboard().clearRequestFaults();
        expect(names(items)).toEqual([`${only} NOT_SEEN staged edits`]);
      },
    );

    test("a sealed text without a reference may hold the old address, unless somebody knows better", async () => {
      const { host, port } = here.world.source;
      const seal = (name: string, value: string) => {
        dashboard().setVariableByHand("metrics", name, value);
        dashboard().sealVariable("metrics", name);
      };
      seal("SINK", `postgresql://x:y@${host}:${port}/railway`);
      seal("REFERENCE", newText);
      const report = await look();
      const reason = "looked at: it is the key of the mail service";
      const accepted = await look({
        accept: [{ code: "VARIABLE_UNREADABLE", object: "metrics SINK", reason }],
      });
      seal("REFERENCE", oldText);
      const named = await look();
      for (const name of ["SINK", "REFERENCE"]) dashboard().removeVariableByHand("metrics", name);
      // Told every night, and a reason to wake nobody: the preflight warns of the same, and nobody can ever look.
      expect(report).toMatchObject({ verdict: "none", complete: true });
      expect(report.items).toMatchObject([{ severity: "note" }]);
      const screen = renderDrift(report, "trial");
      expect(screen).toContain("NOTE VARIABLE_UNREADABLE  metrics SINK");
      expect([exitCodeOf(report), exitCodeOf(named)]).toEqual([0, 2]);
      expect(names(report.items)).toEqual(["source VARIABLE_UNREADABLE metrics SINK"]);
      expect(accepted.items).toEqual([]);
      expect(names(named.items)).toEqual([
        "source OLD_DATABASE_NAMED metrics REFERENCE",
        "source VARIABLE_UNREADABLE metrics SINK",
      ]);
    });

    test("what Railway does not tell of a deployment is told to be so", async () => {
      const silent = { ...here.railway, deploymentVariables: async () => undefined };
      const masked = new Map([["DATABASE_URL", null]]);
      const masking = { ...here.railway, deploymentVariables: async () => masked };
      for (const railway of [silent, masking]) {
        const report = await readDrift(railway, here.inputs, { ...kept, only: admin });
        expect(report).toMatchObject({
          verdict: "unseen",
          items: [{ code: "SERVICE_NOT_TOLD", resource: admin }],
        });
      }
    });

    test("a record of an older version lacks its base: the checks that need none are made", async () => {
      await here.query("target", "update pgvector_cutover.migration set record = record - 'baseline'");
      const report = await look();
      expect(report).toMatchObject({
        verdict: "unseen",
        items: [{ code: "BASELINE_MISSING", severity: "unseen", resource: "migration" }],
      });
      await here.query("target", `alter table public."WriterProgress" rename to writer_progress`);
      const items = (await look()).items;
      await here.query("target", `alter table public.writer_progress rename to "WriterProgress"`);
      expect(names(items)).toContain('migration TABLE_MISSING table public."WriterProgress"');
      await recordBaseline(here.railway, here.inputs);
      expect(names(await found())).toEqual([]);
    });

    test("a promoted migration that is not finished is told", async () => {
      const be = (state: string) =>
        here.query(
          "target",
          `update pgvector_cutover.migration set state = '${state}', record = jsonb_set(record, '{state}', '"${state}"')
            where state in ('promoted', 'finished')`,
        );
      await be("promoted");
      const items = await found();
      await expect(recordBaseline(here.railway, here.inputs)).rejects.toMatchObject({ code: "NOT_PROMOTED" });
      await be("finished");
      expect(names(items)).toEqual(["migration MIGRATION_UNFINISHED journal"]);
    });
  });

  describe("the script", () => {
    let folder: string;

    beforeAll(async () => {
      folder = await mkdtemp(path.join(tmpdir(), "drift-"));
      await copyFile(path.join(root, "Pulumi.yaml"), path.join(folder, "Pulumi.yaml"));
      const own = { ...here.world.config, phase: "cutover" };
      const config = Object.entries(own).map(([key, value]) => [`railway-pgvector-cutover:${key}`, value]);
      await writeFile(
        path.join(folder, "Pulumi.trial.yaml"),
        JSON.stringify({ config: Object.fromEntries(config) }),
      );
    });
    afterAll(() => rm(folder, { recursive: true }));

    async function run(...given: string[]) {
      const child = spawn(process.execPath, [path.join(root, "scripts/drift.ts"), ...given], {
        cwd: folder,
        env: { ...process.env, ...here.world.environment },
        stdio: ["ignore", "pipe", "pipe"],
      });
      const [stdout, stderr] = await Promise.all([
        text(child.stdout),
        text(child.stderr),
        once(child, "close"),
      ]);
      return { code: child.exitCode, stdout, stderr };
    }

    test("ends with 0 where nothing is found, and prints a document that fits its schema", async () => {
      const { code, stdout, stderr } = await run("--stack", "trial", "--json");
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      expect(driftDocumentSchema.parse(JSON.parse(stdout))).toMatchObject({
        verdict: "none",
        stack: "trial",
      });
    });

    test("ends with 2 on drift, and says what, by whom, and what to do", async () => {
      dashboard().setVariableByHand(admin, "DATABASE_URL", oldText);
      const json = await run("--stack", "trial", "--json");
      const { code, stdout } = await run("--stack", "trial");
      dashboard().setVariableByHand(admin, "DATABASE_URL", newText);
      expect([json.code, code]).toEqual([2, 2]);
      expect(driftDocumentSchema.parse(JSON.parse(json.stdout)).items).toHaveLength(2);
      expect(stdout).toMatch(/SERVICE_REFERENCE_CHANGED {2}DATABASE_URL\n.*\n.*\n {4}by {3}Ana Lopez at/);
    });

    test("ends with 1 where it could not tell, and records a base on request", async () => {
      await here.query("target", "update pgvector_cutover.migration set record = record - 'baseline'");
      const unseen = await run("--stack", "trial");
      expect(unseen).toMatchObject({ code: 1, stdout: expect.stringContaining("NOT SEEN BASELINE_MISSING") });
      expect(await run("--stack", "trial", "--record-baseline")).toMatchObject({ code: 0 });
      expect(await run("--stack", "trial")).toMatchObject({ code: 0 });
    });

    test("what the afterPromotion command changed is how the cutover left things", async () => {
      await here.query("target", `alter table public."WriterProgress" add column by_command int`);
      expect(names(await found())).toEqual([
        'migration APP_STRUCTURE_CHANGED column public."WriterProgress".by_command',
      ]);
      // It is given the database's URL, and no key to anything else of ours.
      const command = 'test -n "$DATABASE_URL" && test -z "$RAILWAY_TOKEN$AWS_SECRET_ACCESS_KEY"';
      expect(await afterPromotion(command)).toBe(0);
      expect(names(await found())).toEqual([]);
    });

    /** @returns the script's exit code */
    async function afterPromotion(command: string): Promise<number | null> {
      const child = spawn(process.execPath, [path.join(root, "scripts/after-promotion.ts")], {
        env: {
          ...{ ...process.env, ...here.world.environment, AWS_SECRET_ACCESS_KEY: "of the bucket" },
          ...{ AFTER_PROMOTION_COMMAND: command, RAILWAY_TOKEN_KIND: "project" },
          AFTER_PROMOTION_MIGRATION: JSON.stringify(here.inputs),
        },
        stdio: ["ignore", "inherit", "inherit"],
      });
      await once(child, "close");
      return child.exitCode;
    }

    test("the afterPromotion command runs once, whatever ends our sessions while it does", async () => {
      await here.query(
        "target",
        "delete from pgvector_cutover.event where text = 'afterPromotion command done'",
      );
      // As every run does that begins meanwhile: nobody tells an orphan's sessions from these.
      const ending =
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'pgvector_cutover:%' and pid <> pg_backend_pid()";
      const program = path.join(root, "test/migration/switch/hook-program.ts");
      expect(await afterPromotion(`HOOK_SQL="${ending}" '${process.execPath}' '${program}'`)).toBe(0);
      expect(await afterPromotion("exit 3")).toBe(0);
    });

    test("explains itself, and takes no wrong argument for drift", async () => {
      expect(await run("--help")).toMatchObject({ code: 0, stdout: expect.stringContaining("Exit codes") });
      expect((await run("--wrong")).code).toBe(1);
      expect((await run("--stack", "none")).code).toBe(1);
    });
  });

  describe("at the end of the old database", () => {
    test("its removal by hand is drift, its removal by the stack is none, and who names it is found", async () => {
      dashboard().deleteServiceByHand("Postgres");
      expect(names(await found())).toEqual(["source SERVICE_VANISHED Postgres"]);
      const removed: DriftOptions = { oldDatabase: fatesOf("remove") };
      expect(names(await found(removed))).toEqual(["source SERVICE_VANISHED Postgres"]);
      await noteRetired(retirementOf({}));
      expect(names(await found(removed))).toEqual(["source SERVICE_VANISHED Postgres"]);
      const removalBegunAt = "2026-01-02T00:00:00.000Z";
      await noteRetired(retirementOf({ removalBegunAt }));
      expect(await found(removed)).toEqual([]);
      await noteRetired(retirementOf({ removalBegunAt, removedAt: removalBegunAt }));
      expect(await found(removed)).toEqual([]);
      dashboard().setVariableByHand("metrics", "SOURCE", oldText);
      expect(names(await found(removed))).toEqual(["source OLD_DATABASE_NAMED metrics SOURCE"]);
      dashboard().removeVariableByHand("metrics", "SOURCE");
    });

    test("a service that vanished, or was replaced by another of its name", async () => {
      const removed: DriftOptions = { oldDatabase: ["removed"] };
      dashboard().deleteServiceByHand(admin);
      expect(names(await found(removed))).toEqual([`${admin} SERVICE_VANISHED ${admin}`]);
      dashboard().renameService("metrics", admin);
      expect(names(await found(removed))).toContain(`${admin} SERVICE_REPLACED ${admin}`);
    });
  });
});
