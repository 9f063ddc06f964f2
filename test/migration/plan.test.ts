import { describe, expect, test } from "vitest";
import { copyBytesPerSecond } from "../../components/migration/plan/estimates.ts";
import { formatBytes, formatCount, formatDuration, wrap } from "../../components/migration/plan/format.ts";
import { code, table as markdownTable, prose } from "../../components/migration/plan/markdown.ts";
import {
  makePlan,
  planSchema,
  renderPlan,
  renderPlanAsMarkdown,
  verdictOf,
} from "../../components/migration/plan.ts";
import type { PreflightFacts, PreflightResult } from "../../components/migration/preflight/run-preflight.ts";
import type { MovedTable } from "../../components/postgres/relations.ts";
import { healthyInputs } from "./preflight/world.ts";

const connection = (label: string) => ({
  label,
  host: "127.0.0.1",
  port: 5432,
  database: "railway",
  user: "postgres",
  password: `secret-${label}`,
  tls: "off" as const,
});

const inputs = {
  ...healthyInputs({ source: connection("source"), target: connection("target") }),
  services: [
    {
      name: "@healthcare/doctor",
      variables: ["DATABASE_URL"],
      healthCheckUrl: null,
      wave: 1,
      startsReadOnly: true,
    },
    {
      name: "@healthcare/admin",
      variables: ["DATABASE_URL"],
      healthCheckUrl: null,
      wave: 1,
      startsReadOnly: false,
    },
    {
      name: "@healthcare/api",
      variables: ["DATABASE_URL", "DIRECT_URL"],
      healthCheckUrl: null,
      wave: 0,
      startsReadOnly: true,
    },
  ],
};

describe("makePlan", () => {
  test("holds no secret and survives JSON", () => {
    const plan = makePlan(result());
    const text = JSON.stringify(plan);
    expect(text).not.toMatch(/secret-(source|target)/);
    expect(planSchema.parse(JSON.parse(text))).toEqual(plan);
  });

  test("counts what moves; a partitioned table's rows are those of its partitions", () => {
    const { contents } = makePlan(result());
    expect(contents).toMatchObject({ tables: 3, sequences: 4, dataBytes: 80_000_000, estimatedRows: 300 });
    expect(contents?.largestTables[0]).toEqual({
      name: "public.event_2026",
      bytes: 70_000_000,
      estimatedRows: 200,
    });
    expect(contents?.schemas.find(({ name }) => name === "medical_records")).toMatchObject({ tables: 1 });
  });

  test("orders services by wave and shows what each variable becomes", () => {
    const { services } = makePlan(result());
    expect(services.map(({ name, isCanary }) => [name, isCanary])).toEqual([
      ["@healthcare/api", true],
      ["@healthcare/admin", false],
      ["@healthcare/doctor", false],
    ]);
    expect(services[0]?.variables).toEqual([
      { name: "DATABASE_URL", from: "${{Postgres.DATABASE_URL}}", to: "${{pgvector.DATABASE_URL}}" },
      { name: "DIRECT_URL", from: "a literal that names Postgres", to: "${{pgvector.DATABASE_URL}}" },
    ]);
  });

  test("estimates the copy from the size, and deployments from the longest of each wave", () => {
    const { estimates } = makePlan(result());
    expect(estimates.copyMs).toBe((80_000_000 / copyBytesPerSecond) * 1_000 + 5_000);
    expect(estimates).toMatchObject({ deploymentsMs: 42_000 + 60_000, deploymentsAreMeasured: true });
    const { copyMs, gateMs, deploymentsMs, healthyForMs } = estimates;
    expect(healthyForMs).toBe(10_000);
    expect(estimates.writePauseMs).toBe((copyMs ?? 0) + (gateMs ?? 0) + deploymentsMs + healthyForMs);
  });

  test("says what it does not know when nothing could be checked", () => {
    const plan = makePlan({ findings: [], facts: unknownFacts });
    expect(plan).toMatchObject({
      contents: null,
      source: { service: "Postgres", major: null, host: null, encrypted: null },
      estimates: { copyMs: null, writePauseMs: null, deploymentsAreMeasured: false },
    });
    expect(renderPlan(plan, { width: 100 })).toContain("not checked");
  });

  test.for([
    ["blocker", "blocked"],
    ["warning", "ready"],
    ["unchecked", "unchecked"],
  ] as const)("with a finding of severity %s it is %s", ([severity, expected]) => {
    const finding = { code: "CODE", severity, object: "source", why: "Because.", remedy: "Do." };
    expect(verdictOf(makePlan({ ...result(), findings: [finding] }))).toBe(expected);
  });
});

