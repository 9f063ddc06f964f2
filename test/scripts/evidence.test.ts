import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { canonicalJson, sha256 } from "../../components/migration/evidence/canonical.ts";
import {
  type DocumentName,
  type Documents,
  documentSchemas,
} from "../../components/migration/evidence/documents.ts";
import { verifyBundle } from "../../components/migration/evidence/verify.ts";
import { readBundle } from "../../scripts/evidence/files.ts";
import { secretsOf } from "../dynamic/quiet-world.ts";
import { type CutoverWorld, startCutoverWorld } from "../migration/cutover-world.ts";
import { sentinelMarker } from "../world/postgres/source-fixture.ts";
import { makeStackFolder, type ScriptResult, type StackFolder } from "./stack-folder.ts";

const up = ["--stack", "trial"];
const canary = "@healthcare/public";

let here: CutoverWorld;
let stack: StackFolder;

beforeAll(async () => {
  here = await startCutoverWorld();
  stack = await makeStackFolder({ phase: "cutover", ...here.world.config }, here.world.environment);
});
afterAll(async () => {
  await stack?.remove();
  await here?.stop();
});

async function make(name: string, ...args: string[]): Promise<ScriptResult> {
  const result = await stack.script("evidence", [...up, "--out", name, ...args]);
  for (const secret of [...secretsOf(here.world), sentinelMarker])
    expect(result.output + result.errors).not.toContain(secret);
  return result;
}

const verify = (name: string, ...args: string[]) => stack.script("evidence", ["--verify", name, ...args]);
const fileOf = (bundle: string, name: string) => path.join(stack.path, bundle, name);
const textOf = (bundle: string, name: string) => readFile(fileOf(bundle, name), "utf8");

/** The digest of the contents, as the documentation says that it is made. */
async function derivedContents(bundle: string): Promise<string> {
  const { stdout } = await promisify(execFile)(
    "sh",
    ["-c", "grep -v '  export.json$' SHA256SUMS | sha256sum"],
    { cwd: path.join(stack.path, bundle) },
  );
  return stdout.slice(0, 64);
}

async function documentOf<Name extends DocumentName>(bundle: string, name: Name): Promise<Documents[Name]> {
  return documentSchemas[name].parse(JSON.parse(await textOf(bundle, name))) as Documents[Name];
}

/** Whatever was exported holds neither a secret nor a row, and passes its own check and that of coreutils. */
async function expectSound(bundle: string): Promise<void> {
  const names = await readdir(path.join(stack.path, bundle));
  expect(names.toSorted()).toEqual(
    [...Object.keys(documentSchemas), "SHA256SUMS", "index.html", "report.html", "schema.json"].toSorted(),
  );
  for (const name of names) {
    const text = await textOf(bundle, name);
    for (const secret of [...secretsOf(here.world), sentinelMarker]) expect(text).not.toContain(secret);
    expect((await stat(fileOf(bundle, name))).mode & 0o777, name).toBe(0o600);
  }
  expect((await stat(path.join(stack.path, bundle))).mode & 0o777).toBe(0o700);
  expect(await verify(bundle)).toMatchObject({ exitCode: 0, errors: "" });
  await promisify(execFile)("sha256sum", ["--check", "--strict", "SHA256SUMS"], {
    cwd: path.join(stack.path, bundle),
  });
}

test("before anything has begun there is nothing to write", async () => {
  expect(await make("none")).toMatchObject({
    exitCode: 1,
    errors: expect.stringMatching(/^NOTHING_TO_REPORT: .* Remedy: /),
  });
  expect(await readdir(stack.path)).not.toContain("none");
});

