import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { appServiceInputsSchema } from "../../components/migration/app-service.ts";
import { migrationInputsSchema } from "../../components/migration/inputs.ts";
import { postgresServiceInputsSchema } from "../../components/migration/postgres-service.ts";
import { stackOutputsSchema } from "../../components/outputs.ts";
import { byName, type DeclaredResource, type ProgramRun, repository, runProgram } from "./run-program.ts";

const services = ["@healthcare/public", "@healthcare/api", "@healthcare/doctor", "@healthcare/admin"];
const stackToken = "b6a1c1d2-token-of-the-stack";
const environmentToken = "c7b2d3e4-token-of-the-environment";
const stack: Record<string, unknown> = parse(
  readFileSync(join(repository, "Pulumi.prod.yaml"), "utf8"),
).config;

let adopt: ProgramRun;
let cutover: ProgramRun;
let hooked: ProgramRun;

beforeAll(async () => {
  [adopt, cutover, hooked] = await Promise.all([
    run({ phase: "adopt" }),
    run({ phase: "cutover" }),
    run(
      { phase: "cutover", hooks: { beforeSwitch: "pnpm check", afterPromotion: "pnpm db:push" } },
      { railwayToken: stackToken },
    ),
  ]);
});

describe("phase adopt", () => {
  test("declares both databases and the four services, and nothing that moves data", () => {
    expect(namesByType(adopt)).toEqual({
      "pulumi-nodejs:dynamic/railway:PostgresService": ["source", "target"],
      "pulumi-nodejs:dynamic/railway:AppServiceVariables": services.toSorted(),
    });
  });

  test("adopts the databases as they are", () => {
    const { source, target } = parsedDatabases(adopt);
    expect(source).toMatchObject({ role: "source", source: "Postgres", lifecycle: "keep", create: false });
    expect(target).toMatchObject({ role: "target", target: "pgvector", lifecycle: "keep", create: false });
  });

  test("only observes the services, on the database they have", () => {
    for (const { inputs } of only(adopt, "AppServiceVariables")) {
      expect(appServiceInputsSchema.strict().parse(inputs)).toMatchObject({
        observeOnly: true,
        database: "source",
        variables: { DATABASE_URL: "${{Postgres.DATABASE_URL}}" },
      });
    }
  });

  test("goes from the target over the services to the source", () => {
    const resources = byName(adopt);
    expect(resources.target?.dependencies).toEqual([]);
    for (const name of services) expect(resources[name]?.dependencies).toEqual(["target"]);
    expect(resources.source?.dependencies).toEqual([...services].sort());
  });

  test("tells that the old database is active and the cutover is next", () => {
    const outputs = stackOutputsSchema.strict().parse(adopt.outputs);
    expect(outputs.activeDatabase).toEqual({
      service: "Postgres",
      reference: "${{Postgres.DATABASE_URL}}",
    });
    expect(outputs.lastMigration).toBeNull();
    expect(outputs.remaining).toMatchObject({ soakEndsAt: null, next: "phase: cutover" });
  });
});

