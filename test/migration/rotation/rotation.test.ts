import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { isAsDesired, observeAppService } from "../../../components/migration/app-service.ts";
import { resolveDatabase } from "../../../components/migration/decide/resolve.ts";
import { readDrift } from "../../../components/migration/drift.ts";
import { exclusivelyOnTarget } from "../../../components/migration/exclusion/exclusive-run.ts";
import { planRotation } from "../../../components/migration/rotation/plan.ts";
import { rotatePassword, undoRotation } from "../../../components/migration/rotation/rotate.ts";
import { isAccepted, rotationRole } from "../../../components/migration/rotation/server.ts";
import { readStatus } from "../../../components/migration/status.ts";
import { connect } from "../../../components/postgres/connection.ts";
import { quoteLiteral } from "../../../components/postgres/identifiers.ts";
import { renderRotation } from "../../../scripts/render-rotation.ts";
import { renderStatus, statusDocument } from "../../../scripts/render-status.ts";
import { inputsFor } from "../../dynamic/quiet-world.ts";
import { makeStackFolder } from "../../scripts/stack-folder.ts";
import { reloadServer } from "../../world/postgres/reload.ts";
import { healthcareServiceNames } from "../../world/railway/healthcare-world.ts";
import { nextWrites } from "../cutover-world.ts";
import { owner, type RotationWorld, startRotationWorld } from "./world.ts";

const reference = "${{pgvector.DATABASE_URL}}";
const metrics = "metrics";

let here: RotationWorld;
/** The present password when a test begins, and the deployments that each service has had by then. */
let old: string;
let before: Record<string, number>;
const everyPassword = new Set<string>();

beforeAll(async () => {
  here = await startRotationWorld();
});

afterAll(() => here?.stop());

beforeEach(async () => {
  await here.world.railway.settle();
  old = here.storedPassword();
  before = deploymentCounts();
});

afterEach(() => {
  everyPassword.add(here.storedPassword());
});

const rotateAgain = (onLine?: (line: string) => unknown) =>
  rotatePassword(here.run(onLine === undefined ? {} : { onLine }), { again: true });

function deploymentCounts(): Record<string, number> {
  const names = [...healthcareServiceNames, metrics, "pgvector", "Postgres"];
  return Object.fromEntries(names.map((name) => [name, here.world.railway.deployments(name).length]));
}

/** How many deployments each service has had since the test began; those that had none are left out. */
function deployed(): Record<string, number> {
  const counts = Object.entries(deploymentCounts()).map(([name, count]) => [
    name,
    count - (before[name] ?? 0),
  ]);
  return Object.fromEntries(counts.filter(([, count]) => count !== 0));
}

function placesOf({ world }: RotationWorld) {
  const { project, environments, services } = world.railway.inspect();
  const environment = environments.find(({ name }) => name === "staging");
  return {
    staging: {
      ...{ projectId: project.id, projectName: project.name },
      ...{ environmentId: environment?.id ?? "", environmentName: "staging" },
    },
    services: (wanted: string) => services.find(({ name }) => name === wanted)?.id ?? "",
  };
}

const onceEach = Object.fromEntries(healthcareServiceNames.map((name) => [name, 1]));

async function expectRotated(): Promise<void> {
  const now = here.storedPassword();
  expect(now).not.toBe(old);
  expect(await isAccepted(here.login(now))).toBe(true);
  expect(await isAccepted(here.login(old))).toBe(false);
  expect((await here.rotation())?.record).toMatchObject({ state: "finished" });
  await expectClean();
}

async function expectAsBefore(): Promise<void> {
  expect(here.storedPassword()).toBe(old);
  expect(await isAccepted(here.login(old))).toBe(true);
  await expectClean();
}

/** No second way in, nothing that leads to a password in the journal, and writers that lost nothing. */
async function expectClean(): Promise<void> {
  expect(await here.query(`select rolname from pg_roles where rolname = '${rotationRole}'`)).toEqual([]);
  expect(JSON.stringify((await here.rotation())?.record)).not.toMatch(/wayBack|SCRAM/);
  await nextWrites(here.world, here.target.connection());
  expect((await here.world.judge("target")).violations).toEqual([]);
}