describe("of cutovers that were put back", () => {
  test("a red gate: the whole verdict, and that nothing had been fenced", async () => {
    const program = fileURLToPath(new URL("../migration/switch/hook-program.ts", import.meta.url));
    const beforeSwitch = `HOOK_SQL='create table public.hooked (id int)' '${process.execPath}' '${program}'`;
    await expect(here.run({ inputs: { hooks: { beforeSwitch } } })).rejects.toMatchObject({
      code: "CUTOVER_ABORTED",
    });
    expect(await make("red")).toMatchObject({ exitCode: 0, errors: "" });
    await expectSound("red");
    expect(await documentOf("red", "evidence.json")).toMatchObject({
      outcome: "put back",
      reason: expect.stringContaining("GATE_RED"),
      gate: { verdict: "red", accepted: 0, notAccepted: 1 },
      times: { fencedAt: null, promotedAt: null },
      pause: { from: expect.any(String), to: expect.any(String), lengthMs: expect.any(Number) },
      restored: { services: [] },
      notRecorded: [],
    });
    const { report } = await documentOf("red", "gate.json");
    expect(report?.differences).toEqual([
      { code: "CATALOGUE_EXTRA", object: "table public.hooked", aspect: null, accepted: null },
    ]);
    const { runs } = await documentOf("red", "configuration.json");
    expect(runs[0]?.settings.hooks).toEqual({
      beforeSwitch: `a command of SHA-256 ${sha256(beforeSwitch)}`,
    });
  });

  test("a failed service: why, and what was put back where", async () => {
    here.world.railway.failNext("@healthcare/api", "BUILD");
    await expect(here.run()).rejects.toMatchObject({ code: "CUTOVER_ABORTED" });
    expect(await make("failed")).toMatchObject({ exitCode: 0, errors: "" });
    await expectSound("failed");
    const { restored, services, ...evidence } = await documentOf("failed", "evidence.json");
    expect(evidence).toMatchObject({
      state: "aborted",
      reason: expect.stringContaining("DEPLOYMENT_FAILED"),
    });
    const serving = here.world.railway.deployments(canary).findLast(({ status }) => status === "SUCCESS");
    expect(restored?.services).toContainEqual({
      name: canary,
      outcome: "put back",
      deploymentId: serving?.id,
    });
    expect(services.find(({ name }) => name === canary)).toMatchObject({
      provenAt: expect.any(String),
      proof: { givenTold: true, sessions: expect.any(Number) },
    });
    const { events } = await documentOf("failed", "events.json");
    expect(events.map(({ state }) => state)).toEqual(
      expect.arrayContaining(["loading", "switching", "aborting", "aborted"]),
    );
    const page = await textOf("failed", "index.html");
    for (const part of [
      "Put back: the application runs on Postgres",
      "What was put back",
      "DEPLOYMENT_FAILED",
    ])
      expect(page).toContain(part);
  });

  test("one that a kill left behind is told to be unfinished, and the run that goes on is named, too", async () => {
    await here.killAt("Seal the source");
    expect(await make("unfinished")).toMatchObject({
      exitCode: 1,
      output: expect.stringContaining("switching"),
      errors: expect.stringContaining("not at its end"),
    });
    await expectSound("unfinished");
    expect(await documentOf("unfinished", "evidence.json")).toMatchObject({ outcome: "unfinished" });
    await here.run();
  });
});