describe("renderPlan", () => {
  test("tells the whole story in the order of events", () => {
    const text = renderPlan(makePlan(result()), { width: 120 });
    const expected = [
      "Blockers (1)",
      "TARGET_NOT_EMPTY public",
      "→ Look at what is there.",
      "Cutover of clinic (production)",
      "3 tables, 4 sequences, about 300 rows, 80 MB of data",
      "largest: public.event_2026 70 MB",
      "each becomes ${{pgvector.DATABASE_URL}}",
      "@healthcare/api     canary           DATABASE_URL  now ${{Postgres.DATABASE_URL}}",
      "DIRECT_URL    now a literal that names Postgres",
      "@healthcare/admin   after promotion",
      "Back up the volumes of Postgres and pgvector; nothing is paused yet",
      "Pause writes on Postgres",
      "prove @healthcare/api (canary); then @healthcare/doctor",
      "promote pgvector",
      "Switch and deploy @healthcare/admin",
      "Backups of the volumes first: at most about $6.00 a month",
      "pgvector: a new one, 20 GB used",
      "(estimates)",
      "Nothing in llm_assistant is touched.",
      "Warnings (1)",
      "Blocked: 1 finding",
    ];
    const positions = expected.map((part) => text.indexOf(part));
    expect(positions).toEqual(positions.toSorted((left, right) => left - right));
    expect(positions).not.toContain(-1);
  });

  test("says what holds for several findings once", () => {
    const finding = {
      code: "SCHEMA_NOT_LISTED",
      severity: "warning",
      why: "It stays.",
      remedy: "Add it.",
    } as const;
    const other = { ...finding, code: "OTHER_CONSUMER", remedy: "Change it." };
    const findings = [
      { ...finding, object: "auth" },
      { ...finding, object: "report" },
      { ...other, object: "api A", why: "One." },
      { ...other, object: "api B", why: "Two." },
    ];
    const text = renderPlan(makePlan({ ...result(), findings }), { width: 100 });
    expect(text).toContain(
      [
        "Warnings (4)",
        "  SCHEMA_NOT_LISTED auth, report",
        "    It stays.",
        "    → Add it.",
        "  OTHER_CONSUMER",
        "    api A: One.",
        "    api B: Two.",
        "    → Change it.",
      ].join("\n"),
    );
  });

  test("of a healthy project takes less than 30 lines of 100 columns", () => {
    const lines = renderPlan(makePlan({ ...result(), findings: [] }), { width: 100 }).split("\n");
    expect(lines.filter((line) => line !== "").length).toBeLessThan(30);
    expect(lines.at(-1)).toBe("Nothing blocks the cutover.");
  });

  test("keeps to the width", () => {
    const lines = renderPlan(makePlan(result()), { width: 80 }).split("\n");
    expect(lines.filter((line) => line.length > 80)).toEqual([]);
  });
});