describe("before the cutover", () => {
  test("deploys who already uses the database, and nobody else", async () => {
    here.world.railway.setVariableByHand("@healthcare/doctor", "LLM_DATABASE_URL", reference, {
      deploy: true,
    });
    await here.world.railway.settle();
    before = deploymentCounts();
    // A duplicated environment, and in this world the old database, have the same password.
    const { sameElsewhere } = await planRotation(here.run());
    expect(sameElsewhere).toContain("pgvector (staging): POSTGRES_PASSWORD");
    expect(sameElsewhere).toContain("Postgres (production): POSTGRES_PASSWORD");
    expect(await rotatePassword(here.run(), { again: false })).toBe("rotated");
    expect(deployed()).toEqual({ "@healthcare/doctor": 1 });
    expect(await isAccepted(here.login(here.storedPassword()))).toBe(true);
    expect(await isAccepted(here.login(old))).toBe(false);
  });

  test("a second call does nothing unless it is asked to", async () => {
    const mutations = here.world.railway.mutations().length;
    expect(await rotatePassword(here.run(), { again: false })).toBe("rotated before");
    expect(await undoRotation(here.run())).toBe("nothing to put back");
    expect(here.world.railway.mutations().length).toBe(mutations);
  });

  test("the cutover goes through afterwards", async () => {
    await here.cutOver();
    expect((await here.world.judge("target")).violations).toEqual([]);
  });
});

