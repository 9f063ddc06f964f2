import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { CutoverError } from "../components/errors.ts";
import { migrationInputsSchema } from "../components/migration/inputs.ts";
import {
  appServiceArgs,
  migrationInputs,
  parseSettings,
  postgresServiceArgs,
} from "../components/settings.ts";
import { readProject } from "./world/engine/mocks/project.ts";

const repository = new URL("..", import.meta.url).pathname;

const valid = {
  phase: "cutover",
  legacyPostgres: "keep",
  project: "clinic",
  environment: "production",
  tokenKind: "project",
  source: "Postgres",
  target: "pgvector",
  createTarget: false,
  schemas: ["public"],
  protectedSchemas: ["llm_assistant"],
  services: [{ name: "api" }],
  accept: [],
  limits: {},
  onFailure: "put-back",
  copy: {},
  backups: {},
  hooks: {},
  transport: {},
  sensitive: false,
  removal: {},
};

const finalBackup = {
  ...{ to: "path", folder: "/backups" },
  recipients: ["age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"],
};

test("fills in what is left out", () => {
  expect(parseSettings(valid)).toMatchObject({
    services: [
      {
        name: "api",
        variables: ["DATABASE_URL"],
        newVariables: [],
        healthCheckUrl: null,
        wave: 1,
        startsReadOnly: true,
      },
    ],
    limits: {
      writePauseMs: 900_000,
      lockTimeoutMs: 30_000,
      deploymentTimeoutMs: 600_000,
      healthyForMs: 10_000,
      soakDays: 14,
    },
    onFailure: "put-back",
    copy: { workers: 4 },
    hooks: { beforeSwitch: null, afterPromotion: null },
    transport: { source: { via: "private" }, target: { via: "private" } },
    sensitive: false,
    removal: { confirmServiceId: "", finalBackup: null },
  });
});

test("names every wrong key at once, with a remedy", () => {
  const error = refusal({
    ...valid,
    phase: "rollout",
    tokenKind: "personal",
    schemas: [],
    services: [{ name: "api", wave: -1, variables: ["NOT A NAME"], helthCheckUrl: "https://api.example" }],
    accept: [{ code: "DISK_SPACE", object: "target", reason: "short" }],
    limits: { writePauseMs: 10, pause: 1 },
    transport: { source: { via: "tunnel" } },
    unknownKey: true,
  });
  expect(error.code).toBe("CONFIGURATION_INVALID");
  for (const key of [
    "phase:",
    "tokenKind:",
    "schemas:",
    "services.0.wave:",
    "services.0.variables.0: not a variable name",
    "helthCheckUrl",
    "accept.0.reason: say why",
    "limits.writePauseMs:",
    '"pause"',
    "transport.source.port:",
    "unknownKey",
  ]) {
    expect(error.message).toContain(key);
  }
  expect(error.remedy).toContain("Pulumi.yaml");
});

test("takes true and false as text, which Pulumi makes of them whenever it writes a stack's file", () => {
  const written = { ...valid, sensitive: "true", createTarget: "false" };
  expect(parseSettings(written)).toMatchObject({ sensitive: true, createTarget: false });
  expect(refusal({ ...valid, sensitive: "yes" }).message).toContain("sensitive: ");
});

test("a misspelt key is no key that is left out, and the one that may be meant is named", () => {
  const { protectedSchemas, ...rest } = valid;
  expect(refusal({ ...rest, protectedSchemas: [], protectedSchema: protectedSchemas }).message).toContain(
    "configuration: there is no protectedSchema; protectedSchemas may be meant",
  );
});

describe("the ways to the databases", () => {
  const hex = Array(32).fill("0f").join(":");
  const transportOf = (source: object) => parseSettings({ ...valid, transport: { source } }).transport.source;

  test("a fingerprint in small letters is the same", () => {
    const fingerprint = hex.toUpperCase();
    expect(transportOf({ via: "tls", fingerprint: hex })).toEqual({ via: "tls", fingerprint });
    expect(transportOf({ via: "tls" })).toEqual({ via: "tls", fingerprint: null });
  });

  test.for([
    [{ via: "tls", fingerprint: hex.slice(3) }, "transport.source.fingerprint: not a fingerprint"],
    [{ via: "tls", fingerprint: hex.replaceAll(":", "") }, "transport.source.fingerprint: not a fingerprint"],
    [{ via: "plaintext" }, "transport.source.reason:"],
    [{ via: "plaintext", reason: "          " }, "transport.source.reason: say why"],
    [{ via: "private", fingerprint: hex }, "fingerprint"],
    // How former versions said it.
    [{ via: "public" }, "transport.source.via: one of private, tls, tunnel and plaintext (public of former"],
  ] as const)("%j is refused", ([source, message]) => {
    expect(refusal({ ...valid, transport: { source } }).message).toContain(message);
  });

  test("the reason that stood for both databases is said for each now", () => {
    const { message } = refusal({ ...valid, transport: { plaintextReason: "no patients in there" } });
    expect(message).toContain("transport: plaintextReason is now said for each database");
  });

  test("plaintext is for data that is not sensitive", () => {
    const transport = { target: { via: "plaintext", reason: "no patients in there" } };
    expect(parseSettings({ ...valid, transport }).transport).toMatchObject(transport);
    expect(refusal({ ...valid, transport, sensitive: true }).message).toContain(
      "transport.target.via: plaintext is refused, because the configuration says that the data is sensitive",
    );
  });

  test("the real stack's data is sensitive", () => {
    const stack = parse(readFileSync(`${repository}Pulumi.prod.yaml`, "utf8"));
    expect(stack.config["railway-pgvector-cutover:sensitive"]).toBe(true);
  });
});

