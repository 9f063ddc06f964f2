import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseEnv } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { reportSchema } from "../../components/migration/report.ts";
import { withConnection } from "../../components/postgres/connection.ts";
import { planDocumentSchema } from "../../scripts/render-plan.ts";
import { secretsOf, transactionIds } from "../dynamic/quiet-world.ts";
import { type CutoverWorld, startCutoverWorld } from "../migration/cutover-world.ts";
import { sentinelMarker } from "../world/postgres/source-fixture.ts";
import { startServers } from "../world/world.ts";
import { makeStackFolder, runScript, type ScriptResult, type StackFolder } from "./stack-folder.ts";

const up = ["--stack", "trial"];

let here: CutoverWorld;
let stack: StackFolder;
const started: Array<() => Promise<void>> = [];

beforeAll(async () => {
  // Its transactions would count as ours.
  const settings = { autovacuum: "off" };
  here = await startCutoverWorld(await startServers({ rows: 2_000, settings }, started));
  const accept = here.world.target.hasPgvector
    ? []
    : [{ code: "VECTOR_MISSING", object: "target", reason: "this machine has no pgvector" }];
  stack = await makeStackFolder({ phase: "adopt", accept, ...here.world.config }, here.world.environment);
});
afterAll(async () => {
  await stack?.remove();
  await here?.stop();
  for (const stop of started) await stop();
});

/** Whatever is printed or written for others to read holds neither a secret nor a row. */
function expectNothingSecret(...texts: readonly string[]): void {
  for (const secret of [...secretsOf(here.world), sentinelMarker])
    expect(texts.join("")).not.toContain(secret);
}

describe("before anything has begun", () => {
  test("the plan is shown in phase adopt already, in three forms, and changes nothing on Railway", async () => {
    const text = await stack.script("plan", up);
    expect(text).toMatchObject({
      exitCode: 0,
      output: expect.stringContaining("Nothing blocks the cutover."),
    });
    const markdown = await stack.script("plan", [...up, "--markdown"]);
    expect(markdown.exitCode).toBe(0);
    expect(markdown.output).toMatch(
      /^### Cutover plan of `DOCTORES-SEO-PACIENTE-MGMT` \(`production`\), stack `trial`$/m,
    );
    expect(markdown.output).toContain("Nothing in `llm_assistant` is touched.");
    const json = await stack.script("plan", [...up, "--json"]);
    expect(json.exitCode).toBe(0);
    expect(planDocumentSchema.parse(JSON.parse(json.output))).toMatchObject({
      stack: "trial",
      verdict: "ready",
      outlook: { action: "begin" },
      plan: { protectedSchemas: ["llm_assistant"] },
    });
    for (const { output, errors } of [text, markdown, json]) expectNothingSecret(output, errors);
    expect(here.world.railway.mutations()).toEqual([]);
  });

  test("a blocker ends it with 1, and is what is read first", async () => {
    await here.query("target", "create table public.leftover (id int)");
    const { exitCode, output } = await stack.script("plan", [...up, "--markdown"]);
    await here.query("target", "drop table public.leftover");
    expect(exitCode).toBe(1);
    expect(output).toMatch(/^\*\*Blocked: 1 finding/m);
  });

  test("what cannot be looked at ends it with 1 as well", async () => {
    const nowhere = { RAILWAY_API_URL: "http://127.0.0.1:9/graphql/v2" };
    const { exitCode, output } = await stack.script("plan", [...up, "--json"], nowhere);
    expect(exitCode).toBe(1);
    expect(planDocumentSchema.parse(JSON.parse(output))).toMatchObject({
      verdict: "unchecked",
      outlook: { remarks: [expect.stringContaining("RAILWAY_UNREACHABLE")] },
    });
  });

  test("abort promises nothing that it would not do", async () => {
    const { exitCode, output } = await stack.script("abort", up);
    expect(exitCode).toBe(0);
    expect(output).toMatch(/^Nothing was done\. As things stand, --yes would put nothing back either\.$/m);
  });

  test("there is nothing to report", async () => {
    expect(await stack.script("report", up)).toMatchObject({
      exitCode: 1,
      errors: expect.stringMatching(/^NOTHING_TO_REPORT: .* Remedy: /),
    });
  });
});