describe("after the cutover", () => {
  test("the plan changes nothing and names everything but the password", async () => {
    here.world.railway.setVariableByHand(metrics, "GF_DATABASE_URL", reference);
    const mutations = here.world.railway.mutations().length;
    const plan = await planRotation(here.run());
    expect(plan).toMatchObject({ role: owner, holders: ["POSTGRES_PASSWORD"], blockers: [] });
    expect(plan.services.map(({ name }) => name).toSorted()).toEqual(
      [...healthcareServiceNames, metrics].toSorted(),
    );
    expect(plan.services.find(({ name }) => name === metrics)).toMatchObject({
      overlaps: false,
      variables: ["GF_DATABASE_URL"],
    });
    const text = renderRotation(plan, "trial");
    expect(text).toContain("--again --yes");
    expect(text).not.toContain(old);
    expect(here.world.railway.mutations().length).toBe(mutations);
    here.world.railway.removeVariableByHand(metrics, "GF_DATABASE_URL");
  });

  test("every service is deployed once, no write is lost, and the old password is of no use", async () => {
    const stranger = await connect(here.login(old), { purpose: "test" });
    await stranger.query("set application_name = 'psql of a developer'");
    expect(await rotateAgain()).toBe("rotated");
    expect(deployed()).toEqual(onceEach);
    await expectRotated();
    // The server let the old containers in until the last build was done.
    const record = (await here.rotation())?.record;
    const changedAt = record?.state === "finished" ? Date.parse(record.changedAt) : 0;
    const builds = healthcareServiceNames.map((name) =>
      here.world.railway
        .deployments(name)
        .at(-1)
        ?.events.find(({ step }) => step === "BUILD_IMAGE"),
    );
    expect(builds.every((build) => Date.parse(build?.createdAt ?? "") < changedAt)).toBe(true);
    expect(here.storedPassword()).toMatch(/^[A-Za-z0-9_-]{43}$/);
    await expect(stranger.query("select 1")).rejects.toThrow();
    const [{ strangers } = {}] = await here.query(
      `select count(*)::int as strangers from pg_stat_activity where application_name = 'psql of a developer'`,
    );
    expect(strangers).toBe(0);
  });

  test("the program finds nothing to do, and no drift", async () => {
    for (const name of healthcareServiceNames) {
      const inputs = inputsFor(here.world).service(name);
      expect(isAsDesired(inputs, await observeAppService(here.railway, inputs))).toBe(true);
    }
    const { verdict, items } = await readDrift(here.railway, here.inputs, { oldDatabase: ["running"] });
    expect({ verdict, items }).toEqual({ verdict: "none", items: [] });
  });

  test("a service that merely shows the database's numbers is deployed as well", async () => {
    here.world.railway.setVariableByHand(metrics, "PASSWORD_OF_PGVECTOR", "${{pgvector.POSTGRES_PASSWORD}}");
    here.world.railway.setVariableByHand("uptime", "PGVECTOR_HOST", "${{pgvector.RAILWAY_PRIVATE_DOMAIN}}");
    await rotateAgain();
    expect(deployed()).toEqual({ ...onceEach, [metrics]: 1 });
    here.world.railway.removeVariableByHand(metrics, "PASSWORD_OF_PGVECTOR");
    await expectRotated();
  });

  test.for([
    ["a literal URL", metrics, () => `postgresql://${owner}:${old}@pgvector.railway.internal:5432/railway`],
    ["the password alone", metrics, () => old],
    ["a text around it", metrics, () => `host=pgvector.railway.internal password=${old}`],
  ] as const)("%s in another service blocks, and is named without its value", async ([, service, text]) => {
    here.world.railway.setVariableByHand(service, "COPY", text());
    const mutations = here.world.railway.mutations().length;
    const error = await rotateAgain().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "ROTATION_BLOCKED" });
    expect(String(error)).toContain(`${service} (production): COPY`);
    expect(String(error)).not.toContain(old);
    expect(here.world.railway.mutations().length).toBe(mutations);
    here.world.railway.removeVariableByHand(service, "COPY");
    await expectAsBefore();
  });

  test("in another environment only a public address leads here", async () => {
    const production = await here.railway.resolveEnvironment(here.inputs);
    const { staging, services } = placesOf(here);
    const set = (name: string, value: string) =>
      here.railway.setVariable(staging, services(metrics), name, value);
    const rendered = await here.railway.renderedVariables(production, services("pgvector"));
    await set("OWN", rendered.get("DATABASE_URL") ?? "");
    await set("PRODUCTION", rendered.get("DATABASE_PUBLIC_URL") ?? "");
    const plan = await planRotation(here.run());
    expect(plan.blockers).toEqual([expect.stringContaining("metrics (staging): PRODUCTION has a copy")]);
    expect(plan.sameElsewhere).toEqual(["metrics (staging): OWN"]);
    await set("PRODUCTION", "gone");
  });

  test("a shared variable with a copy blocks, too", async () => {
    here.world.railway.setSharedVariable("DB_PASSWORD", old);
    await expect(rotateAgain()).rejects.toThrow("shared variables (production): DB_PASSWORD");
    here.world.railway.setSharedVariable("DB_PASSWORD", "another");
  });

  test("several variables of the database that hold it are all changed", async () => {
    here.world.railway.setVariableByHand("pgvector", "PGPASSWORD", old);
    await rotateAgain();
    const { variables } = here.world.railway.inspect();
    const kept = variables.filter(
      ({ name, value }) => name === "PGPASSWORD" && value === here.storedPassword(),
    );
    expect(kept).toHaveLength(1);
    await expectRotated();
  });
});

describe("with another pg_hba.conf", () => {
  test.for([
    ["that asks for no password", `host all ${owner} all trust`, "with any password"],
    ["that keeps the second login out", `host all ${rotationRole} all reject`, "pg_hba.conf names roles"],
  ])("%s, nothing is changed", async ([, line = "", words = ""]) => {
    const restore = await putIntoHba(line);
    const mutations = here.world.railway.mutations().filter((name) => name === "variableUpsert").length;
    const error = await rotateAgain().catch((thrown: unknown) => thrown);
    await restore();
    expect(error).toMatchObject({ code: "ROTATION_BLOCKED" });
    expect(String(error)).toContain(words);
    expect(here.world.railway.mutations().filter((name) => name === "variableUpsert")).toHaveLength(
      mutations,
    );
    await expectAsBefore();
  });

  /** As the server's first line; the test's own superuser gets in by what follows. */
  async function putIntoHba(line: string): Promise<() => Promise<unknown>> {
    const [{ file, text } = {}] = await here.query(
      "select setting as file, pg_read_file(setting) as text from pg_settings where name = 'hba_file'",
    );
    const write = async (content: string) => {
      await here.query(
        `copy (select * from unnest(string_to_array(${quoteLiteral(content)}, chr(10)))) to ${quoteLiteral(String(file))}`,
      );
      await reloadServer(here.target.connection());
    };
    await write(`${line}\n${text}`);
    return () => write(String(text));
  }
});

