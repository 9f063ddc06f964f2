import { rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { MigrationInputs } from "../../components/migration/inputs.ts";
import { readStatus } from "../../components/migration/status.ts";
import { withConnection } from "../../components/postgres/connection.ts";
import { setSeal } from "../../components/postgres/fence/fence.ts";
import { createRailway, type Railway } from "../../components/railway/railway.ts";
import { createRailwayToken } from "../../components/railway/token.ts";
import { renderStatus, statusDocument, statusDocumentSchema } from "../../scripts/render-status.ts";
import { makeStackFolder, type StackFolder } from "../scripts/stack-folder.ts";
import { type CutoverWorld, startCutoverWorld } from "./cutover-world.ts";

const canary = "@healthcare/public";
const up = "pulumi up --stack trial";
const abort = "npm run abort -- --stack trial --yes";
const again = "npm run status -- --stack trial";

let here: CutoverWorld;

beforeAll(async () => {
  here = await startCutoverWorld();
});
afterAll(() => here?.stop());

/** As it is configured here: a failed switch is held, so that these tests need not hurry. */
const held = { onFailure: "hold" } as const;

/** The screen's document, and the screen itself. */
async function status(change: Partial<MigrationInputs> = {}, railway: Railway = here.railway) {
  const told = await readStatus(railway, { ...here.inputs, ...held, ...change });
  return { ...statusDocument(told, "trial"), screen: renderStatus(told, "trial") };
}

/** While somebody holds a table of the target for himself. */
const statusBehind = (table: string) =>
  withConnection(here.world.target.connection(), { purpose: "test" }, async (client) => {
    await client.query(`begin; lock table ${table} in access exclusive mode`);
    return status();
  });

const overLimit = () => ({ limits: { ...here.inputs.limits, writePauseMs: 1_000 } });

const yieldsAt = `select to_char(yields_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as yields
                    from pgvector_cutover.witness`;

/** A Railway that refuses every connection. */
const noRailway = () =>
  createRailway({
    token: createRailwayToken("project", "a-token"),
    endpoint: "http://127.0.0.1:9/graphql/v2",
    limits: { attempts: 1 },
  });

test("says how both databases are reached, and what certificate nobody has pinned yet", async () => {
  const { fingerprint } = here.world.source;
  const pinned = await status();
  expect(pinned.screen).toContain(`reached with TLS, certificate ${fingerprint}`);
  expect(pinned.screen).toContain("reached IN CLEAR TEXT (the patients of this world are made up)");
  const transport = { ...here.inputs.transport, source: { via: "tls", fingerprint: null } as const };
  const { screen, unseen } = await status({ transport });
  expect(unseen).toMatchObject([{ what: "source", why: expect.stringContaining("CERTIFICATE_NOT_PINNED") }]);
  expect(screen).toContain("reached with TLS, no certificate pinned yet");
  expect(screen).toContain(`source: { via: tls, fingerprint: "${fingerprint}" }`);
});

test("before anything has begun", async () => {
  expect(await status()).toMatchObject({
    complete: true,
    migration: null,
    writes: { to: "source", since: null },
    pause: null,
    run: { isActive: false },
    services: [],
    next: { action: "begin", command: "pulumi preview --stack trial" },
    alternative: null,
  });
});

test("while a run copies: writes wait since the first lock, and the run is waited for", async () => {
  const gate = path.join(tmpdir(), `cutover-status-${process.pid}`);
  const hooks = { beforeSwitch: `until [ -e '${gate}' ]; do sleep 0.05; done; exit 3` };
  let during: Awaited<ReturnType<typeof status>> | undefined;
  const run = here.run({
    inputs: { hooks },
    onLine: async (line) => {
      if (!line.startsWith("Hook before the switch")) return;
      during = await status().finally(() => writeFile(gate, ""));
    },
  });
  await expect(run).rejects.toMatchObject({ code: "CUTOVER_ABORTED" });
  await rm(gate);
  expect(during).toMatchObject({
    complete: true,
    migration: { state: "loading" },
    writes: { to: "nobody", text: expect.stringContaining("writes wait, reads go on") },
    pause: { since: during?.writes.since, limitMs: 120_000, overMs: 0 },
    source: expect.stringContaining("its tables are locked since"),
    run: { isActive: true, from: "127.0.0.1" },
    next: { action: "wait", command: again },
    alternative: { action: "abort", command: abort },
  });
  const journalBegan = Date.parse(during?.history[0]?.at ?? "");
  expect(Date.parse(during?.pause?.since ?? "")).toBeLessThan(journalBegan);
});

test("once it is put back: the old database, and nothing to abort", async () => {
  const told = await status();
  expect(told).toMatchObject({
    migration: { state: "aborted" },
    writes: { to: "source", since: told.migration?.since },
    services: [],
    next: { action: "begin" },
    alternative: null,
  });
  expect(told.history.map(({ text }) => text).join("\n")).toContain("BEFORE_SWITCH_HOOK_FAILED");
});

test("killed while it copied: writes go on by themselves", async () => {
  await here.killAt("schema read by pg_dump");
  await expect.poll(() => status()).toMatchObject({ writes: { to: "source" }, run: { isActive: false } });
  const told = await status();
  expect(told).toMatchObject({
    complete: true,
    migration: { state: "loading" },
    pause: null,
    source: "open: neither fenced nor sealed",
    next: { action: "up", command: up, why: expect.stringContaining("starts afresh") },
    alternative: { action: "abort", command: abort },
  });
});

describe("killed behind the fence, with no service on the copy yet", () => {
  beforeAll(() => here.killAt("both databases refuse writes"));

  test("it is told until when the fence keeps writers out, and that it does so no more", async () => {
    const told = await status();
    const [{ yields }] = await here.query("source", yieldsAt);
    expect(told.source).toContain(`lets writes pass again at ${yields}, unless a run goes on`);
    await here.query("source", "update pgvector_cutover.witness set yields_at = clock_timestamp()");
    const [{ yields: over }] = await here.query("source", yieldsAt);
    expect(await status()).toMatchObject({
      complete: true,
      writes: { to: "source", since: over },
      pause: null,
      source: `fenced by this migration until ${over}: writes pass again`,
      next: { action: "up", command: up, why: expect.stringContaining("let writers pass") },
      alternative: { action: "abort", command: abort },
    });
    await here.query("source", `update pgvector_cutover.witness set yields_at = '${yields}'`);
  });

  test("a fence of the copy that somebody broke is told, and no command is offered", async () => {
    await here.query("target", "alter event trigger pgvector_cutover_ddl disable");
    const told = await status();
    await expect(here.run()).rejects.toMatchObject({ code: "TARGET_FENCE_BROKEN" });
    await expect(here.abort()).rejects.toMatchObject({ code: "TARGET_FENCE_BROKEN" });
    expect((await here.journal())?.record.state).toBe("switching");
    await here.query("target", "alter event trigger pgvector_cutover_ddl enable always");
    expect(told).toMatchObject({
      target: "tables without a whole fence",
      next: { action: "by-hand", command: null, why: expect.stringContaining("TARGET_FENCE_BROKEN") },
      alternative: null,
    });
  });

  test("a fence of the copy that somebody opened by its row is told, and nothing goes on", async () => {
    await here.query("target", "update pgvector_cutover.fence set open = true");
    const told = await status();
    await expect(here.run()).rejects.toMatchObject({ code: "TARGET_FENCE_BROKEN" });
    await expect(here.abort()).rejects.toMatchObject({ code: "TARGET_FENCE_BROKEN" });
    await here.query("target", "update pgvector_cutover.fence set open = false");
    expect(told).toMatchObject({
      writes: { to: "target", text: expect.stringContaining("although it is not promoted") },
      next: { action: "by-hand" },
    });
    expect(await here.abort()).toBe("aborted");
  });
});

describe("killed while the canary was deployed", () => {
  beforeAll(() => here.killAt(`${canary}: deployment`, held));

  test("nobody can write since the first lock, and the way forward and back are told", async () => {
    await expect.poll(() => status()).toMatchObject({ run: { isActive: false } });
    const told = await status();
    const record = (await here.journal())?.record;
    const pausedAt = record?.state === "switching" ? record.fence.pausedAt : "";
    expect(told).toMatchObject({
      complete: true,
      migration: { state: "switching" },
      writes: { to: "nobody", since: pausedAt },
      pause: { since: pausedAt, limitMs: 120_000 },
      source: "fenced by this migration, without a hole",
      target: "a copy behind its fence",
      next: { action: "up", command: up, why: expect.stringContaining("goes on") },
      alternative: { action: "abort", command: abort },
    });
    expect(told.services).toContainEqual({ name: "@healthcare/api", state: "not touched" });
    expect(told.screen).toMatch(
      new RegExp(
        [
          "^stack +trial$",
          "^migration +\\S+, switching since \\S+Z$",
          `^who can write +nobody since ${pausedAt}, for .* \\(the limit is 2 min\\): writes are refused, reads go on$`,
          "^going on +no run is at work$",
          `^${canary} +deployment \\S+ begun, not proven$`,
          `^next +${up}$`,
          `^or +${abort}$`,
        ].join("[\\s\\S]*"),
        "m",
      ),
    );
    expect(told.screen.split("\n").length).toBeLessThan(30);
  });

  test("a table of the copy that is locked, as while its rows come, is not waited for", async () => {
    const locked = await statusBehind("medical_records.patients");
    expect(locked).toMatchObject({ complete: true, target: "a copy behind its fence" });
  });

  test("what is locked for long is told as not seen", async () => {
    expect(await statusBehind("pgvector_cutover.fence")).toMatchObject({
      complete: false,
      unseen: [{ what: "target", why: expect.stringContaining("55P03") }],
      next: { action: "look-again", command: again },
    });
  });

  test("a pause that is over its limit is told, and the way back comes first", async () => {
    const told = await status({ ...overLimit(), onFailure: "put-back" });
    expect(told.pause?.overMs).toBeGreaterThan(0);
    expect(told).toMatchObject({
      writes: { text: expect.stringMatching(/OVER the limit of 1 s by/) },
      next: { action: "abort", command: abort },
      alternative: { action: "up", command: up, why: expect.stringContaining("over its limit") },
    });
  });

  test("a pause that is held goes on over its limit, and is told all the same", async () => {
    expect(await status(overLimit())).toMatchObject({
      writes: { text: expect.stringMatching(/OVER the limit of 1 s by/) },
      next: { action: "up", command: up, why: expect.stringContaining("goes on") },
      alternative: { action: "abort", command: abort },
    });
  });

  test("once the source takes writes again, it is told who may still read the copy", async () => {
    await here.query("source", "update pgvector_cutover.witness set yields_at = clock_timestamp()");
    const told = await status();
    await here.query("source", "update pgvector_cutover.witness set yields_at = 'infinity'");
    expect(told.writes).toMatchObject({
      to: "source",
      text: expect.stringMatching(new RegExp(`; ${canary} may still read the copy, which stands still$`)),
    });
  });

  test("services that were renamed or removed meanwhile are told, and hinder nothing", async () => {
    const { railway } = here.world;
    railway.renameService("@healthcare/api", "api-2");
    const told = await status();
    railway.renameService("api-2", "@healthcare/api");
    expect(told).toMatchObject({ complete: true, next: { command: up } });
    expect(told.services).toContainEqual({ name: "@healthcare/api", state: "not touched; called api-2 now" });

    const gone: Railway = {
      ...here.railway,
      listServices: async (scope) =>
        (await here.railway.listServices(scope)).filter(({ name }) => name !== "@healthcare/admin"),
    };
    expect((await status({}, gone)).services).toContainEqual({
      name: "@healthcare/admin",
      state: "not touched; not on Railway any more",
    });
  });

  test("another configuration than the migration's is told: only the way back is offered", async () => {
    const services = here.inputs.services.filter(({ wave }) => wave === 0);
    expect(await status({ services })).toMatchObject({
      next: { action: "up", why: expect.stringContaining("services or their variables are not those") },
    });
    expect(await status({ schemas: ["public"] })).toMatchObject({
      complete: true,
      next: { action: "by-hand", command: null, why: expect.stringContaining("CONTEXT_MISMATCH") },
      alternative: { action: "abort", command: abort },
    });
  });

  test("without Railway it says what it could not see, and when to look again", async () => {
    const told = await status({}, noRailway());
    expect(told).toMatchObject({
      complete: false,
      unseen: [{ what: "railway", why: expect.stringContaining("RAILWAY_UNREACHABLE") }],
      writes: { to: "unknown" },
      run: { isActive: null },
      next: { action: "look-again", command: again },
      alternative: null,
    });
    expect(told.screen).toMatch(/^migration +not known$/m);
    expect(told.screen).toMatch(/^NOT SEEN +railway: RAILWAY_UNREACHABLE/m);
    expect(told.screen.match(/RAILWAY_UNREACHABLE/g), "once is enough").toHaveLength(1);
  });

  describe("the scripts", () => {
    let folder: StackFolder;
    const script: StackFolder["script"] = (...call) => folder.script(...call);

    beforeAll(async () => {
      folder = await makeStackFolder(
        { phase: "cutover", ...held, ...here.world.config },
        here.world.environment,
      );
    });
    afterAll(() => folder?.remove());

    test("print the screen, and the same as a document that its schema accepts", async () => {
      const screen = await script("status", ["--stack", "trial"]);
      expect(screen).toMatchObject({
        exitCode: 0,
        output: expect.stringMatching(new RegExp(`^next +${up}$`, "m")),
      });
      const { exitCode, output } = await script("status", ["--stack", "trial", "--json"]);
      expect(exitCode).toBe(0);
      expect(statusDocumentSchema.parse(JSON.parse(output))).toMatchObject({
        stack: "trial",
        migration: { state: "switching" },
        next: { command: up },
      });
      const { source, target, railway } = here.world;
      for (const secret of [source.password, target.password, ...Object.values(railway.tokens)])
        expect(screen.output + screen.errors + output).not.toContain(secret);
    });

    test("end with 1 when they could not tell, and with 2 for wrong arguments, as --help says", async () => {
      const nowhere = { RAILWAY_API_URL: "http://127.0.0.1:9/graphql/v2" };
      expect(await script("status", ["--stack", "trial"], nowhere)).toMatchObject({
        exitCode: 1,
        output: expect.stringContaining("RAILWAY_UNREACHABLE"),
      });
      expect(await script("status", ["--stack", "elsewhere"])).toMatchObject({
        exitCode: 1,
        errors: expect.stringContaining("STACK_NOT_FOUND"),
      });
      expect((await script("status", ["--nonsense"])).exitCode).toBe(2);
      const { exitCode, output } = await script("status", ["--help"]);
      expect(exitCode).toBe(0);
      for (const code of [0, 1, 2]) expect(output).toMatch(new RegExp(`^ +${code}  `, "m"));
    });

    test("abort without --yes shows the screen, does nothing and names the command that would", async () => {
      const earlier = here.world.railway.mutations().length;
      const entry = await here.journal();
      expect(await script("abort", ["--stack", "trial"])).toMatchObject({
        exitCode: 0,
        output: expect.stringMatching(
          new RegExp(`^or +${abort}$[\\s\\S]*Nothing was done\\. .*: ${abort}$`, "m"),
        ),
      });
      expect(await here.journal()).toEqual(entry);
      expect(here.world.railway.mutations()).toHaveLength(earlier);
    });
  });

  test("without the source it tells what the journal says", async () => {
    await here.world.source.stop();
    const told = await status();
    await here.world.source.start();
    expect(told).toMatchObject({
      complete: false,
      unseen: [{ what: "source", why: expect.stringContaining("SERVER_UNREACHABLE") }],
      migration: { state: "switching" },
      writes: { to: "unknown", text: expect.stringContaining("paused since") },
      next: { action: "look-again", command: again },
      alternative: null,
    });
  });

  test("without the target it tells what the source shows", async () => {
    const id = (await here.journal())?.id;
    await here.world.target.stop();
    const told = await status();
    await here.world.target.start();
    expect(told).toMatchObject({
      complete: false,
      unseen: [{ what: "target", why: expect.stringContaining("SERVER_UNREACHABLE") }],
      migration: null,
      source: `fenced by migration ${id}`,
      writes: { to: "unknown", text: expect.stringContaining("not Postgres") },
      run: { isActive: false },
      next: { action: "look-again", command: again },
    });
  });

  test("once the move is finished: the new database, since the promotion", async () => {
    const { record } = await here.run({ inputs: held });
    const told = await status();
    expect(told).toMatchObject({
      complete: true,
      migration: { state: "finished" },
      writes: { to: "target", since: record.promotion.promotedAt },
      pause: null,
      source: "sealed: it accepts no connections",
      target: "promoted: the application's database",
      next: { action: "nothing", command: up },
      alternative: null,
    });
  });

  test("the old database is not needed any more to tell that", async () => {
    await here.world.source.stop();
    const told = await status();
    await here.world.source.start();
    expect(told).toMatchObject({
      complete: true,
      unseen: [{ what: "source" }],
      writes: { to: "target" },
      next: { action: "nothing" },
    });
  });

  test("an old database that somebody opened again is an alarm", async () => {
    const { source } = here.world;
    await withConnection(source.connection("postgres"), { purpose: "world" }, (client) =>
      setSeal(client, source.connection().database, false),
    );
    expect(await status()).toMatchObject({
      writes: { to: "target" },
      next: { why: expect.stringContaining("seal was lifted") },
    });
    await here.query(
      "source",
      "drop event trigger pgvector_cutover_ddl; drop event trigger pgvector_cutover_drop; drop schema pgvector_cutover cascade",
    );
    expect(await status()).toMatchObject({
      complete: true,
      writes: { to: "both", text: expect.stringContaining("BOTH Postgres and pgvector") },
      next: { action: "nothing", why: expect.stringContaining("WARNING: somebody opened the source") },
    });
  });
});