describe("backups of the volumes", () => {
  const usable = {
    id: "b1",
    name: "by hand",
    createdAt: new Date("2026-11-27T01:30:00Z"),
    expiresAt: new Date("2026-12-27T01:30:00Z"),
    isScheduled: false,
    usedMB: 0,
  };

  test("one that is young enough is told, with its end", () => {
    const backups = knownFacts.backups.map((facts, index) => (index === 0 ? { ...facts, usable } : facts));
    const text = renderPlan(makePlan({ findings: [], facts: { ...knownFacts, backups } }), { width: 400 });
    expect(text).toContain(
      "Postgres: that of 2026-11-27T01:30:00.000Z while it is younger than 1 h 0 min, expires at 2026-12-27T01:30:00.000Z; pgvector: a new one",
    );
  });

  test("none is no step, and the reason is told", () => {
    const skipped = {
      ...inputs.backups,
      beforeCutover: "skip" as const,
      reason: "copies are made *elsewhere*",
    };
    const facts = { ...knownFacts, inputs: { ...inputs, backups: skipped }, backups: [] };
    const plan = makePlan({ findings: [], facts });
    expect(renderPlan(plan, { width: 100 })).toContain(
      "No backup of the volumes\n  copies are made *elsewhere*",
    );
    expect(renderPlanAsMarkdown(plan)).toContain("copies are made \\*elsewhere\\*");
    expect(renderPlan(plan, { width: 100 })).not.toContain("Back up the volumes");
  });

  test("nothing is told of volumes that are not known", () => {
    expect(renderPlan(makePlan({ findings: [], facts: unknownFacts }), { width: 100 })).not.toContain(
      "ackup",
    );
  });
});

describe("accepted risks", () => {
  const accept = [
    { code: "CATALOGUE_CHANGED", object: "schema public", reason: "nobody | creates there" },
    { code: "PUBLICATION_NOT_MOVED", object: "analytics", reason: "the warehouse is reconnected on Monday" },
  ];
  const plan = makePlan({
    findings: [
      {
        code: "PUBLICATION_NOT_MOVED",
        severity: "warning",
        object: "analytics",
        why: "It is left behind.",
        remedy: "Make it again.",
        acceptedBecause: "the warehouse is reconnected on Monday",
      },
    ],
    facts: { ...knownFacts, inputs: { ...inputs, accept } },
  });

  test("stand apart from the warnings, each with its reason; what the comparison may find is among them", () => {
    expect(renderPlan(plan, { width: 100 })).toContain(
      [
        "Accepted risks (1)",
        "  PUBLICATION_NOT_MOVED analytics",
        "    It is left behind.",
        "    accepted: the warehouse is reconnected on Monday",
        "    → Make it again.",
        "",
        "Accepted differences, should the comparison find them (1)",
        "  CATALOGUE_CHANGED schema public: nobody | creates there",
        "",
        "Nothing blocks the cutover.",
      ].join("\n"),
    );
  });

  test("are one table of the comment", () => {
    const text = renderPlanAsMarkdown(plan);
    expect(text).toContain("#### Accepted risks (2)");
    expect(text).toContain(
      "| **CATALOGUE_CHANGED** | `schema public` | should the comparison find it | nobody \\| creates there |",
    );
    expect(text).not.toContain("#### Warnings");
  });
});

describe("how both databases are reached", () => {
  const fingerprint = Array(32).fill("0F").join(":");

  test.for([
    [{ via: "private" }, "inside Railway's private network"],
    [{ via: "tls", fingerprint }, `with TLS, certificate ${fingerprint}`],
    [{ via: "tls", fingerprint: null }, "with TLS, no certificate pinned yet"],
    [{ via: "tunnel", port: 15432 }, "through the tunnel on port 15432"],
    [{ via: "plaintext", reason: "the rows are made up" }, "IN CLEAR TEXT (the rows are made up)"],
  ] as const)("%j", ([source, text]) => {
    const { facts, findings } = result();
    const transport = { ...facts.inputs.transport, source };
    const plan = makePlan({ findings, facts: { ...facts, inputs: { ...facts.inputs, transport } } });
    const unwrapped = renderPlan(plan, { width: 200 });
    expect(unwrapped).toContain(`from Postgres, version not checked, reached at 127.0.0.1 ${text}\n`);
    expect(renderPlanAsMarkdown(plan)).toContain(`\`127.0.0.1\` ${text} |`);
  });
});

