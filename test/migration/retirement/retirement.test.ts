import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { decrypt, newEphemeralKey } from "../../../components/backup/encryption.ts";
import { runCutover } from "../../../components/migration/cutover.ts";
import { readJournal } from "../../../components/migration/journal/journal.ts";
import { adoptRetired, observeRetired, retire } from "../../../components/migration/postgres-service.ts";
import { retirementFailures } from "../../../components/migration/retirement/preview.ts";
import { removeLegacy } from "../../../components/migration/retirement/remove.ts";
import { stopLegacy } from "../../../components/migration/retirement/stop.ts";
import { readStatus } from "../../../components/migration/status.ts";
import { findArchiveClient } from "../../../components/postgres/archive/client.ts";
import { readContents } from "../../../components/postgres/archive/database-contents.ts";
import { restoreArchive } from "../../../components/postgres/archive/restore-archive.ts";
import { createLike } from "../../../components/postgres/archive/scratch-database.ts";
import { connect, withConnection } from "../../../components/postgres/connection.ts";
import { inputsFor, secretsOf } from "../../dynamic/quiet-world.ts";
import { sentinelMarker } from "../../world/postgres/source-fixture.ts";
import { cutOver, type RetirementWorld, startRetirementWorld, withAnswers } from "./world.ts";

/** The operator's key, of which the program only gets the public half. */
const operator = await newEphemeralKey();
let retirement: RetirementWorld;
let beforeCutover: unknown[];

beforeAll(async () => {
  retirement = await startRetirementWorld(operator.recipient);
  const { world, run } = retirement;
  beforeCutover = [
    await stopLegacy(run("stop")).catch((error) => error),
    await removeLegacy(run("remove")).catch((error) => error),
  ];
  await cutOver(world, run("stop").railway);
});

afterAll(async () => {
  await retirement?.stop();
});

test("nothing is retired before the cutover is finished", () => {
  for (const error of beforeCutover) {
    expect(error).toMatchObject({
      code: "RETIREMENT_REFUSED",
      message: expect.stringContaining("the journal does not say that the cutover is finished"),
    });
  }
});