describe("phase cutover", () => {
  test("adds the migration, and no command without a hook", () => {
    expect(namesByType(cutover)).toEqual({
      "pulumi-nodejs:dynamic/railway:PostgresService": ["source", "target"],
      "pulumi-nodejs:dynamic/railway:DataMigration": ["migration"],
      "pulumi-nodejs:dynamic/railway:AppServiceVariables": services.toSorted(),
    });
  });

  test("hands the migration everything it has to know", () => {
    const [migration] = only(cutover, "DataMigration");
    expect(migrationInputsSchema.strict().parse(migration?.inputs)).toMatchObject({
      project: "DOCTORES-SEO-PACIENTE-MGMT",
      source: "Postgres",
      target: "pgvector",
      schemas: ["public", "medical_records", "practice_management"],
      protectedSchemas: ["llm_assistant"],
      services: [
        { name: "@healthcare/public", wave: 0, variables: ["DATABASE_URL"] },
        { name: "@healthcare/api", wave: 1, variables: ["DATABASE_URL"] },
        { name: "@healthcare/doctor", wave: 1, variables: ["DATABASE_URL", "LLM_DATABASE_URL"] },
        { name: "@healthcare/admin", wave: 1, variables: ["DATABASE_URL"] },
      ],
      hooks: { beforeSwitch: null },
    });
  });

  test("points each service at the target by a reference that is known in the preview", () => {
    for (const { name, inputs } of only(cutover, "AppServiceVariables")) {
      const doctor = name === "@healthcare/doctor" ? { LLM_DATABASE_URL: "${{pgvector.DATABASE_URL}}" } : {};
      expect(appServiceInputsSchema.strict().parse(inputs)).toMatchObject({
        observeOnly: false,
        database: "target",
        variables: { DATABASE_URL: "${{pgvector.DATABASE_URL}}", ...doctor },
      });
    }
  });

  test("moves the data before it looks at the services, and at the source last", () => {
    const resources = byName(cutover);
    expect(resources.migration?.dependencies).toEqual(["target"]);
    for (const name of services) expect(resources[name]?.dependencies).toEqual(["migration"]);
    expect(resources.source?.dependencies).toEqual([...services].sort());
  });

  test("tells what was moved and when the old database may be stopped", () => {
    const outputs = stackOutputsSchema.strict().parse(cutover.outputs);
    expect(outputs.activeDatabase).toEqual({
      service: "pgvector",
      reference: "${{pgvector.DATABASE_URL}}",
    });
    expect(outputs.lastMigration).toMatchObject({ id: "5b9f9f1e-migration", verdict: "green", tables: 48 });
    expect(outputs.remaining.soakEndsAt).toBe("2026-12-04T03:04:05.000Z");
    expect(Object.keys(outputs.serviceStates).sort()).toEqual([...services].sort());
  });

  test("is the same program in a preview, where the outputs are not known yet", async () => {
    const preview = await run({ phase: "cutover" }, {}, true);
    expect(preview.error).toBeUndefined();
    const inputs = ({ name, inputs, dependencies }: DeclaredResource) => ({ name, inputs, dependencies });
    expect(preview.resources.map(inputs)).toEqual(cutover.resources.map(inputs));
  });
});

test("protects everything that holds data, the old database only while it is kept", async () => {
  const isProtected = (programRun: ProgramRun) =>
    programRun.resources.filter((resource) => resource.isProtected).map(({ name }) => name);
  expect(isProtected(adopt)).toEqual(["target", "source"]);
  expect(isProtected(cutover)).toEqual(["target", "migration", "source"]);
  const recipients = ["age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"];
  const removal = { confirmServiceId: "0a1b", finalBackup: { to: "path", folder: "/backups", recipients } };
  const [stop, remove] = await Promise.all([
    run({ phase: "cutover", legacyPostgres: "stop", removal }),
    run({ phase: "cutover", legacyPostgres: "remove", removal }),
  ]);
  expect(isProtected(stop)).toEqual(["target", "migration"]);
  expect(isProtected(remove)).toEqual(["target", "migration"]);
  expect(parsedDatabases(stop).source.lifecycle).toBe("stop");
  expect(parsedDatabases(remove).source).toMatchObject({ lifecycle: "remove", removal });
  expect(parsedDatabases(remove).target.lifecycle).toBe("keep");
});