describe("renderPlanAsMarkdown", () => {
  test("tells what a reviewer decides about, the verdict first, never a value", () => {
    const text = renderPlanAsMarkdown(makePlan(result()));
    const expected = [
      "**Blocked: 1 finding to resolve first. Nothing was changed.** Nothing in `llm_assistant` is touched.",
      "#### Blockers (1)",
      "- **TARGET_NOT_EMPTY** `public`: It is filled.",
      "  - → Look at what is there.",
      "| from | `Postgres` | version not checked | `127.0.0.1` through the tunnel on port 5432 |",
      "#### What moves",
      "| `medical_records` | 1 | 100 | 20 MB |",
      "#### What changes on Railway",
      "| `@healthcare/api` | canary | `DATABASE_URL` | `${{Postgres.DATABASE_URL}}` | `${{pgvector.DATABASE_URL}}` |",
      "| `DIRECT_URL` | a literal that names Postgres | `${{pgvector.DATABASE_URL}}` |",
      "1. Back up the volumes of `Postgres` and `pgvector`; nothing is paused yet",
      "5. Switch, deploy and prove `@healthcare/api` (canary); then `@healthcare/doctor`",
      "#### Backups of the volumes first: at most about $6.00 a month",
      "`Postgres`: a new one, 20 GB used; `pgvector`: a new one, 20 GB used",
      "#### How long it should take (estimates)",
      "Writes are paused for about",
      "#### Warnings (1)",
    ];
    const positions = expected.map((part) => text.indexOf(part));
    expect(positions).not.toContain(-1);
    expect(positions).toEqual(positions.toSorted((left, right) => left - right));
    expect(text).not.toMatch(/secret-(source|target)/);
  });

  test("calls nobody: a name with an @ stands in code everywhere", () => {
    const findings = [
      {
        code: "OTHER_CONSUMER",
        severity: "warning",
        object: "@healthcare/worker",
        why: "@healthcare/worker of @ops connects there.",
        remedy: "Ask @healthcare/admin.",
      } as const,
    ];
    const text = renderPlanAsMarkdown(makePlan({ ...result(), findings }));
    expect(text.replaceAll(/`[^`]*`/g, "")).not.toContain("@");
  });

  test("fits a comment however much is found, and says what it leaves out", () => {
    const severities = ["blocker", "unchecked", "warning"] as const;
    const findings = Array.from({ length: 3_000 }, (_, number) => ({
      code: `CODE_${number}`,
      severity: severities[number % 3] ?? "warning",
      object: `public.table_${number}`,
      why: "It has something that speaks against it.",
      remedy: "Mend it.",
    }));
    const text = renderPlanAsMarkdown(makePlan({ ...result(), findings }));
    expect(text.length).toBeLessThan(65_536);
    expect(text).toMatch(/… and [\d,]+ lines more: `npm run plan`/);
  });
});

describe("Markdown", () => {
  test.for([
    ["plain", "`plain`"],
    ["a`b", "`` a`b ``"],
    ["``", "``` `` ```"],
    ["two\nlines", "`two lines`"],
    ["", "`  `"],
  ])("%j as code", ([text = "", expected]) => {
    expect(code(text)).toBe(expected);
  });

  test.for([
    ["a <img src=x> & [link](x)", "a &lt;img src=x> &amp; \\[link\\](x)"],
    ["take it off `accept`", "take it off `accept`"],
    ["one ` alone", "one \\` alone"],
    ["snake_case *stars* #1", "snake\\_case \\*stars\\* \\#1"],
    ["now ${{Postgres.DATABASE_URL}} there", "now `${{Postgres.DATABASE_URL}}` there"],
    ["of @healthcare/api.", "of `@healthcare/api`."],
  ])("%j as prose", ([text = "", expected]) => {
    expect(prose(text)).toBe(expected);
  });

  test("a cell keeps its bars, in code too", () => {
    expect(markdownTable(["a"], [[code("x|y")]])).toEqual(["| a |", "| --- |", "| `x\\|y` |"]);
  });
});

test("formats for people", () => {
  expect([0, 999, 1_000, 425_300_000, 1_539_000_000].map(formatBytes)).toEqual([
    "0 B",
    "999 B",
    "1 kB",
    "425 MB",
    "1.5 GB",
  ]);
  expect([0, 1, 59_001, 200_000, 3_900_000].map(formatDuration)).toEqual([
    "0 s",
    "1 s",
    "1 min",
    "3 min 20 s",
    "1 h 5 min",
  ]);
  expect([formatCount(1, "table"), formatCount(1_234, "row")]).toEqual(["1 table", "1,234 rows"]);
  expect(wrap("  one two three", 9)).toEqual(["  one two", "  three"]);
  expect(wrap("  1. one two", 9)).toEqual(["  1. one", "     two"]);
});

function result(): PreflightResult {
  return {
    findings: [
      {
        code: "TARGET_NOT_EMPTY",
        severity: "blocker",
        object: "public",
        why: "It is filled.",
        remedy: "Look at what is there.",
      },
      { code: "LARGE_OBJECTS", severity: "warning", object: "source", why: "Some.", remedy: "None." },
    ],
    facts: knownFacts,
  };
}

function table(schema: string, name: string, changes: Partial<MovedTable>): MovedTable {
  return {
    oid: 1,
    schema,
    name,
    kind: "table",
    isPartition: false,
    sizeBytes: 0,
    heapBlocks: 0,
    indexBytes: 0,
    estimatedRows: 0,
    hasRowSecurity: false,
    columns: [],
    ...changes,
  };
}

const unknownFacts: PreflightFacts = {
  inputs,
  scope: undefined,
  services: { source: undefined, target: undefined, apps: [] },
  connections: { source: undefined, target: undefined },
  source: undefined,
  target: undefined,
  dumpClient: undefined,
  backups: [],
};

const nothingSeen = {
  server: undefined,
  schemas: undefined,
  dependencies: undefined,
  extensions: undefined,
  roles: undefined,
  settings: undefined,
  activity: undefined,
  contents: undefined,
  existingObjects: undefined,
  extensionRows: undefined,
  lockNeeds: undefined,
  restrictedBuilds: undefined,
  scheduledJobs: undefined,
  splitFamilies: undefined,
  publications: undefined,
  textBodies: undefined,
  invalidProtectedIndexes: undefined,
  eventTriggersOff: undefined,
  serverSettings: undefined,
  serverObjects: undefined,
  inheritingTables: undefined,
  loadObstacles: undefined,
  unsaid: undefined,
  boundColumns: undefined,
  namedObjects: undefined,
  namedZones: undefined,
  heldNames: undefined,
  outdatedRows: undefined,
  witness: undefined,
};

const knownFacts: PreflightFacts = {
  ...unknownFacts,
  scope: { projectId: "p", projectName: "clinic", environmentId: "e", environmentName: "production" },
  connections: { source: connection("source"), target: connection("target") },
  dumpClient: { kind: "installed", version: "17.5" },
  backups: ["Postgres", "pgvector"].map((service) => ({
    service,
    volume: {
      id: `volume-${service}`,
      instanceId: `instance-${service}`,
      serviceId: service,
      mountPath: "/data",
      state: "READY",
      currentSizeMB: 20_000,
      sizeMB: 50_000,
    },
    usable: undefined,
  })),
  source: {
    ...nothingSeen,
    sequences: 4,
    tables: [
      table("public", "event", { kind: "partitioned", estimatedRows: 200 }),
      table("public", "event_2026", {
        isPartition: true,
        sizeBytes: 60_000_000,
        indexBytes: 10_000_000,
        estimatedRows: 200,
      }),
      table("medical_records", "patient", { sizeBytes: 20_000_000, estimatedRows: 100 }),
    ],
  },
  services: {
    source: undefined,
    target: undefined,
    apps: inputs.services.map((service) => ({
      inputs: service,
      service: undefined,
      deploymentMs: service.wave === 0 ? 42_000 : 60_000,
      variables: [
        { name: "DATABASE_URL", kind: "reference to source", pureReference: "${{Postgres.DATABASE_URL}}" },
        { name: "DIRECT_URL", kind: "literal naming source", pureReference: null },
      ],
    })),
  },
};