describe("the stop is refused", () => {
  let mutations: number;

  beforeEach(() => {
    mutations = retirement.world.railway.mutations().length;
  });

  afterEach(async () => {
    expect(retirement.world.railway.mutations().length, "Railway is left alone").toBe(mutations);
    const { rows } = await onServer(
      "select datname, datallowconn from pg_database where datname like 'pgvector_cutover%' or datname = 'railway'",
    );
    expect(rows, "the database is sealed, and no copy is left").toEqual([
      { datname: "railway", datallowconn: false },
    ]);
    expect((await journal()).retirement).toBeUndefined();
    expect(retirement.s3.objects.size).toBe(0);
  });

  test("while the soak lasts", async () => {
    expect(await reasonsAgainstStop({ soakDays: 14 })).toEqual([
      expect.stringMatching(/^the soak lasts until/),
    ]);
  });

  test("without a place for the final backup", async () => {
    expect(await reasonsAgainstStop({ removal: { finalBackup: null } })).toEqual([
      "removal.finalBackup does not say where the final backup goes",
    ]);
  });

  test("for a backup of one's own that is older than the last write", async () => {
    const finalBackup = {
      to: "own",
      place: "on the tape in the safe",
      restoredAt: "2020-01-01T00:00:00Z",
    } as const;
    expect(await reasonsAgainstStop({ removal: { finalBackup } })).toEqual([
      expect.stringMatching(/restored at 2020-01-01.*before the old database took its last write/),
    ]);
  });

  test("for the new database", async () => {
    const { target } = retirement.describe("stop").inputs.transport;
    const transport = { source: target, target };
    const reasons = await reasonsAgainstStop({ serviceId: serviceId("pgvector"), transport });
    expect(reasons).toContain("the service to retire is the new database");
    expect(reasons).toContain("the service to retire is not the one that was migrated");
  });

  test.each([
    ["a reference", "DATASOURCE", () => "${{Postgres.DATABASE_URL}}"],
    ["a reference in a longer text", "DSN", () => "host=${{ Postgres.PGHOST }} sslmode=require"],
    ["its private host", "HOST", () => "postgres.railway.internal"],
    ["its public address", "URL", () => `postgresql://u:p@127.0.0.1:${retirement.world.source.port}/railway`],
  ])("while a variable holds %s", async (_what, name, value) => {
    await whileSet(name, value(), async () => {
      expect(await reasonsAgainstStop()).toEqual([`metrics (production): ${name} names Postgres`]);
    });
  });

  test("while host and port of its proxy are in two variables", async () => {
    await whileSet("DB_HOST", "127.0.0.1", () =>
      whileSet("DB_PORT", String(retirement.world.source.port), async () => {
        expect(await reasonsAgainstStop()).toEqual(["metrics (production): DB_HOST names Postgres"]);
      }),
    );
  });

  test("while a variable of the environment holds it, and whoever renders that", async () => {
    const { railway } = retirement.run("stop");
    const scope = await railway.resolveEnvironment(retirement.run("stop").inputs);
    const share = (value: string) => railway.setVariable(scope, null as never, "OLD_URL", value);
    await share("${{Postgres.DATABASE_URL}}");
    mutations += 1;
    try {
      await whileSet("INDIRECT", "${{shared.OLD_URL}}", async () => {
        expect(await reasonsAgainstStop()).toEqual([
          "shared variables (production): OLD_URL names Postgres",
          "metrics (production): INDIRECT names Postgres",
        ]);
      });
    } finally {
      await share("");
      mutations += 1;
    }
  });

  test("while a sealed variable refers to it", async () => {
    const { railway } = retirement.world;
    await whileSet("SEALED", "${{Postgres.DATABASE_URL}}", async () => {
      railway.sealVariable("metrics", "SEALED");
      expect(await reasonsAgainstStop()).toEqual(["metrics (production): SEALED names Postgres"]);
    });
  });

  test("while it is named as it is called now, and another service has its configured name", async () => {
    const { railway } = retirement.world;
    railway.renameService("Postgres", "legacy");
    railway.renameService("uptime", "Postgres");
    try {
      await whileSet("SEALED", "${{legacy.PGPASSWORD}}", () =>
        whileSet("FORMER", "${{Postgres.PGUSER}}", async () => {
          railway.sealVariable("metrics", "SEALED");
          expect((await reasonsAgainstStop({ serviceId: serviceId("legacy") })).toSorted()).toEqual([
            "metrics (production): FORMER names Postgres",
            "metrics (production): SEALED names legacy",
          ]);
        }),
      );
    } finally {
      railway.renameService("Postgres", "uptime");
      railway.renameService("legacy", "Postgres");
    }
  });

  test("while another environment names it, where the token sees it", async () => {
    const reasons = await reasonsAgainstStop({ tokenKind: "account" });
    expect(reasons).toContain("@healthcare/api (staging): DATABASE_URL names Postgres");
    expect(reasons.every((reason) => reason.includes("(staging)"))).toBe(true);
  });

  test("while somebody is connected to its server", async () => {
    const session = await connect(retirement.world.source.connection("postgres"), { purpose: "x" });
    try {
      await session.query("set application_name = 'grafana'");
      expect(await reasonsAgainstStop()).toEqual([
        "a session of grafana in database postgres from 127.0.0.1 is on it",
      ]);
    } finally {
      await session.end();
    }
  });

  test.each([
    [
      "a replication slot",
      "select pg_create_physical_replication_slot('standby')",
      "select pg_drop_replication_slot('standby')",
      ["replication slot standby is on it"],
    ],
    [
      "another database on its server",
      "create database analytics",
      "drop database analytics",
      ["database analytics is on the same server, and in no backup"],
    ],
    [
      "a cron job for it, and tables in the maintenance database",
      "create schema cron create table job (jobid int, jobname text, database text, active boolean); insert into cron.job values (1, 'nightly', 'railway', true), (2, 'other', 'postgres', true), (3, 'off', 'railway', false)",
      "drop schema cron cascade",
      [
        "cron job nightly runs on it",
        "table cron.job in database postgres is on the same server, and in no backup",
      ],
    ],
  ])("for %s", async (_what, make, undo, reasons) => {
    await onServer(make);
    try {
      expect(await reasonsAgainstStop()).toEqual(reasons);
    } finally {
      await onServer(undo);
    }
  });

  test("for a subscription in it", async () => {
    await insideUnsealed(
      "create subscription leftover connection 'host=nowhere' publication p with (connect = false, slot_name = none)",
    );
    try {
      expect(await reasonsAgainstStop()).toEqual(["subscription leftover is on it"]);
    } finally {
      await insideUnsealed("drop subscription leftover");
    }
  });

  test("where its seal was lifted", async () => {
    await onServer("alter database railway with allow_connections true");
    try {
      expect(await reasonsAgainstStop()).toEqual(["it is not sealed any more: somebody may have used it"]);
    } finally {
      await onServer("alter database railway with allow_connections false");
    }
  });

  test("where its volume has no room for the proof", async () => {
    const run = retirement.run("stop");
    const { railway } = run;
    const listVolumes: typeof railway.listVolumes = async (scope) =>
      (await railway.listVolumes(scope)).map((volume) => ({ ...volume, sizeMB: volume.currentSizeMB + 1 }));
    expect(await refusal(stopLegacy({ ...run, railway: withAnswers(railway, { listVolumes }) }))).toEqual([
      expect.stringMatching(/^its volume has 1 MB free, and proving a backup there needs \d+ MB: enlarge/),
    ]);
  });

  test("but not for want of the room that a killed run's copy takes", async () => {
    const { rows } = await onServer(
      "select pg_database_size('railway')::float8 as bytes, pg_size_bytes(current_setting('max_wal_size'))::float8 as wal",
    );
    const run = retirement.run("stop");
    const freeMB = Math.ceil((rows[0].bytes * 0.5 + rows[0].wal) / 1_000_000);
    const listVolumes: typeof run.railway.listVolumes = async (scope) =>
      (await run.railway.listVolumes(scope)).map((one) => ({ ...one, sizeMB: one.currentSizeMB + freeMB }));
    const railway = withAnswers(run.railway, { listVolumes });
    const source = async () => (await readStatus(run.railway, inputsFor(retirement.world).migration)).source;
    expect(await source()).toBe("sealed: it accepts no connections");
    await onServer("create database pgvector_cutover_copy template railway");
    try {
      expect(await retirementFailures({ ...run, railway })).toEqual([]);
      expect(await source()).toBe(
        "sealed: it accepts no connections; beside it lies pgvector_cutover_copy with its rows, of a stop that was interrupted: legacyPostgres: stop drops it, or drop it by hand",
      );
    } finally {
      await onServer("drop database pgvector_cutover_copy");
    }
  });

  test("where a fence was opened", async () => {
    await insideUnsealed("alter event trigger pgvector_cutover_ddl disable");
    try {
      mutations += backupMutations();
      expect(await reasonsAgainstStop()).toEqual(["its fence is not whole any more"]);
    } finally {
      await insideUnsealed("alter event trigger pgvector_cutover_ddl enable always");
    }
  });

  test("where a row is not as it was at the fence; and with it, all else at once", async () => {
    const change = (by: number) =>
      insideUnsealed(`
        alter event trigger pgvector_cutover_ddl disable;
        alter table public."WriterProgress" disable trigger pgvector_cutover_fence;
        update public."WriterProgress" set sequence = sequence + ${by};
        alter table public."WriterProgress" enable always trigger pgvector_cutover_fence;
        alter event trigger pgvector_cutover_ddl enable always;`);
    await change(1);
    try {
      const changed = "table public.WriterProgress is not as it was hashed at the fence";
      expect(await reasonsAgainstStop()).toEqual([changed]);
      await whileSet("DATASOURCE", "${{Postgres.DATABASE_URL}}", async () => {
        expect(await reasonsAgainstStop({ soakDays: 1 })).toEqual([
          expect.stringMatching(/^the soak/),
          "metrics (production): DATASOURCE names Postgres",
          changed,
        ]);
      });
    } finally {
      await change(-1);
    }
  });

  test("in the preview already, which looks at everything but the inside, and writes nothing", async () => {
    const before = await transactions();
    await whileSet("DATASOURCE", "${{Postgres.DATABASE_URL}}", async () => {
      expect(await retirementFailures(retirement.run("stop", { soakDays: 1 }))).toEqual([
        { property: "lifecycle", reason: expect.stringMatching(/^the soak/) },
        { property: "lifecycle", reason: "metrics (production): DATASOURCE names Postgres" },
      ]);
    });
    expect(await retirementFailures(retirement.run("stop"))).toEqual([]);
    expect(await transactions()).toEqual(before);
  });

  /** The volume is backed up before anything is copied; the first of these tests makes the one that all others find. */
  function backupMutations(): number {
    return finalBackups() === 0 ? 1 : 0;
  }
});