describe("npm run local-env", () => {
  const doctor = "apps/doctor/.env.local";
  const database = "packages/database/.env";
  const former =
    "# mine\r\nexport LLM_DATABASE_URL='postgresql://me:former-secret@old-host:5432/railway' # local\r\nA=\xff\r\n";
  let monorepo: string;
  let state: string;

  beforeAll(async () => {
    monorepo = await mkdtemp(path.join(tmpdir(), "cutover-monorepo-"));
    state = path.join(monorepo, "state");
    await git("init", "--quiet");
    await mkdir(path.join(monorepo, "apps/doctor"), { recursive: true });
    await mkdir(path.join(monorepo, "packages/database"), { recursive: true });
    await write(".gitignore", ".env*.local\nstate\n");
    await write(database, former);
    await chmod(path.join(monorepo, database), 0o640);
    await write(".env", "B=1");
  });
  afterAll(() => rm(monorepo, { recursive: true }));

  const write = (name: string, text: string) => writeFile(path.join(monorepo, name), text, "latin1");
  const read = (name: string) => readFile(path.join(monorepo, name), "latin1");
  const modeOf = async (name: string) => (await stat(path.join(monorepo, name))).mode & 0o777;
  const git = (...command: string[]) =>
    runScript(
      "-e",
      [`require("child_process").execFileSync("git", ${JSON.stringify(command)})`],
      monorepo,
      {},
    );

  async function localEnv(...args: string[]): Promise<ScriptResult> {
    const result = await stack.script("local-env", ["--monorepo", monorepo, ...args], {
      XDG_STATE_HOME: state,
    });
    expectNothingSecret(result.output, result.errors);
    expect(result.output + result.errors).not.toContain("former-secret");
    return result;
  }

  test("shows first: a diff without secrets, and whom the files are open to", async () => {
    const before = await transactionIds(here.world);
    await git("add", "--force", ".env");
    const { exitCode, output } = await localEnv(...up);
    await git("rm", "--cached", "--quiet", ".env");
    expect({ exitCode, output }).toMatchObject({ exitCode: 0 });
    expect(output).toMatch(/^apps\/doctor\/\.env\.local \(new\), line 1$/m);
    expect(output).toMatch(/^ {2}- LLM_DATABASE_URL=postgresql:\/\/\[redacted\]@old-host:5432\/railway$/m);
    expect(output).toMatch(/^ {2}\+ LLM_DATABASE_URL=postgresql:\/\/\[redacted\]@\S+:\d+\/railway$/m);
    expect(output).toContain("WARNING: git tracks .env:");
    expect(output).toContain("WARNING: no .gitignore names packages/database/.env:");
    expect(output).not.toMatch(/WARNING.*apps\/doctor/);
    expect(output).toContain("packages/database/.env: others on this machine can read it (mode 640).");
    expect(output).toContain("Nothing was written. Once more with --yes does it.");
    await expect(read(doctor)).rejects.toThrow("ENOENT");
    expect(await read(database)).toBe(former);
    expect(await read(".env")).toBe("B=1");
    // The services of this world write on the source only.
    expect((await transactionIds(here.world))[1]).toBe(before[1]);
  });

  test("into a file that git tracks it is written on request only, and otherwise into none", async () => {
    await git("add", "--force", ".env");
    expect(await localEnv(...up, "--yes")).toMatchObject({
      exitCode: 1,
      errors: expect.stringMatching(/^LOCAL_ENV_TRACKED: .*\.env.* Remedy: .*--allow-tracked/),
    });
    await expect(read(doctor)).rejects.toThrow("ENOENT");
    expect([await read(database), await read(".env")]).toEqual([former, "B=1"]);
    const allowed = await localEnv(...up, "--yes", "--allow-tracked");
    expect(allowed).toMatchObject({
      exitCode: 0,
      output: expect.stringContaining("WARNING: git tracks .env:"),
    });
    expect(await read(".env")).toContain("LLM_DATABASE_URL=");
    expect(await localEnv("--undo", "--yes")).toMatchObject({ exitCode: 0 });
    expect(await read(".env")).toBe("B=1");
    await git("rm", "--cached", "--quiet", ".env");
  });

  test("with --yes the URL is in all three files, it works, and nothing else is other than before", async () => {
    expect(await localEnv(...up, "--yes")).toMatchObject({
      exitCode: 0,
      output: expect.stringMatching(/Written\.\n$/),
    });
    const { LLM_DATABASE_URL: url = "" } = parseEnv(await read(doctor));
    const { hostname, port, password } = new URL(url);
    const connection = { ...here.world.target.connection(), host: hostname, port: Number(port) };
    expect(decodeURIComponent(password)).toBe(connection.password);
    await withConnection(connection, { purpose: "test", readOnly: true }, async () => {});
    expect(await read(doctor)).toBe(`LLM_DATABASE_URL="${url}"\n`);
    expect(await read(database)).toBe(former.replace(/'.*'/, `"${url}"`));
    expect(await read(".env")).toBe(`B=1\nLLM_DATABASE_URL="${url}"\n`);
    expect([await modeOf(doctor), await modeOf(database)]).toEqual([0o600, 0o640]);
    expect(await localEnv(...up, "--yes")).toMatchObject({
      output: expect.stringContaining("Nothing to change."),
    });
  });

  test("--undo puts back what stood there, without Railway, and leaves what was set since", async () => {
    const nowhere = ["--stack", "elsewhere"];
    await write(".env", (await read(".env")).replace(/LLM.*/, "LLM_DATABASE_URL=by-hand"));
    expect(await localEnv(...nowhere, "--undo")).toMatchObject({ exitCode: 1 });
    expect(await read(doctor)).toContain("LLM_DATABASE_URL");
    expect(await localEnv(...nowhere, "--undo", "--yes")).toMatchObject({
      exitCode: 1,
      output: expect.stringContaining("Taken back."),
      errors: expect.stringMatching(/^LOCAL_ENV_CHANGED_SINCE: .* in \.env, which is left as it is/),
    });
    await expect(read(doctor)).rejects.toThrow("ENOENT");
    expect(await read(database)).toBe(former);
    expect(await read(".env")).toBe("B=1\nLLM_DATABASE_URL=by-hand\n");
    await write(".env", "B=1\n");
    expect(await localEnv("--undo", "--yes")).toMatchObject({ exitCode: 0 });
    expect(await localEnv("--undo", "--yes")).toMatchObject({ exitCode: 0, output: "Nothing to change.\n" });
  });

  test("a second URL does not make it forget what stood there before the first", async () => {
    await write(".env", "LLM_DATABASE_URL=first\n");
    await localEnv(...up, "--yes");
    const { port } = new URL(parseEnv(await read(".env")).LLM_DATABASE_URL ?? "");
    expect(await localEnv(...up, "--via", "tunnel", "--port", port, "--yes")).toMatchObject({ exitCode: 0 });
    expect(await localEnv("--undo", "--yes")).toMatchObject({ exitCode: 0 });
    expect(await read(".env")).toBe("LLM_DATABASE_URL=first\n");
    expect(await read(database)).toBe(former);
  });

  test("what is remembered is readable by its owner alone", async () => {
    await localEnv(...up, "--yes");
    const folder = path.join(state, "railway-pgvector-cutover");
    const [file = ""] = await readdir(folder);
    expect((await stat(path.join(folder, file))).mode & 0o777).toBe(0o600);
    expect(await readFile(path.join(folder, file), "utf8")).not.toContain(here.world.target.password);
    await localEnv("--undo", "--yes");
    expect(await readdir(folder)).toEqual([]);
  });

  test("--undo keeps what it cannot reach any more, and says so", async () => {
    const own = "packages/database/own.env";
    await write(own, "LLM_DATABASE_URL=before\n");
    await rm(path.join(monorepo, database));
    await symlink("own.env", path.join(monorepo, database));
    await localEnv(...up, "--yes");
    await rm(path.join(monorepo, database));
    await write(database, former);
    expect(await localEnv("--undo", "--yes")).toMatchObject({
      exitCode: 1,
      output: expect.stringContaining("Taken back."),
      errors: expect.stringMatching(/^LOCAL_ENV_ELSEWHERE: .*own\.env/),
    });
    await expect(read(doctor)).rejects.toThrow("ENOENT");
    await rm(path.join(monorepo, database));
    await symlink("own.env", path.join(monorepo, database));
    expect(await localEnv("--undo", "--yes")).toMatchObject({ exitCode: 0 });
    expect(await read(own)).toBe("LLM_DATABASE_URL=before\n");
    await rm(path.join(monorepo, database));
    await rm(path.join(monorepo, own));
    await write(database, former);
  });

  test("two names of one file are one file, and a link that leads out is refused", async () => {
    await rm(path.join(monorepo, database));
    await symlink("../../.env", path.join(monorepo, database));
    const shown = await localEnv(...up);
    expect(shown.output.match(/line \d/g)).toHaveLength(2);
    await rm(path.join(monorepo, database));
    const outside = path.join(stack.path, "outside.env");
    await writeFile(outside, "");
    await symlink(outside, path.join(monorepo, database));
    expect(await localEnv(...up, "--yes")).toMatchObject({
      exitCode: 1,
      errors: expect.stringContaining("LOCAL_ENV_OUTSIDE"),
    });
    await rm(path.join(monorepo, database));
  });

  test("a file that cannot be read, or would not be read as it is meant, changes nothing", async () => {
    await mkdir(path.join(monorepo, doctor));
    expect(await localEnv(...up, "--yes")).toMatchObject({
      exitCode: 1,
      errors: expect.stringContaining("LOCAL_ENV_FILE_FAILED"),
    });
    await rm(path.join(monorepo, doctor), { recursive: true });
    await write(doctor, 'A="never closed\n');
    await write(".env", "LLM_DATABASE_URL:\n");
    const before = [await read(doctor), await read(".env")];
    expect(await localEnv(...up, "--yes")).toMatchObject({
      exitCode: 1,
      errors: expect.stringContaining("LOCAL_ENV_FILE_UNCLEAR"),
    });
    expect([await read(doctor), await read(".env")]).toEqual(before);
  });

  test("another folder, a closed port and a note of another version are refused", async () => {
    await rm(path.join(monorepo, doctor));
    await write(".env", "");
    const elsewhere = await stack.script("local-env", ["--monorepo", stack.path, "--undo"]);
    expect(elsewhere).toMatchObject({
      exitCode: 1,
      errors: expect.stringContaining("LOCAL_ENV_NOT_A_MONOREPO"),
    });
    expect(await localEnv(...up, "--via", "tunnel", "--port", "9", "--yes")).toMatchObject({
      exitCode: 1,
      errors: expect.stringContaining("SERVER_UNREACHABLE"),
    });
    await localEnv(...up, "--yes");
    const folder = path.join(state, "railway-pgvector-cutover");
    const [file = ""] = await readdir(folder);
    await writeFile(path.join(folder, file), "{}");
    expect(await localEnv("--undo", "--yes")).toMatchObject({
      exitCode: 1,
      errors: expect.stringContaining("LOCAL_ENV_UNDO_UNREADABLE"),
    });
  });
});