describe("when something happens meanwhile", () => {
  test("a push with the new password is taken as the deployment", async () => {
    await rotateAgain((line) => {
      if (line === "Deploy every service that uses it") here.world.railway.pushDeployment("@healthcare/api");
    });
    expect(deployed()).toEqual(onceEach);
    await expectRotated();
  });

  test("a push that had to be cancelled on the way back is deployed again", async () => {
    await here.killAt("Deploy every service");
    here.world.railway.failNext("@healthcare/api", "HANG_BUILDING");
    here.world.railway.pushDeployment("@healthcare/api");
    expect(await undoRotation(here.run())).toBe("put back");
    await here.world.railway.settle();
    await expectAsBefore();
    const [push, again] = here.world.railway.deployments("@healthcare/api").slice(-2);
    expect([push?.reason, push?.status]).toEqual(["push", "REMOVED"]);
    expect([again?.status, given("@healthcare/api")]).toEqual(["SUCCESS", old]);
  });

  test("a service that was deployed after the variables were changed is put back as well", async () => {
    await here.killAt("Wait for the deployments");
    here.world.railway.setVariableByHand(metrics, "GF_DATABASE_URL", reference, { deploy: true });
    await here.world.railway.settle();
    expect(given(metrics)).toBe(here.storedPassword());
    expect(await undoRotation(here.run())).toBe("put back");
    await here.world.railway.settle();
    expect(given(metrics)).toBe(old);
    here.world.railway.removeVariableByHand(metrics, "GF_DATABASE_URL");
    await expectAsBefore();
  });

  test("a service whose deployment with the old password is still under way is deployed with the new one", async () => {
    here.world.railway.crash(metrics);
    here.world.railway.failNext(metrics, "HANG_DEPLOYING");
    here.world.railway.setVariableByHand(metrics, "GF_DATABASE_URL", reference, { deploy: true });
    expect(await rotateAgain()).toBe("rotated");
    await here.world.railway.settle();
    expect(given(metrics)).toBe(here.storedPassword());
    here.world.railway.removeVariableByHand(metrics, "GF_DATABASE_URL");
    await expectRotated();
  });

  test("a restart of the server interrupts it, and the next run goes on", async () => {
    const restarts: Promise<void>[] = [];
    const restart = async () => {
      await here.target.stop("immediate");
      await here.target.start();
    };
    const run = rotateAgain((line) => {
      if (line.startsWith("Wait for the deployments")) restarts.push(restart());
    });
    await expect(run).rejects.toMatchObject({ code: "ROTATION_INTERRUPTED" });
    await Promise.all(restarts);
    expect(await rotateAgain()).toBe("rotated");
    expect(deployed()).toEqual(onceEach);
    await expectRotated();
  });

  test("a Railway that does not answer any more interrupts it behind the change, and keeps nobody out", async () => {
    const run = rotateAgain((line) => {
      if (line.startsWith("Wait for the deployments"))
        here.world.railway.failRequests({ mode: "500", times: Number.POSITIVE_INFINITY });
    });
    await expect(run).rejects.toMatchObject({ code: "ROTATION_INTERRUPTED" });
    expect((await here.rotation())?.record.state).toBe("changed");
    here.world.railway.clearRequestFaults();
    expect(await rotateAgain()).toBe("rotated");
    expect(deployed()).toEqual(onceEach);
    await expectRotated();
  });

  test("a dead run's write that Railway carries out late does not have the last word", async () => {
    const late = () => here.world.railway.setVariableByHand("pgvector", "POSTGRES_PASSWORD", "of a dead run");
    expect(
      await rotateAgain((line) => {
        if (line === "See that the old password is of no use") late();
      }),
    ).toBe("rotated");
    await expectRotated();
    old = here.storedPassword();
    await here.killAt("runs on the new password");
    let left = healthcareServiceNames.length;
    const onLine = (line: string) => {
      if (/: (went|runs) on (with )?the old password/.test(line) && --left === 0) late();
    };
    expect(await undoRotation(here.run({ onLine }))).toBe("put back");
    expect(left).toBe(0);
    await here.world.railway.settle();
    await expectAsBefore();
  });

  test("an operator sees the plan and the end, and no password", async () => {
    const config = { phase: "cutover", ...here.world.config };
    const folder = await makeStackFolder(config, here.world.environment);
    const shown = await folder.script("rotate-password", ["--stack", "trial"]);
    const done = await folder.script("rotate-password", ["--stack", "trial", "--again", "--yes"]);
    const again = await folder.script("rotate-password", ["--stack", "trial", "--yes"]);
    await folder.remove();
    expect(shown).toMatchObject({ exitCode: 0, output: expect.stringContaining("each deployed once") });
    expect(done).toMatchObject({ exitCode: 0, output: expect.stringContaining("Rotated: ") });
    expect(again).toMatchObject({ exitCode: 0, output: expect.stringContaining("Nothing was done") });
    const printed = JSON.stringify([shown, done, again]);
    for (const password of [old, here.storedPassword()]) expect(printed).not.toContain(password);
    await expectRotated();
  });
});