describe("rules across keys", () => {
  test.each([
    ["the same service twice", { target: "Postgres" }, "target: source and target are the same service"],
    [
      "a schema that is moved and protected",
      { protectedSchemas: ["public"] },
      "protectedSchemas: a schema is both moved and protected",
    ],
    [
      "an application named twice",
      { services: [{ name: "api" }, { name: "api" }] },
      "services: a service is named twice",
    ],
    [
      "no service that could be the canary",
      { services: [{ name: "api", startsReadOnly: false }] },
      "services: no service can start read-only",
    ],
    [
      "an old database stopped before the cutover",
      { phase: "adopt", legacyPostgres: "stop" },
      "legacyPostgres: the old database can only be stopped or removed in phase cutover",
    ],
    [
      "a removal without the id typed by hand",
      { legacyPostgres: "remove", removal: { finalBackup } },
      "removal.confirmServiceId: legacyPostgres: remove needs the old service's id",
    ],
    [
      "a removal without a final backup",
      { legacyPostgres: "remove", removal: { confirmServiceId: "0a1b" } },
      "removal.finalBackup: legacyPostgres: stop and remove need",
    ],
    [
      "a stop without a final backup",
      { legacyPostgres: "stop" },
      "removal.finalBackup: legacyPostgres: stop and remove need",
    ],
    [
      "a final backup that nobody could read",
      { removal: { finalBackup: { to: "path", folder: "/backups", recipients: ["age1typo"] } } },
      "removal.finalBackup.recipients.0: not a public key of age",
    ],
  ])("%s", (_name, change, message) => {
    expect(refusal({ ...valid, ...change }).message).toContain(message);
  });

  test("several broken ones are told together", () => {
    const { message } = refusal({ ...valid, target: "Postgres", protectedSchemas: ["public"] });
    expect(message).toContain("target: source and target");
    expect(message).toContain("protectedSchemas: a schema is both");
  });
});

test.each(["writePauseMs", "lockTimeoutMs", "deploymentTimeoutMs"])(
  "%s is a day at most: a longer timer would fire at once",
  (limit) => {
    const day = 24 * 60 * 60_000;
    expect(parseSettings({ ...valid, limits: { [limit]: day } }).limits).toMatchObject({ [limit]: day });
    expect(refusal({ ...valid, limits: { [limit]: day + 1 } }).message).toContain(`limits.${limit}:`);
    const inputs = migrationInputs(parseSettings(valid));
    const tooLong = { ...inputs, limits: { ...inputs.limits, [limit]: day + 1 } };
    expect(migrationInputsSchema.safeParse(tooLong).success).toBe(false);
  },
);

test("a lone canary wave decides nothing here: any service that starts read-only will do", () => {
  const services = [{ name: "api", startsReadOnly: false }, { name: "worker" }];
  expect(parseSettings({ ...valid, services }).services).toHaveLength(2);
});