describe("after a cutover", () => {
  beforeAll(() => here.run());

  test("the report is one page with its evidence, the same as a document, and holds no secret and no row", async () => {
    const page = path.join(stack.path, "page.html");
    expect(await stack.script("report", [...up, "--out", page])).toMatchObject({ exitCode: 0 });
    const json = await stack.script("report", [...up, "--json"]);
    const report = reportSchema.parse(JSON.parse(json.output));
    expect(report).toMatchObject({
      state: "finished",
      gate: { verdict: "green", differences: [] },
      services: expect.arrayContaining([
        expect.objectContaining({ name: "@healthcare/public", provenAt: expect.any(String) }),
      ]),
    });
    expect(report.writePauseMs).toBe(
      Date.parse(report.times.promotedAt ?? "") - Date.parse(report.times.pausedAt ?? ""),
    );
    expect(report.gate?.compared.tables).toBe(report.moved?.tables.length);
    expect(report.events.map(({ text }) => text)).toContain("promoted");
    const totals = await stack.script("report", [...up, "--json", "--totals"]);
    expect(JSON.parse(totals.output)).toEqual({ ...report, moved: { ...report.moved, tables: [] } });
    const text = await readFile(page, "utf8");
    for (const { deploymentId } of report.services) expect(text).toContain(deploymentId);
    expectNothingSecret(text, json.output);
  });

  test("the plan says that up only records what is done", async () => {
    const { exitCode, output } = await stack.script("plan", [...up, "--markdown"]);
    expect(exitCode).toBe(0);
    expect(output).toMatch(/\*\*Migration \S+ is finished already: up records it and moves nothing\*\*/);
  });
});