describe("when a deployment fails", () => {
  test("in its build, the server's password was never changed and nobody noticed", async () => {
    here.world.railway.setVariableByHand(metrics, "GF_DATABASE_URL", reference);
    here.world.railway.failNext("@healthcare/api", "BUILD");
    here.lines.length = 0;
    await expect(rotateAgain()).rejects.toMatchObject({ code: "ROTATION_PUT_BACK" });
    expect(here.lines.join("\n")).not.toContain("new sessions need the new password");
    await here.world.railway.settle();
    await expectAsBefore();
    // Who cannot wait to be let in was not deployed at all.
    expect(deployed()).toEqual(onceEach);
    here.world.railway.removeVariableByHand(metrics, "GF_DATABASE_URL");
  });

  test("in its health check, everything is put back to the old password", async () => {
    here.world.railway.setPace({ healthcheckTimeoutMs: 1_000 });
    here.world.railway.failNext("@healthcare/api", "HEALTHCHECK");
    const error = await rotateAgain().catch((thrown: unknown) => thrown);
    here.world.railway.setPace({ healthcheckTimeoutMs: 15_000 });
    expect(error).toMatchObject({ code: "ROTATION_PUT_BACK" });
    expect(String(error)).toContain("HEALTHCHECK");
    await here.world.railway.settle();
    await expectAsBefore();
  });

  test("on the way back too, what is left is done by the next run", async () => {
    here.world.railway.setPace({ healthcheckTimeoutMs: 1_000 });
    here.world.railway.failNext("@healthcare/api", "HEALTHCHECK");
    const run = rotateAgain((line) => {
      if (!line.startsWith("Put the old")) return;
      here.world.railway.failNext("@healthcare/doctor", "BUILD");
      // What it ran before, once more.
      here.world.railway.failNext("@healthcare/doctor", "HEALTHCHECK");
    });
    const error = await run.catch((thrown: unknown) => thrown);
    here.world.railway.setPace({ healthcheckTimeoutMs: 15_000 });
    expect(error).toMatchObject({ code: "ROTATION_INCOMPLETE" });
    expect((await here.rotation())?.record).toMatchObject({ state: "putting-back" });
    expect(await undoRotation(here.run())).toBe("put back");
    await here.world.railway.settle();
    await expectAsBefore();
  });

  test("a service that nobody can build any more goes back to what it ran before", async () => {
    await here.killAt("runs on the new password");
    await here.world.railway.settle();
    for (const name of healthcareServiceNames) here.world.railway.failNext(name, "BUILD");
    expect(await undoRotation(here.run())).toBe("put back");
    await here.world.railway.settle();
    await expectAsBefore();
    for (const name of healthcareServiceNames) expect(given(name)).toBe(old);
  });
});

/** The password that a service's serving deployment was given. */
function given(name: string): string | undefined {
  const serving = here.world.railway.deployments(name).findLast(({ status }) => status === "SUCCESS");
  const url = Object.values(serving?.variables ?? {}).find((text) => text.includes(`//${owner}:`));
  return url === undefined ? undefined : new URL(url).password;
}