describe("what the resources are given", () => {
  const settings = parseSettings({
    ...valid,
    services: [{ name: "api", variables: ["DATABASE_URL", "URL"], newVariables: ["URL", "LLM_URL"] }],
    createTarget: true,
    legacyPostgres: "stop",
    removal: { finalBackup },
    hooks: { beforeSwitch: "check", afterPromotion: "push" },
  });

  test("the migration: each variable once, nothing that is the stack's own business", () => {
    const inputs = migrationInputsSchema.strict().parse(migrationInputs(settings));
    expect(inputs.services[0]?.variables).toEqual(["DATABASE_URL", "URL", "LLM_URL"]);
    expect(inputs.services[0]?.newVariables).toEqual(["URL", "LLM_URL"]);
    expect(inputs.hooks).toEqual({ beforeSwitch: "check" });
    expect(inputs.limits).not.toHaveProperty("soakDays");
  });

  test("the databases: only the target is created, only the source is retired", () => {
    expect(postgresServiceArgs(settings, "source")).toMatchObject({ create: false, lifecycle: "stop" });
    expect(postgresServiceArgs(settings, "target")).toMatchObject({ create: true, lifecycle: "keep" });
  });

  test("a service: new variables only from the cutover on", () => {
    const [service] = settings.services;
    if (service === undefined) throw new Error("no service");
    const before = appServiceArgs({ ...settings, phase: "adopt" }, service);
    expect(Object.keys(before.variables)).toEqual(["DATABASE_URL", "URL"]);
    expect(before).toMatchObject({ observeOnly: true, database: "source" });
    expect(appServiceArgs(settings, service)).toMatchObject({
      observeOnly: false,
      database: "target",
      variables: {
        DATABASE_URL: "${{pgvector.DATABASE_URL}}",
        URL: "${{pgvector.DATABASE_URL}}",
        LLM_URL: "${{pgvector.DATABASE_URL}}",
      },
    });
  });
});

describe("Pulumi.prod.yaml", () => {
  const text = readFileSync(`${repository}Pulumi.prod.yaml`, "utf8");
  const project = readProject(repository, "prod", parse(text).config);

  test("fits the types that Pulumi.yaml declares, and every key is declared", () => {
    expect(project.problems).toEqual([]);
    const declared = Object.keys(parse(readFileSync(`${repository}Pulumi.yaml`, "utf8")).config);
    const used = Object.keys(parse(text).config).map((key) => key.replace(/^.*:/, ""));
    expect(used.filter((key) => !declared.includes(key))).toEqual([]);
  });

  test("is the real project, ready to be adopted", () => {
    const settings = parseSettings(plainValues(project.config));
    expect(settings).toMatchObject({
      phase: "adopt",
      legacyPostgres: "keep",
      project: "DOCTORES-SEO-PACIENTE-MGMT",
      source: "Postgres",
      target: "pgvector",
      schemas: ["public", "medical_records", "practice_management"],
      protectedSchemas: ["llm_assistant"],
      limits: { soakDays: 14 },
    });
    expect(settings.services.map(({ name }) => name).sort()).toEqual([
      "@healthcare/admin",
      "@healthcare/api",
      "@healthcare/doctor",
      "@healthcare/public",
    ]);
  });

  test("declares in Pulumi.yaml every key that the program reads", () => {
    const declared = Object.keys(parse(readFileSync(`${repository}Pulumi.yaml`, "utf8")).config);
    expect(declared.sort()).toEqual(Object.keys(valid).sort());
  });

  test("holds no secret, and no URL that could", () => {
    expect(text).not.toMatch(/secure:|encryptionsalt|token:|password|:\/\//i);
  });
});

describe("volume backups", () => {
  test("are required unless something else is written", () => {
    expect(parseSettings(valid).backups).toEqual({
      beforeCutover: "required",
      reason: null,
      reuseForMs: 3_600_000,
      timeoutMs: 900_000,
    });
  });

  test("are skipped with a reason only", () => {
    const backups = { beforeCutover: "skip", reason: "the volumes are mirrored" };
    expect(parseSettings({ ...valid, backups }).backups).toMatchObject(backups);
    for (const wrong of [{ beforeCutover: "skip" }, { ...backups, reason: "short" }]) {
      expect(refusal({ ...valid, backups: wrong }).message).toMatch(/backups\.reason: /);
    }
    expect(refusal({ ...valid, backups: { beforCutover: "skip" } }).message).toContain("beforCutover");
  });

  test("are what a state has that was written before there were any", () => {
    const { backups: _, ...former } = migrationInputs(parseSettings(valid));
    expect(migrationInputsSchema.parse(former)).toEqual(migrationInputs(parseSettings(valid)));
  });
});

function refusal(values: unknown): CutoverError {
  try {
    parseSettings(values);
  } catch (error) {
    if (error instanceof CutoverError) return error;
    throw error;
  }
  throw new Error("the settings were accepted");
}

/** As `readSettings` gets them from Pulumi's configuration: text as text, the rest from JSON. */
function plainValues(config: Record<string, string>): Record<string, unknown> {
  const types = parse(readFileSync(`${repository}Pulumi.yaml`, "utf8")).config;
  return Object.fromEntries(
    Object.entries(config).map(([key, value]) => {
      const name = key.replace(/^.*:/, "");
      return [name, types[name]?.type === "string" ? value : JSON.parse(value)];
    }),
  );
}