/** Of the old volume, beside the one that the cutover made. */
function finalBackups(): number {
  return retirement.world.railway.inspect().backups.filter(({ name }) => name === "final-Postgres").length;
}

test("nothing is removed that was not stopped, and no refusal hides another", async () => {
  const { railway } = retirement.world;
  const mutations = railway.mutations().length;
  const reasons = await reasonsAgainstRemoval({
    tokenKind: "project",
    soakDays: 1,
    removal: { confirmServiceId: "not-this-one" },
  });
  expect(reasons).toEqual([
    expect.stringMatching(/^the soak/),
    `removal.confirmServiceId is not the old service's id (${serviceId("Postgres")})`,
    expect.stringMatching(/^the token sees one environment only/),
    expect.stringMatching(/^it was not stopped.*no final backup that was restored/),
  ]);
  expect(railway.mutations().length).toBe(mutations);
});

describe("the stop", () => {
  test("does not go on where the backup cannot be stored", async () => {
    const finalBackup = { to: "path", folder: "/nowhere/mounted", recipients: [operator.recipient] } as const;
    await expect(stopLegacy(retirement.run("stop", { removal: { finalBackup } }))).rejects.toMatchObject({
      code: "BACKUP_NOT_STORED",
    });
    expect((await journal()).retirement).toBeUndefined();
    expect(await isServing()).toBe(true);
  });

  test.each([
    ["tables are as they were hashed at the fence", "with the copy on the server"],
    ["final backup stored", "with a backup that was not restored"],
    ["read back, restored once and equal", "with one that was, and no word of it in the journal"],
  ])("killed at “%s”, %s, is not done", async (line) => {
    await retirement.killAt(line, "stop");
    expect((await journal()).retirement).toBeUndefined();
    expect(await isServing()).toBe(true);
    expect(await reasonsAgainstRemoval()).toContainEqual(expect.stringMatching(/^it was not stopped/));
  });

  test("does not touch what the journal holds no proof of any more", async () => {
    const run = retirement.run("stop");
    const cut = withAnswers(run.railway, { stopDeployment: () => Promise.reject(new Error("cut off")) });
    await expect(stopLegacy({ ...run, railway: cut })).rejects.toThrow("cut off");
    expect((await journal()).retirement).toMatchObject({ stoppedAt: null });
    const forgetting = withAnswers(run.railway, {
      async listDeployments(...given) {
        const { world } = retirement;
        await withConnection(world.target.connection(), { purpose: "world" }, (client) =>
          client.query("update pgvector_cutover.migration set record = record - 'retirement'"),
        );
        return run.railway.listDeployments(...given);
      },
    });
    await expect(stopLegacy({ ...run, railway: forgetting })).rejects.toMatchObject({
      code: "RETIREMENT_REFUSED",
    });
    expect(await isServing()).toBe(true);
  });

  test("interrupted behind the proof has a backup that counts for its own keys alone", async () => {
    const { describe, run } = retirement;
    const { recipient } = await newEphemeralKey();
    const { finalBackup } = describe("stop").inputs.removal;
    if (finalBackup?.to !== "s3") throw new Error("the world's final backup is in a bucket");
    const change = { removal: { finalBackup: { ...finalBackup, recipients: [recipient] } } };
    const wrong = run("stop", change);
    const stopDeployment = async () => {
      throw new Error("killed");
    };
    await expect(
      stopLegacy({ ...wrong, railway: withAnswers(wrong.railway, { stopDeployment }) }),
    ).rejects.toThrow("killed");
    expect((await journal()).retirement?.finalBackup).toMatchObject({ recipients: [recipient] });
    expect(await isServing()).toBe(true);
  });

  test("goes on from there, and is done once", async () => {
    const { railway } = retirement.world;
    const record = await stopLegacy(retirement.run("stop"));
    expect(record).toMatchObject({
      tables: (await journal()).fence.tables.length,
      finalBackup: { to: "s3", recipients: [operator.recipient] },
    });
    expect((await journal()).retirement).toEqual(record);
    expect(railway.mutations()).not.toContain("volumeDelete");
    expect(finalBackups()).toBe(1);
    expect(retirement.s3.openUploads()).toEqual([]);
    const mutations = railway.mutations().length;
    expect(await stopLegacy(retirement.run("stop"))).toEqual(record);
    expect(railway.mutations().length).toBe(mutations);
  });

  test("leaves a status that does not miss what was stopped on purpose", async () => {
    const { railway } = retirement.run("stop");
    expect(await readStatus(railway, inputsFor(retirement.world).migration)).toMatchObject({
      complete: true,
      unseen: [],
      source: expect.stringMatching(/^stopped at .*: its volume is kept$/),
      writes: { to: "target" },
    });
  });

  test("leaves a backup that the operator's key alone reads, and that restores without a fence", async () => {
    const { world, s3 } = retirement;
    const [content] = [...s3.objects.values()] as [Buffer];
    expect(s3.objects.size).toBe(1);
    expect(content.includes(sentinelMarker)).toBe(false);
    expect(content.includes("PGDMP")).toBe(false);
    const { fence, retirement: record } = await journal();
    const elsewhere = world.target.connection("operator");
    await withConnection(world.target.connection("postgres"), { purpose: "world" }, (client) =>
      createLike(client, "railway", "operator"),
    );
    const signal = new AbortController().signal;
    await restoreArchive(await decrypt([content] as never, operator.identity), {
      client: await findArchiveClient(world.source.majorVersion),
      database: elsewhere,
      searchPath: record?.finalBackup.to === "s3" ? record.finalBackup.searchPath : "",
      signal,
    });
    const { tables } = await readContents(elsewhere, { workers: 2, signal });
    expect(tables.map(({ schema, name, rows, hash }) => [schema, name, rows, hash])).toEqual(
      fence.tables.map(({ schema, name, source }) => [schema, name, source.rows, source.hash]),
    );
    await withConnection(elsewhere, { purpose: "world" }, (client) =>
      client.query(`update public."WriterProgress" set sequence = sequence; create table public.more ()`),
    );
  });

  test("is found by a stack that lost its state", async () => {
    const { railway, inputs } = retirement.run("stop");
    expect(await adoptRetired(railway, inputs)).toMatchObject({
      facts: { serviceId: serviceId("Postgres") },
      retirement: {
        state: "stopped",
        evidence: expect.arrayContaining([
          expect.stringMatching(/^\S+ final backup s3:\S+ .*SHA-256 [0-9a-f]{64}/),
        ]),
      },
    });
  });

  test("is proven anew once somebody deployed it again, and until then nothing is removed", async () => {
    const { world } = retirement;
    const former = (await journal()).retirement;
    const stopped = { state: "stopped" as const, evidence: [] };
    const id = world.railway.pushDeployment("Postgres");
    await world.railway.settle();
    expect(await reasonsAgainstRemoval()).toContainEqual(
      expect.stringMatching(/^it was deployed again since it was stopped.*: pulumi refresh, then/),
    );
    await retirement.run("stop").railway.stopDeployment(id);
    expect(await reasonsAgainstRemoval()).toContainEqual(
      expect.stringMatching(
        /^it was deployed again since it was stopped.*: deploy it once more, pulumi refresh/,
      ),
    );
    expect(await refusal(retire(retirement.run("stop"), stopped))).toEqual([
      "it does not run, so nothing can be proven: deploy it once",
    ]);
    world.railway.pushDeployment("Postgres");
    await world.railway.settle();
    const { railway, inputs } = retirement.run("stop");
    expect(await observeRetired(railway, inputs, serviceId("Postgres"), stopped)).toMatchObject({
      state: "running",
    });
    const record = await stopLegacy(retirement.run("stop"));
    expect(Date.parse(record.provenAt)).toBeGreaterThan(Date.parse(former?.provenAt ?? ""));
    expect(record.finalBackup).not.toEqual(former?.finalBackup);
  });

  test("is refused once it is done with a backup for other keys than those configured now", async () => {
    const { finalBackup } = retirement.describe("stop").inputs.removal;
    const { recipient } = await newEphemeralKey();
    const change = { removal: { finalBackup: { ...finalBackup, recipients: [recipient] } as never } };
    const keys = expect.stringMatching(/^the final backup was made for other keys than those configured now/);
    expect(await reasonsAgainstStop(change)).toEqual([keys]);
    expect(await onlyProduction(change)).toEqual([keys]);
    const stopped = { state: "stopped" as const, evidence: [] };
    expect(await refusal(retire(retirement.run("stop", change), stopped))).toEqual([keys]);
  });
});

