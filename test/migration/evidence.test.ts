import { afterEach, describe, expect, test, vi } from "vitest";
import { assemble } from "../../components/migration/evidence/assemble.ts";
import { canonicalJson, sha256 } from "../../components/migration/evidence/canonical.ts";
import { listConfiguration } from "../../components/migration/evidence/configuration.ts";
import { documentSchemas } from "../../components/migration/evidence/documents.ts";
import { readKnownSecrets } from "../../components/migration/evidence/known-secrets.ts";
import { describeOperator, describeProgram } from "../../components/migration/evidence/note-run.ts";
import type { RunNote } from "../../components/migration/evidence/run-note.ts";
import { contentsDigest, parseSums, renderSums } from "../../components/migration/evidence/sums.ts";
import { verifyBundle } from "../../components/migration/evidence/verify.ts";
import { type MigrationInputs, migrationInputsSchema } from "../../components/migration/inputs.ts";
import type { BackupsRecord } from "../../components/migration/journal/backup-record.ts";
import { rememberValue } from "../../components/migration/recover/previous-value.ts";
import type { Railway } from "../../components/railway/railway.ts";
import { makeBundle } from "../../scripts/evidence/bundle.ts";
import { renderIndex } from "../../scripts/evidence/render-index.ts";
import { assertNoSecret } from "../../scripts/evidence/scan.ts";
import { abortingRecord, loadingRecord, switchingRecord } from "./records.ts";

const where = { project: "clinic", environment: "production" };
const scope = { projectId: "p", projectName: "clinic", environmentId: "e", environmentName: "production" };
const noOwner = { tokenOwner: async () => ({ tokenKind: "workspace", identity: null }) as const };

afterEach(() => {
  vi.unstubAllEnvs();
});

function inputsWith(changes: Partial<MigrationInputs> = {}): MigrationInputs {
  return migrationInputsSchema.parse({
    ...{ project: "clinic", environment: "production", source: "Postgres", target: "pgvector" },
    ...{ schemas: ["public"], protectedSchemas: [], accept: [], copy: { workers: 2 } },
    services: [service("https://api.example/health")],
    limits: { writePauseMs: 60_000, lockTimeoutMs: 1_000, deploymentTimeoutMs: 60_000 },
    hooks: { beforeSwitch: null },
    transport: { source: { via: "private" }, target: { via: "private" }, plaintextReason: null },
    ...changes,
  });
}

function service(healthCheckUrl: string) {
  return { name: "api", variables: ["DATABASE_URL"], healthCheckUrl, wave: 0, startsReadOnly: true };
}

async function note(epoch: number, settings: RunNote["configuration"]["settings"]): Promise<RunNote> {
  return {
    epoch,
    command: "up",
    startedAt: "2025-01-01T00:00:00.000Z",
    operator: await describeOperator(noOwner),
    program: await describeProgram(),
    configuration: { sha256: sha256(canonicalJson({ a: 1 })), settings },
  };
}

describe("the configuration", () => {
  test("is listed without what may be a secret, and its hash can be repeated", () => {
    const { sha256: sum, settings } = listConfiguration(
      inputsWith({
        services: [service("https://me:hidden-1@api.example/health?key=hidden-2#hidden-3")],
        hooks: { beforeSwitch: "PGPASSWORD=hidden-4 psql" },
        accept: [{ code: "X", object: "y", reason: "see postgresql://me:hidden-5@host/db for that" }],
      }),
    );
    expect(JSON.stringify(settings)).not.toContain("hidden");
    expect(settings?.services).toMatchObject([{ healthCheckUrl: "https://api.example/health?[redacted]" }]);
    expect(sha256(canonicalJson(settings))).toBe(sum);
  });

  test("of a URL that is no health check's not even the path is listed: a webhook's is its secret", () => {
    const inputs = { ...inputsWith(), notify: { url: "https://hooks.example/services/T0/B0/hidden" } };
    expect(listConfiguration(inputs).settings?.notify).toEqual({ url: "https://hooks.example/[redacted]" });
  });

  test("has the same hash in whatever order it is written", () => {
    const inputs = inputsWith();
    const turned = Object.fromEntries(Object.entries(inputs).toReversed()) as MigrationInputs;
    expect(listConfiguration(turned)).toEqual(listConfiguration(inputs));
    expect(listConfiguration({ ...inputs, schemas: ["other"] }).sha256).not.toBe(
      listConfiguration(inputs).sha256,
    );
  });
});