describe("of one that was promoted", () => {
  let id: string;
  beforeAll(async () => {
    id = (await here.journal())?.id ?? "";
  });

  test("it answers who, when, what and on what proof", async () => {
    expect(await make("bundle")).toMatchObject({ exitCode: 0, errors: "" });
    await expectSound("bundle");
    const evidence = await documentOf("bundle", "evidence.json");
    expect(evidence).toMatchObject({
      migration: id,
      state: "finished",
      outcome: "promoted",
      reason: null,
      source: { serviceName: "Postgres", version: expect.stringMatching(/^\d+\.\d+$/) },
      target: { serviceName: "pgvector", version: expect.stringMatching(/^\d+\.\d+$/) },
      dumpClient: expect.stringMatching(/^pg_dump \d/),
      gate: { verdict: "green", notAccepted: 0 },
      restored: null,
      notRecorded: [],
    });
    // The killed run, and the one that went on; the clean-up takes over once more.
    expect(evidence.runs.map(({ epoch, command }) => [epoch, command])).toEqual([
      [1, "up"],
      [2, "up"],
      [3, "up"],
    ]);
    for (const { operator, program, configuration } of evidence.runs) {
      expect(operator).toMatchObject({ railway: { tokenKind: "project", identity: "simulated" } });
      expect(operator.osUser).toEqual(expect.any(String));
      expect(program).toMatchObject({ version: "0.1.0", node: process.versions.node, engine: null });
      expect(configuration).toBe(evidence.runs[0]?.configuration);
    }
    const { runs } = await documentOf("bundle", "configuration.json");
    for (const { sha256: sum, settings } of runs) {
      expect(sha256(canonicalJson(settings))).toBe(sum);
      expect(settings).toMatchObject({ schemas: here.inputs.schemas, limits: here.inputs.limits });
    }
    const { record } = (await here.journal()) ?? {};
    if (record?.state !== "finished") throw new Error("the migration is not finished");
    expect(evidence.pause).toEqual({
      from: record.fence.pausedAt,
      to: record.promotion.promotedAt,
      lengthMs: record.promotion.writePauseMs,
    });
  });

  test("counts, hashes and positions are those of the new database", async () => {
    const gate = await documentOf("bundle", "gate.json");
    expect(gate.tables.length).toBeGreaterThan(30);
    for (const { source, target } of gate.tables) expect(target).toEqual(source);
    expect(gate.sequences?.length).toBeGreaterThan(5);
    const { protected: kept } = await documentOf("bundle", "evidence.json");
    expect(kept.after).toMatchObject({
      structure: kept.before.structure,
      identities: kept.before.identities,
    });
    expect(kept.before.objects).toBeGreaterThan(0);
    expect(Object.keys(kept.after?.tables ?? {})).toEqual(Object.keys(kept.before.tables));
  });

  test("each service has its deployment, its references by name, and its proof", async () => {
    const { services } = await documentOf("bundle", "evidence.json");
    expect(services).toHaveLength(4);
    for (const { variables, deploymentId, provenAt, proof } of services) {
      expect(variables[0]).toEqual({
        name: "DATABASE_URL",
        from: "${{Postgres.DATABASE_URL}}",
        to: "${{pgvector.DATABASE_URL}}",
      });
      expect([deploymentId, provenAt]).toEqual([expect.any(String), expect.any(String)]);
      expect(proof).toMatchObject({ givenTold: true });
    }
    expect(services.some(({ proof }) => (proof?.sessions ?? 0) > 0)).toBe(true);
  });

  test("every transition has its event", async () => {
    const { events } = await documentOf("bundle", "events.json");
    const states = events.map(({ state }) => state).filter((state, index, all) => state !== all[index - 1]);
    expect(states).toEqual(["loading", "switching", "promoted", "finished"]);
    expect(events.filter(({ text }) => text === "taken over").map(({ epoch }) => epoch)).toEqual([2, 3]);
    expect(events.map(({ at }) => at)).toEqual(events.map(({ at }) => at).toSorted());
  });

  test("its JSON Schemas accept the documents, without this program", async () => {
    const schemas = JSON.parse(await textOf("bundle", "schema.json"));
    expect(Object.keys(schemas)).toEqual(Object.keys(documentSchemas));
    for (const [name, schema] of Object.entries<Parameters<typeof z.fromJSONSchema>[0]>(schemas)) {
      const document = JSON.parse(await textOf("bundle", name));
      expect(z.fromJSONSchema(schema).parse(document), name).toEqual(document);
      expect(z.fromJSONSchema(schema).safeParse({ ...document, version: 2 }).success).toBe(false);
    }
  });

  test("two of them differ in who made them and when, and in nothing else", async () => {
    expect(await make("again")).toMatchObject({ exitCode: 0 });
    for (const name of await readdir(path.join(stack.path, "bundle"))) {
      if (name === "export.json" || name === "SHA256SUMS") continue;
      expect(await textOf("again", name), name).toBe(await textOf("bundle", name));
    }
    const made = await documentOf("again", "export.json");
    expect(made).toMatchObject({
      stack: "trial",
      contents: (await documentOf("bundle", "export.json")).contents,
    });
    expect(await derivedContents("again")).toBe(made.contents);
  });

  test("the printed digest is that of the manifest, and another one is refused", async () => {
    const { output } = await make("third");
    const [, digest = ""] = /^ {2}bundle {4}([0-9a-f]{64}) /m.exec(output) ?? [];
    expect(sha256(await textOf("third", "SHA256SUMS"))).toBe(digest);
    expect(await verify("third", "--digest", digest)).toMatchObject({ exitCode: 0 });
    expect(await verify("bundle", "--digest", digest)).toMatchObject({
      exitCode: 1,
      output: expect.stringMatching(/^altered: SHA256SUMS/m),
    });
  });

  test("an earlier one is had by its id, an unknown id names those there are", async () => {
    const aborted = (await documentOf("failed", "evidence.json")).migration;
    expect(await make("earlier", "--migration", aborted)).toMatchObject({ exitCode: 0 });
    expect(await textOf("earlier", "evidence.json")).toBe(await textOf("failed", "evidence.json"));
    expect(await make("nobody", "--migration", "no-such-id")).toMatchObject({
      exitCode: 1,
      errors: expect.stringMatching(
        new RegExp(`^MIGRATION_UNKNOWN: .*${id} \\(finished\\).*${aborted} \\(aborted\\)`),
      ),
    });
  });

  test("nothing is written over, neither a bundle nor anything else", async () => {
    const before = await textOf("bundle", "SHA256SUMS");
    await mkdir(path.join(stack.path, "empty"));
    await writeFile(path.join(stack.path, "file"), "mine");
    for (const name of ["bundle", "empty", "file"]) {
      expect(await make(name)).toMatchObject({
        exitCode: 1,
        errors: expect.stringContaining("EVIDENCE_EXISTS"),
      });
    }
    expect(await textOf("bundle", "SHA256SUMS")).toBe(before);
    expect(await readFile(path.join(stack.path, "file"), "utf8")).toBe("mine");
    expect(await make("no/such/folder")).toMatchObject({
      exitCode: 1,
      errors: expect.stringContaining("EVIDENCE_FILE_FAILED"),
    });
    expect((await readdir(stack.path)).filter((name) => name.includes("partial"))).toEqual([]);
  });

  test("its pages stand alone and lead to every file", async () => {
    const page = await textOf("bundle", "index.html");
    expect(page).not.toMatch(/<script|<img|https?:\/\/[^"<]*"/);
    for (const name of await readdir(path.join(stack.path, "bundle")))
      if (name !== "index.html") expect(page, name).toContain(name);
  });
});

describe("a bundle that is not as it was written", () => {
  const folder = "tampered";
  const whole = () => path.join(stack.path, folder);
  const write = (name: string, text: string) => writeFile(fileOf(folder, name), text);

  /** Writes the manifest anew, as somebody does who wants an alteration to go unnoticed. */
  async function sealAgain() {
    await promisify(execFile)("sh", ["-c", "sha256sum -- *.html *.json | LC_ALL=C sort -k2 > SHA256SUMS"], {
      cwd: whole(),
    });
  }

  test.for<[string, () => Promise<unknown>, string]>([
    [
      "a byte",
      () => altered("gate.json", (text) => text.replace('"rows": "', '"rows": "1')),
      "altered: gate.json",
    ],
    ["a page", () => altered("index.html", (text) => `${text} `), "altered: index.html"],
    ["a document that is gone", () => rm(fileOf(folder, "plan.json")), "missing: plan.json"],
    ["a file more", () => write("notes.txt", "x"), "extra: notes.txt"],
    ["a hidden file", () => write(".notes", "x"), "extra: .notes"],
    ["a folder", () => mkdir(fileOf(folder, "folder")), "extra: folder"],
    [
      "a link",
      async () => {
        await rm(fileOf(folder, "events.json"));
        await symlink(fileOf("bundle", "events.json"), fileOf(folder, "events.json"));
      },
      "altered: events.json (it is no regular file)",
    ],
    ["no manifest", () => rm(fileOf(folder, "SHA256SUMS")), "missing: SHA256SUMS"],
    ["a manifest that is none", () => write("SHA256SUMS", "hello\n"), "altered: SHA256SUMS"],
    [
      "a manifest with a way out",
      () => altered("SHA256SUMS", (text) => `${text}${"0".repeat(64)}  ../other\n`),
      "altered: SHA256SUMS",
    ],
    [
      "a manifest with a line twice",
      () => altered("SHA256SUMS", (text) => text + text.slice(0, text.indexOf("\n") + 1)),
      "altered: SHA256SUMS",
    ],
    [
      "a manifest without a line",
      () => altered("SHA256SUMS", (text) => text.replace(/^.* {2}gate\.json\n/m, "")),
      "extra: gate.json",
    ],
    [
      "a document and its file taken off the manifest",
      async () => {
        await rm(fileOf(folder, "gate.json"));
        await altered("SHA256SUMS", (text) => text.replace(/^.* {2}gate\.json\n/m, ""));
      },
      "missing: gate.json",
    ],
    [
      "an alteration sealed again, without the export's digest",
      async () => {
        await altered("events.json", (text) => text.replace('"taken over"', '"begun"'));
        await sealAgain();
      },
      "contradicts another file: export.json",
    ],
    [
      "a document that its schema refuses, sealed again",
      async () => {
        await altered("events.json", (text) => text.replace('"version": 1', '"version": 9'));
        await sealAgain();
      },
      "not as documented: events.json (its schema refuses version)",
    ],
    [
      "another state, sealed again",
      async () => {
        await altered("evidence.json", (text) => text.replace('"state": "finished"', '"state": "aborted"'));
        await sealAgain();
      },
      "contradicts another file: evidence.json",
    ],
    [
      "other settings, sealed again",
      async () => {
        await altered("configuration.json", (text) => text.replace('"workers": 2', '"workers": 3'));
        await sealAgain();
      },
      "contradicts another file: configuration.json",
    ],
  ])("%s is found and named", async ([, tamper, expected]) => {
    await cp(path.join(stack.path, "bundle"), whole(), { recursive: true });
    try {
      await tamper();
      const { problems } = verifyBundle(readBundle(whole()));
      const told = problems.map(({ kind, file, why }) => `${kind}: ${file} (${why})`);
      expect(told).toContainEqual(expect.stringContaining(expected));
    } finally {
      await rm(whole(), { recursive: true });
    }
  });

  test("one that is consistent in itself is found by the digest alone", async () => {
    await cp(path.join(stack.path, "bundle"), whole(), { recursive: true });
    await altered("events.json", (text) => text.replace('"taken over"', '"begun"'));
    await sealAgain();
    expect(await verify(folder)).toMatchObject({
      exitCode: 1,
      output: expect.stringContaining("contradicts another file: export.json ("),
    });
    const derived = await derivedContents(folder);
    await altered("export.json", (text) =>
      text.replace(/"contents": "[0-9a-f]+"/, `"contents": "${derived}"`),
    );
    await sealAgain();
    expect(await verify(folder)).toMatchObject({ exitCode: 0 });
    const digest = sha256(await textOf("bundle", "SHA256SUMS"));
    expect(await verify(folder, "--digest", digest)).toMatchObject({ exitCode: 1 });
  });

  test("a folder that is not there is an error", async () => {
    expect(await verify("nowhere")).toMatchObject({
      exitCode: 1,
      errors: expect.stringContaining("EVIDENCE_FILE_FAILED"),
    });
  });

  async function altered(name: string, change: (text: string) => string) {
    const before = await textOf(folder, name);
    const after = change(before);
    expect(after).not.toBe(before);
    await write(name, after);
  }
});

describe("a journal that is not as this version leaves it", () => {
  const setRecord = (expression: string) =>
    here.query(
      "target",
      `update pgvector_cutover.migration set record = ${expression} where state = 'finished'`,
    );
  let record: string;

  beforeAll(async () => {
    const [row] = await here.query(
      "target",
      "select record::text from pgvector_cutover.migration where state = 'finished'",
    );
    record = row.record;
  });

  test.for([
    ["as it is", (secret: string) => secret],
    [
      "in a URL",
      (secret: string) => `postgresql://postgres:${encodeURIComponent(secret)}@old-host:5432/railway`,
    ],
    ["in base64", (secret: string) => Buffer.from(secret).toString("base64")],
  ] as const)("a planted secret %s is refused, and neither written nor printed", async ([, form]) => {
    for (const secret of [
      here.world.source.password,
      here.world.target.password,
      here.world.railway.tokens.project,
    ]) {
      const planted = JSON.stringify(`the reason is ${form(secret ?? "")}`).replaceAll("'", "''");
      await setRecord(`jsonb_set(record, '{context,runs,0,operator,gitUser}', '${planted}')`);
      const { exitCode, errors } = await make("planted");
      expect({ exitCode, errors }).toMatchObject({
        exitCode: 1,
        errors: expect.stringMatching(/^EVIDENCE_HOLDS_SECRET: .* in (journal|evidence)\.json/),
      });
    }
    await setRecord(`'${record.replaceAll("'", "''")}'`);
    expect((await readdir(stack.path)).filter((name) => name.startsWith("planted"))).toEqual([]);
  });

  test("of an older version: what it did not keep is told to be missing", async () => {
    await setRecord(`(record #- '{context,runs}' #- '{context,preflight}' #- '{promotion,sequences}'
      #- '{promotion,protectedAfter}' #- '{promotion,protectedWritten}' #- '{load,pausedAt}' #- '{fence,gate}')`);
    for (const service of here.inputs.services)
      await setRecord(`record #- '{fence,services,${service.name},proof}'`);
    expect((await here.journal())?.record.state).toBe("finished");
    expect(await make("old")).toMatchObject({ exitCode: 0, errors: "" });
    await expectSound("old");
    const evidence = await documentOf("old", "evidence.json");
    expect(evidence).toMatchObject({ runs: [], gate: null, pause: { lengthMs: expect.any(Number) } });
    expect(evidence.notRecorded).toHaveLength(6);
    expect(await textOf("old", "index.html")).toContain("did not record who ran it");
    await setRecord(`'${record.replaceAll("'", "''")}'`);
  });
});

test("a Ctrl-C in the middle of writing leaves the whole bundle, a failure none of it", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "cutover-evidence-"));
  const files = new URL("../../scripts/evidence/files.ts", import.meta.url);
  const program = `
    const { writeBundle } = await import(${JSON.stringify(files.href)});
    const bundle = new Map([["a", "1"], ["b", "2"]]);
    const entries = bundle[Symbol.iterator].bind(bundle);
    bundle[Symbol.iterator] = function* () {
      for (const entry of entries()) { yield entry; process.kill(process.pid, "SIGINT"); }
    };
    writeBundle("whole", bundle);
    try { writeBundle("broken", new Map([["a", "1"], ["no/such/b", "2"]])); } catch (error) { console.log(error.code); }
    console.log("written");`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], { cwd: folder });
  let printed = "";
  child.stdout.on("data", (text) => {
    printed += text;
  });
  await once(child, "close");
  expect(printed).toBe("EVIDENCE_FILE_FAILED\nwritten\n");
  expect(await readdir(folder)).toEqual(["whole"]);
  expect((await readdir(path.join(folder, "whole"))).toSorted()).toEqual(["a", "b"]);
  await rm(folder, { recursive: true });
});