describe("the removal", () => {
  test("is refused with the wrong id, a narrow token, or a volume that is elsewhere, too", async () => {
    const narrow = await reasonsAgainstRemoval({
      tokenKind: "project",
      removal: { confirmServiceId: serviceId("pgvector") },
    });
    expect(narrow).toEqual([
      expect.stringMatching(/^removal\.confirmServiceId is not/),
      expect.stringMatching(/^the token sees one environment only/),
    ]);
    const wide = await reasonsAgainstRemoval();
    expect(wide).toContain("its volume also exists in staging");
    expect(wide).toContain("@healthcare/admin (staging): DATABASE_URL names Postgres");
    expect(await retirementFailures(retirement.run("remove"))).toEqual(
      wide.map((reason) => ({ property: "lifecycle", reason })),
    );
  });

  test("is refused where the final backup is gone, is another, is elsewhere or cannot be seen", async () => {
    const { s3 } = retirement;
    const [[key, content]] = [...s3.objects] as [[string, Buffer]];
    s3.objects.delete(key);
    expect(await onlyProduction()).toEqual([`the final backup is not at s3://${s3.bucket}/${key} any more`]);
    s3.objects.set(key, Buffer.alloc(content.length));
    expect(await onlyProduction()).toEqual([
      `what lies at s3://${s3.bucket}/${key} is not the final backup that was restored`,
    ]);
    s3.objects.set(key, content);
    const finalBackup = { to: "path", folder: "/elsewhere", recipients: [operator.recipient] } as const;
    expect(await onlyProduction({ removal: { finalBackup } })).toEqual([
      expect.stringMatching(
        /cannot be looked at: removal\.finalBackup names another place now \(\/elsewhere/,
      ),
    ]);
    const blind = { ...withoutStaging(), credentials: undefined };
    expect(await refusal(removeLegacy(blind))).toEqual([expect.stringMatching(/BACKUP_CREDENTIALS_MISSING/)]);
  });

  test("finds the final backup under the service's name, also where it is configured by its id since", async () => {
    const { inputs, ...run } = withoutStaging();
    const byId = { ...run, inputs: { ...inputs, source: run.serviceId } };
    expect(await retirementFailures(byId)).toEqual([]);
  });

  test("is refused while its volume is another service's, or nobody's", async () => {
    const { railway } = retirement.world;
    const { mutations } = railway;
    const before = mutations().length;
    const run = withoutStaging();
    const listVolumes = run.railway.listVolumes;
    railway.moveVolume("Postgres", "metrics");
    try {
      expect(await onlyProduction()).toEqual([
        expect.stringMatching(/^its volume \S+ is attached to another service now/),
      ]);
      railway.moveVolume("metrics", null);
      expect(await onlyProduction()).toEqual([
        expect.stringMatching(/^its volume \S+ is attached to nothing now/),
      ]);
      railway.moveVolume(null, "metrics");
      // Attached after everything was judged.
      const unmoved: typeof listVolumes = async (scope) =>
        (await listVolumes(scope)).map((one) =>
          one.serviceId === serviceId("metrics") ? { ...one, serviceId: serviceId("Postgres") } : one,
        );
      await expect(
        removeLegacy({ ...run, railway: withAnswers(run.railway, { listVolumes: unmoved }) }),
      ).rejects.toMatchObject({ code: "VOLUME_IN_USE" });
      railway.moveVolume("metrics", null);
    } finally {
      railway.moveVolume(null, "Postgres");
    }
    expect(mutations().length).toBe(before);
  });

  test("is refused with the evidence of another environment, or of another new database", async () => {
    const before = retirement.world.railway.mutations().length;
    const { retirement: evidence, context } = await journal();
    const foreign =
      "the journal's evidence was made in another environment (this database was copied from there), so it proves nothing here";
    const { railway, inputs } = retirement.run("stop");
    await rewriteJournal({ retirement: { ...evidence, environmentId: "another" } });
    try {
      expect(await onlyProduction()).toEqual([foreign]);
      expect(await reasonsAgainstStop()).toContain(foreign);
      expect(await adoptRetired(railway, inputs)).toBeUndefined();
      await rewriteJournal({ context: { ...context, target: { ...context.target, serviceId: "another" } } });
      expect(await onlyProduction()).toEqual(["the new database is not the one that was moved to", foreign]);
    } finally {
      await rewriteJournal({ context, retirement: evidence });
    }
    expect(retirement.world.railway.mutations().length).toBe(before);
  });

  test("is refused where the stored bytes are others, although all that is said of them is the same", async () => {
    const { s3 } = retirement;
    const [[key, content]] = [...s3.objects] as [[string, Buffer]];
    const run = withoutStaging();
    const mutations = retirement.world.railway.mutations().length;
    // After the look at size and ETag, before the reading.
    s3.onHead = () => s3.objects.set(key, Buffer.alloc(content.length));
    await expect(removeLegacy(run)).rejects.toMatchObject({ code: "BACKUP_CHANGED" });
    s3.onHead = undefined;
    s3.objects.set(key, content);
    expect(retirement.world.railway.mutations().length).toBe(mutations);
  });

  test("is refused for what came while the final backup was read again", async () => {
    const run = withoutStaging();
    const { railway } = retirement.world;
    const before = railway.mutations().length;
    const reporter = {
      ...run.reporter,
      detail(line: string) {
        if (line.includes("read again")) {
          railway.setVariableByHand("metrics", "DATASOURCE", "${{Postgres.DATABASE_URL}}");
        }
      },
    };
    try {
      expect(await refusal(removeLegacy({ ...run, reporter }))).toEqual([
        "metrics (production): DATASOURCE names Postgres",
      ]);
    } finally {
      railway.setVariableByHand("metrics", "DATASOURCE", "");
    }
    expect(railway.mutations().length).toBe(before);
  });

  test("interrupted behind the volume goes on with the service", async () => {
    const run = withoutStaging();
    const interrupting = {
      ...run.reporter,
      detail(line: string) {
        if (/^volume .* is gone/.test(line)) throw new Error("killed");
      },
    };
    await expect(removeLegacy({ ...run, reporter: interrupting })).rejects.toThrow("killed");
    expect((await journal()).retirement).toMatchObject({
      removalBegunAt: expect.any(String),
      removedAt: null,
    });
    const record = await removeLegacy(withoutStaging());
    expect(record.removedAt).not.toBeNull();
    const { mutations } = retirement.world.railway;
    const deletions = mutations().filter((name) => /Delete$/.test(name));
    expect(deletions).toEqual(["volumeDelete", "serviceDelete"]);
    expect(await removeLegacy(withoutStaging())).toEqual(record);
    expect(mutations().filter((name) => /Delete$/.test(name))).toEqual(deletions);
  });

  test("leaves a migration that needs the old database for nothing", async () => {
    const { railway, inputs } = retirement.run("stop");
    const { migration } = inputsFor(retirement.world);
    const reporter = { step: () => {}, detail: () => {} };
    await expect(
      runCutover({ railway, inputs: migration, reporter, isEngineAlive: async () => true }),
    ).resolves.toMatchObject({ record: { state: "finished" } });
    expect(await adoptRetired(railway, inputs)).toMatchObject({ retirement: { state: "removed" } });
    expect(await retirementFailures(withoutStaging())).toEqual([]);
  });
});

test("no secret and no row is in any line, nor in the journal", async () => {
  const text = retirement.lines.join("\n") + JSON.stringify(await journal());
  const { secretAccessKey, accessKeyId } = retirement.s3.credentials;
  for (const secret of [...secretsOf(retirement.world), secretAccessKey, accessKeyId, operator.identity]) {
    expect(text).not.toContain(secret);
  }
  expect(text).not.toMatch(/AGE-SECRET-KEY/);
  expect(text).not.toContain(sentinelMarker);
});

type Change = Parameters<RetirementWorld["run"]>[1];

async function refusal(work: Promise<unknown>): Promise<string[]> {
  const error = await work.then(
    () => new Error("it was not refused"),
    (failure) => failure,
  );
  expect(error).toMatchObject({ code: "RETIREMENT_REFUSED" });
  return error.message
    .replace(/^.*?nothing of it was changed: /, "")
    .replace(/\.$/, "")
    .split("; ");
}

function reasonsAgainstStop(change?: Change): Promise<string[]> {
  return refusal(stopLegacy(retirement.run("stop", change)));
}

function reasonsAgainstRemoval(change?: Change): Promise<string[]> {
  return refusal(removeLegacy(retirement.run("remove", change)));
}

/** A run for which the project has no other environment. */
function withoutStaging(change?: Change) {
  const run = retirement.run("remove", change);
  const { railway } = run;
  const environmentFacts: typeof railway.environmentFacts = async (scope) => ({
    ...(await railway.environmentFacts(scope)),
    projectEnvironments: [scope],
  });
  return { ...run, railway: withAnswers(railway, { environmentFacts }) };
}

function onlyProduction(change?: Change): Promise<string[]> {
  return refusal(removeLegacy(withoutStaging(change)));
}

async function whileSet(name: string, value: string, work: () => Promise<void>): Promise<void> {
  const { railway } = retirement.world;
  railway.setVariableByHand("metrics", name, value);
  try {
    await work();
  } finally {
    railway.setVariableByHand("metrics", name, "");
  }
}

function onServer(text: string) {
  return withConnection(retirement.world.source.connection("postgres"), { purpose: "observe" }, (client) =>
    client.query(text),
  );
}

/** What a superuser does who lifts the seal for a moment. */
async function insideUnsealed(text: string): Promise<void> {
  await onServer("alter database railway with allow_connections true");
  try {
    await withConnection(retirement.world.source.connection(), { purpose: "observe" }, (client) =>
      client.query(text),
    );
  } finally {
    await onServer("alter database railway with allow_connections false");
  }
}

async function transactions(): Promise<unknown> {
  const { rows } = await onServer("select pg_snapshot_xmax(pg_current_snapshot())::text as id");
  return rows;
}

async function journal() {
  const entry = await withConnection(
    retirement.world.target.connection(),
    { purpose: "observe", readOnly: true },
    readJournal,
  );
  if (entry?.record.state !== "finished") throw new Error("the cutover is not finished");
  return entry.record;
}

/** What restoring another database over the new one does to the journal in it. */
async function rewriteJournal(change: object): Promise<void> {
  await withConnection(retirement.world.target.connection(), { purpose: "world" }, (client) =>
    client.query("update pgvector_cutover.migration set record = record::jsonb || $1", [
      JSON.stringify(change),
    ]),
  );
}

async function isServing(): Promise<boolean> {
  return retirement.world.railway.deployments("Postgres").some(({ status }) => status === "SUCCESS");
}

function serviceId(name: string): string {
  return retirement.world.railway.inspect().services.find((one) => one.name === name)?.id ?? "";
}