describe("the operator", () => {
  test("is whom the CI service names", async () => {
    vi.stubEnv("GITHUB_ACTIONS", "true");
    vi.stubEnv("GITHUB_ACTOR", "ada");
    vi.stubEnv("GITHUB_TRIGGERING_ACTOR", "grace");
    vi.stubEnv("GITHUB_SERVER_URL", "https://github.com");
    vi.stubEnv("GITHUB_REPOSITORY", "clinic/cutover");
    vi.stubEnv("GITHUB_RUN_ID", "42");
    const run = "https://github.com/clinic/cutover/actions/runs/42";
    expect((await describeOperator(noOwner)).ci).toEqual({ service: "GitHub Actions", actor: "grace", run });
  });

  test("may say who he is, without a URL's credentials", async () => {
    vi.stubEnv("CUTOVER_OPERATOR", "Ada, ticket https://ada:secret@tickets.example/42");
    expect((await describeOperator(noOwner)).stated).toBe(
      "Ada, ticket https://[redacted]@tickets.example/42",
    );
  });

  test("is noted as far as it is known when Railway does not answer", async () => {
    const tokenOwner = () => Promise.reject(new Error("no answer"));
    expect(await describeOperator({ tokenOwner })).toMatchObject({
      osUser: expect.any(String),
      railway: { tokenKind: "unknown", identity: null },
    });
  });

  test("and program are noted without git, too", async () => {
    vi.stubEnv("PATH", "/nonexistent");
    expect(await describeProgram()).toMatchObject({ version: "0.1.0", commit: null, hasLocalChanges: null });
    expect((await describeOperator(noOwner)).gitUser).toBeNull();
  });
});