describe("the hook after the promotion", () => {
  test("is one command, once for each migration, after the services", () => {
    const resources = byName(hooked);
    const command = resources["after-promotion-command"];
    expect(command).toMatchObject({
      type: "command:local:Command",
      parent: "after-promotion",
      inputs: { logging: "none", triggers: ["5b9f9f1e-migration"] },
      secretOutputs: ["stdout", "stderr"],
    });
    expect(command?.dependencies).toContain("migration");
    // A child is registered only when its parent is, and that waits for what the parent depends on.
    expect(resources["after-promotion"]?.dependencies).toEqual([...services].sort());
  });

  test("gets the token as a secret, and no database URL at all", () => {
    const { environment } = byName(hooked)["after-promotion-command"]?.inputs ?? {};
    expect(environment).toMatchObject({
      AFTER_PROMOTION_COMMAND: "pnpm db:push",
      RAILWAY_TOKEN: { [secretSignatureKey]: secretSignature, value: stackToken },
    });
    expect(JSON.stringify(environment)).not.toMatch(/postgres(ql)?:\/\//);
  });

  test("the hook before the switch belongs to the migration", () => {
    expect(byName(hooked).migration?.inputs).toMatchObject({ hooks: { beforeSwitch: "pnpm check" } });
  });
});

test("no input and no output holds a secret in clear", () => {
  for (const { resources, outputs } of [adopt, cutover, hooked]) {
    const text = JSON.stringify({ resources: resources.map(withoutSecrets), outputs });
    expect(text).not.toContain(stackToken);
    expect(text).not.toContain(environmentToken);
    expect(text).not.toMatch(/password|postgres(ql)?:\/\//i);
  }
});

test("the provider's text in the state is a small shim, the same for all resources of a type", () => {
  const texts = Map.groupBy(
    cutover.resources.filter(({ provider }) => provider !== undefined),
    ({ type }) => type,
  );
  expect(texts.size).toBe(3);
  for (const resources of texts.values()) {
    const [first, ...others] = resources.map(({ provider }) => provider ?? "");
    for (const other of others) expect(other).toBe(first);
    expect(first?.length).toBeLessThan(4_000);
    expect(first).toContain("#providers/");
    expect(first).not.toContain(repository);
    expect(first).not.toMatch(/require\("(?!node:)|zod|CutoverError/);
  }
  const inAdopt = new Set(adopt.resources.map(({ provider }) => provider));
  for (const { provider } of only(cutover, "PostgresService")) expect(inAdopt).toContain(provider);
});

test("a wrong configuration stops the program before it declares anything", async () => {
  const wrong = await run({ phase: "cutover", source: "pgvector", schemas: ["llm_assistant"] });
  expect(wrong.resources).toEqual([]);
  expect(wrong.error).toContain("target: source and target are the same service");
  expect(wrong.error).toContain("protectedSchemas: a schema is both moved and protected");
});

test("a misspelt key stops the program: what it was to say would hold for nothing", async () => {
  const wrong = await run({ protectedSchema: ["llm_assistant"] });
  expect(wrong.resources).toEqual([]);
  expect(wrong.error).toContain("there is no protectedSchema; protectedSchemas may be meant");
});

test("an older Node is refused with a way out", async () => {
  const pretend = `Object.defineProperty(process, "versions", { value: { ...process.versions, node: "20.11.0" } });`;
  const script = `${pretend} await import(${JSON.stringify(join(repository, "start.js"))});`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], { cwd: repository });
  let printed = "";
  child.stderr.setEncoding("utf8").on("data", (chunk) => {
    printed += chunk;
  });
  const code = await new Promise((resolve) => child.once("close", resolve));
  expect(code).not.toBe(0);
  expect(printed).toMatch(/NODE_TOO_OLD.*20\.11\.0.*Remedy: .*PATH/);
});

function run(
  values: Record<string, unknown>,
  secrets: Record<string, string> = {},
  preview = false,
): Promise<ProgramRun> {
  const qualified = Object.entries(values).map(([key, value]) => [`railway-pgvector-cutover:${key}`, value]);
  const environment = { RAILWAY_TOKEN: environmentToken, RAILWAY_REMOVAL_TOKEN: environmentToken };
  return runProgram({ ...stack, ...Object.fromEntries(qualified) }, { secrets, preview, environment });
}

function only({ resources }: ProgramRun, type: string): DeclaredResource[] {
  return resources.filter((resource) => resource.type === `pulumi-nodejs:dynamic/railway:${type}`);
}

function namesByType({ error, resources }: ProgramRun): Record<string, string[]> {
  expect(error).toBeUndefined();
  const groups = Map.groupBy(resources, ({ type }) => type);
  // Services register side by side.
  const names = (members: ProgramRun["resources"]) => members.map(({ name }) => name).toSorted();
  return Object.fromEntries([...groups].map(([type, members]) => [type, names(members)]));
}

function parsedDatabases(programRun: ProgramRun) {
  const { source, target } = byName(programRun);
  const schema = postgresServiceInputsSchema.strict();
  return { source: schema.parse(source?.inputs), target: schema.parse(target?.inputs) };
}

// From @pulumi/pulumi/runtime/rpc: how a secret travels.
const secretSignatureKey = "4dabf18193072939515e22adb298388d";
const secretSignature = "1b47061264138c4ac30d75fd1eb44270";

function withoutSecrets(resource: DeclaredResource): unknown {
  const text = JSON.stringify(resource.inputs, (_key, value) =>
    value?.[secretSignatureKey] === secretSignature ? "[secret]" : value,
  );
  return { ...resource, provider: undefined, inputs: JSON.parse(text) };
}