/** Lines of a run, in their order: what is killed there has done all that came before. */
const places = [
  "Look whether the password can be rotated",
  "Write the new password",
  "is set, and nothing deployed",
  "Deploy every service",
  "is given the new password",
  "new sessions need the new password",
  "runs on the new password",
  "See that the old password",
  "refuses the old password",
];

describe("killed", () => {
  test.for(places)("at “%s”, the next run goes on", async (place) => {
    await here.killAt(place);
    await nextWrites(here.world, here.target.connection());
    expect(await rotateAgain()).toBe("rotated");
    expect(deployed()).toEqual(onceEach);
    await expectRotated();
  });

  test.for(places.slice(1, 7))("at “%s”, --put-back leads back", async (place) => {
    await here.killAt(place);
    expect(await undoRotation(here.run())).toBe("put back");
    await here.world.railway.settle();
    await expectAsBefore();
    for (const count of Object.values(deployed())) expect(count).toBeLessThanOrEqual(2);
  });

  test.for(["the server has the old password", "is set, and nothing deployed", "on the old password again"])(
    "on the way back at “%s”, the next run goes on back",
    async (place) => {
      await here.killAt("runs on the new password");
      await here.killAt(place, "back");
      expect(await rotateAgain()).toBe("put back");
      await here.world.railway.settle();
      await expectAsBefore();
    },
  );

  test.for([
    // The variables have the new password, and the server does not.
    ["is given the new password", "begun"],
    ["Wait for the deployments", "changed"],
  ] as const)("at “%s”, the status tells both ways", async ([place, state]) => {
    await here.killAt(place);
    expect(await status()).toMatchObject({
      ...{ complete: true, unseen: [], rotation: { state } },
      next: { action: "rotate", command: "npm run rotate-password -- --stack trial --yes" },
      alternative: {
        action: "put-rotation-back",
        command: "npm run rotate-password -- --stack trial --put-back --yes",
      },
    });
    await here.killAt("the server has the old password", "back");
    const { screen, ...told } = await status();
    expect(told).toMatchObject({
      rotation: { state: "putting-back" },
      ...{ next: { action: "put-rotation-back" }, alternative: null },
    });
    expect(screen).toContain("unfinished, putting-back since ");
    expect(await undoRotation(here.run())).toBe("put back");
    expect(await status()).toMatchObject({ rotation: null, next: { action: "nothing" } });
    await here.world.railway.settle();
    await expectAsBefore();
  });

  async function status() {
    const told = await readStatus(here.railway, here.inputs);
    return { ...statusDocument(told, "trial"), screen: renderStatus(told, "trial") };
  }

  test("the password is in no line, no statement and no row", async () => {
    await here.killAt("Wait for the deployments");
    const record = JSON.stringify((await here.rotation())?.record);
    await rotateAgain();
    const log = here.serverLog.join("\n");
    expect(log).toContain("pgvector_cutover.rotation");
    for (const password of [...everyPassword, old, here.storedPassword()]) {
      for (const text of [log, record, here.lines.join("\n")]) expect(text).not.toContain(password);
    }
    expect(log).not.toMatch(/SCRAM-SHA-256\$/);
  });
});

describe("beside another run", () => {
  test("only one rotates, and a cutover's command waits for a rotation that died", async () => {
    const second: Promise<unknown>[] = [];
    await rotateAgain((line) => {
      if (line.startsWith("Wait for")) second.push(rotateAgain().catch((error: unknown) => error));
    });
    expect(await Promise.all(second)).toMatchObject([{ code: "ANOTHER_RUN_ACTIVE" }]);
    before = deploymentCounts();
    old = here.storedPassword();
    await here.killAt("Wait for the deployments");
    await expect(underLock()).rejects.toMatchObject({ code: "ROTATION_UNFINISHED" });
    expect(await rotateAgain()).toBe("rotated");
    expect(await underLock()).toBe("done");
  });

  /** As every command does that works on the target after the promotion. */
  async function underLock(): Promise<string> {
    const { railway, inputs, reporter } = here.run();
    const scope = await railway.resolveEnvironment(inputs);
    const target = await resolveDatabase(railway, scope, inputs, "target");
    const run = { railway, inputs, reporter, isEngineAlive: async () => true };
    return exclusivelyOnTarget(run, { scope, target, services: [] }, async () => "done");
  }
});