describe("the documents", () => {
  test("write the settings of a run out where the journal says that they are the former ones", async () => {
    const record = loadingRecord();
    const runs = [await note(1, { a: 1 }), await note(2, null)];
    const entry = { id: "m1", epoch: 2, updatedAt: "2025-01-01T00:00:00.000Z" };
    const { documents } = assemble(
      { ...entry, record: { ...record, context: { ...record.context, runs } } },
      [],
      where,
    );
    expect(documents["configuration.json"].runs.map(({ settings }) => settings)).toEqual([
      { a: 1 },
      { a: 1 },
    ]);
  });

  test("of a journal of an older version pass their schemas, in every state", () => {
    const { fence } = switchingRecord();
    for (const record of [loadingRecord(), switchingRecord(), abortingRecord(), abortingRecord(fence)]) {
      const entry = { id: "m1", epoch: 1, updatedAt: "2025-01-01T00:00:00.000Z", record };
      const { documents } = assemble(entry, [], where);
      for (const [name, document] of Object.entries(documents)) {
        const schema = documentSchemas[name as keyof typeof documents];
        expect(schema.parse(JSON.parse(JSON.stringify(document))), name).toEqual(document);
      }
      expect(documents["evidence.json"].notRecorded).not.toEqual([]);
    }
  });

  test.for<[string, BackupsRecord, string]>([
    [
      "none was made",
      { kind: "skipped", reason: "the volumes are mirrored" },
      "none was made: the volumes are mirrored",
    ],
    ["they were made", { kind: "made", volumes: [] }, "noted before the pause, see the report"],
  ])("lead to a first page that says of volume backups that %s", ([, backups, told]) => {
    const record = loadingRecord();
    const noted = { ...record, load: { ...record.load, backups } };
    const entry = { id: "m1", epoch: 1, updatedAt: "2025-01-01T00:00:00.000Z", record: noted };
    expect(renderIndex(assemble(entry, [], where).documents, "")).toContain(told);
  });

  test("hold no former value, encrypted or not", () => {
    const literal = rememberValue("postgresql://me:former-secret@old/db", "source-password", true);
    const record = switchingRecord({
      api: {
        ...{ serviceId: "s", previous: { DATABASE_URL: literal }, replaces: [], startedAt: null },
        ...{ deploymentId: null, provenAt: null },
      },
    });
    const entry = { id: "m1", epoch: 1, updatedAt: "2025-01-01T00:00:00.000Z", record };
    const text = JSON.stringify(assemble(entry, [], where).documents);
    expect(text).toContain('"previous":{"DATABASE_URL":{"kind":"literal"}}');
    expect(text).not.toMatch(/former-secret|encrypted":/);
  });
});

describe("the last look", () => {
  const hostile = `p"a'<s>&s\\w/ö`;

  test.for([
    ["as it is", hostile],
    ["in JSON", JSON.stringify(hostile)],
    ["in HTML", "p&quot;a&#39;&lt;s&gt;&amp;s\\w/ö"],
    ["in a URL", encodeURIComponent(hostile)],
    ["in base64", Buffer.from(hostile).toString("base64")],
    ["in hexadecimal", Buffer.from(hostile).toString("hex")],
  ])("finds a secret %s, and does not repeat it", ([, text = ""]) => {
    const look = () =>
      assertNoSecret(new Map([["plan.json", `… ${text} …`]]), [{ what: "x", value: hostile }]);
    expect(look).toThrow(/EVIDENCE|x in plan\.json/);
    try {
      look();
    } catch (error) {
      expect(String(error)).not.toContain(text);
    }
  });

  test("finds the password of a URL that is known only as a whole, and any URL with credentials", () => {
    const known = [{ what: "x", value: "postgresql://me:only-in-here@host/db" }];
    expect(() => assertNoSecret(new Map([["a", "only-in-here"]]), known)).toThrow("x in a");
    expect(() => assertNoSecret(new Map([["a", "see ftp://me:pw@host"]]), [])).toThrow(
      "a URL with credentials",
    );
    expect(() => assertNoSecret(new Map([["a", "see ftp://[redacted]@host"]]), known)).not.toThrow();
  });

  test("knows both databases' secrets and the former values, and says what it could not read", async () => {
    const literal = rememberValue("postgresql://me:former-secret@old/db", "source-password", true);
    const lost = rememberValue("postgresql://me:other-secret@old/db", "changed-since", true);
    const record = switchingRecord({
      api: {
        ...{ serviceId: "s", previous: { DATABASE_URL: literal, DIRECT_URL: lost }, replaces: [] },
        ...{ startedAt: null, deploymentId: null, provenAt: null },
      },
    });
    const renderedVariables = async (_scope: unknown, serviceId: string) => {
      if (serviceId === "s2") throw new Error("gone");
      return new Map<string, string | null>([
        ["DATABASE_URL", "postgresql://postgres:source-password@host/db"],
        ["RAILWAY_SERVICE_API_URL", "api.example"],
        ["PGPASSWORD", "source-password"],
        ["PGUSER", "postgres"],
      ]);
    };
    const railway = { renderedVariables } as unknown as Railway;
    const { secrets, unread } = await readKnownSecrets(railway, scope, record);
    const values = secrets.map(({ value }) => value);
    expect(values).toContain("source-password");
    expect(values).toContain("postgresql://me:former-secret@old/db");
    for (const value of [literal, lost])
      expect(values).toContain("encrypted" in value ? value.encrypted : "");
    expect(values).not.toContain("postgres");
    expect(values).not.toContain("api.example");
    expect(unread).toEqual([
      expect.stringContaining("the passwords of pgvector"),
      expect.stringContaining("the former DIRECT_URL of api in clear"),
    ]);
  });
});

describe("the manifest", () => {
  test("lists every file but itself, sorted, and is read back", () => {
    const sums = renderSums(
      new Map([
        ["b.json", "2"],
        ["SHA256SUMS", ""],
        ["a.json", "1"],
      ]),
    );
    expect(sums).toBe(`${sha256("1")}  a.json\n${sha256("2")}  b.json\n`);
    expect([...(parseSums(sums) ?? [])]).toEqual([
      ["a.json", sha256("1")],
      ["b.json", sha256("2")],
    ]);
    expect(contentsDigest(`${sums}${sha256("3")}  export.json\n`)).toBe(sha256(sums));
  });

  test.for([
    "",
    "x",
    `${"0".repeat(64)} a\n`,
    `${"0".repeat(64)}  a`,
    `${"0".repeat(64)}  a/b\n`,
    `${"0".repeat(64)}  ..\n`,
  ])("%j is none, or an empty one", (text) => {
    expect(parseSums(text)?.size ?? 0).toBe(0);
  });

  test("no line of it can change without being found", async () => {
    const assembled = assemble(
      { id: "m1", epoch: 1, updatedAt: "2025-01-01T00:00:00.000Z", record: loadingRecord() },
      [],
      where,
    );
    const made = {
      exportedAt: "2025-01-01T00:00:00.000Z",
      exporter: await describeOperator(noOwner),
      program: await describeProgram(),
      stack: "prod",
    };
    const texts = makeBundle(assembled, made);
    const files = new Map([...texts].map(([name, text]): [string, Uint8Array] => [name, Buffer.from(text)]));
    expect(verifyBundle(files).problems).toEqual([]);
    for (const name of files.keys()) {
      const changed = new Map(files).set(name, Buffer.from(`${texts.get(name)} `));
      expect(
        verifyBundle(changed).problems.map(({ file }) => file),
        name,
      ).toContain(name);
      const gone = new Map(files);
      gone.delete(name);
      expect(verifyBundle(gone).problems, name).toMatchObject([{ file: name, kind: "missing" }]);
    }
  });
});
