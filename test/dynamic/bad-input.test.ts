import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { unknownValue } from "../../components/dynamic/codec.ts";
import { withConnection } from "../../components/postgres/connection.ts";
import { findFreePort } from "../world/postgres/free-port.ts";
import type { World } from "../world/world.ts";
import { expectPassivity } from "./passivity.ts";
import { type ProviderProcess, type RemoteProvider, startProviderProcess } from "./provider-process.ts";
import { inputsFor, startQuietWorld } from "./quiet-world.ts";

let world: World;
let process: ProviderProcess;
let migration: RemoteProvider;

beforeAll(async () => {
  world = await startQuietWorld();
  process = await startProviderProcess(world.railway);
  migration = await process.provider("data-migration");
});

afterAll(async () => {
  await process?.stop();
  await world?.stop();
});

// Whatever was found, the look was passive, and nothing that was said is a secret.
const passivity = expectPassivity(() => ({ world, process }));

test("nothing is wrong with the world as it is", async () => {
  expect(await migration.check({}, inputsFor(world).migration)).toEqual([]);
  await expect.poll(process.printed).toContain("medical_records");
});

describe("values that are wrong in themselves", () => {
  test("are told by property, all together, without a look at anything", async () => {
    const requests = world.railway.requests().length;
    const inputs = inputsFor(world).migration;
    const failures = await migration.check(
      {},
      {
        ...inputs,
        schemas: [],
        copy: { workers: 0 },
        services: [{ ...inputs.services[0], variables: ["1 BAD"] }],
        accept: [{ code: "X", object: "y", reason: "why" }],
      },
    );
    expect(failures.map(({ property }) => property).sort()).toEqual([
      "accept[0].reason",
      "copy.workers",
      "schemas",
      "services[0].variables[0]",
    ]);
    expect(world.railway.requests().length).toBe(requests);
  });

  test("each of the three resources", async () => {
    const { service, source } = inputsFor(world);
    const app = await process.provider("app-service-variables");
    expect(
      await app.check({}, { ...service("@healthcare/api"), healthCheckUrl: "not a url", database: "both" }),
    ).toEqual([
      { property: "database", reason: expect.any(String) },
      { property: "healthCheckUrl", reason: expect.any(String) },
    ]);
    const postgres = await process.provider("postgres-service");
    expect(await postgres.check({}, { ...source, lifecycle: "burn", soakDays: -1 })).toEqual([
      { property: "lifecycle", reason: expect.any(String) },
      { property: "soakDays", reason: expect.any(String) },
    ]);
  });

  test("what a preview does not know yet is no failure; what it knows is judged", async () => {
    const inputs = inputsFor(world).migration;
    expect(await migration.check({}, { ...inputs, project: unknownValue, services: unknownValue })).toEqual(
      [],
    );
    const failures = await migration.check({}, { ...inputs, project: unknownValue, schemas: [] });
    expect(failures.map(({ property }) => property)).toEqual(["schemas"]);
  });
});

describe("names that lead nowhere", () => {
  test("services and schemas are told together, each with what was probably meant", async () => {
    const { services } = inputsFor(world).migration;
    const found = await findings({
      schemas: ["public", "medical_record", "practice_management"],
      services: [...services, { ...services[0], name: "@healthcare/pubic" }],
    });
    expect(found).toContainEqual(
      expect.stringMatching(/SERVICE_NOT_FOUND @healthcare\/pubic.*Did you mean @healthcare\/public\?/),
    );
    expect(found).toContainEqual(
      expect.stringMatching(/SCHEMA_MISSING.*medical_record\b.*Did you mean medical_records\?/),
    );
  });

  test("a database service", async () => {
    expect(await findings({ target: "pgvectr" })).toContainEqual(
      expect.stringMatching(/SERVICE_NOT_FOUND pgvectr.*Did you mean pgvector\?/),
    );
  });

  test("a project or an environment", async () => {
    expect(await findings({ project: "DOCTORES" })).toEqual([
      expect.stringMatching(/RAILWAY_TOKEN_OF_OTHER_ENVIRONMENT.*DOCTORES/),
    ]);
    expect(await findings({ environment: "prod" })).toEqual([
      expect.stringMatching(/TOKEN_OF_OTHER_ENVIRONMENT.*"prod"/),
    ]);
  });

  test("a name that two services have", async () => {
    world.railway.renameService("redis", "@healthcare/api");
    expect(await findings({})).toContainEqual(expect.stringMatching(/SERVICE_AMBIGUOUS @healthcare\/api/));
    world.railway.renameService("@healthcare/api", "redis");
    expect(await findings({})).toEqual([]);
  });
});

describe("databases that are not what they should be", () => {
  test("swapped", async () => {
    const { source, target } = inputsFor(world).migration.transport;
    const transport = { source: target, target: source };
    expect(await findings({ source: "pgvector", target: "Postgres", transport })).toContainEqual(
      expect.stringContaining("SWAPPED_DATABASES"),
    );
  });

  test("the same service twice", async () => {
    expect(await findings({ target: "Postgres" })).toContainEqual(expect.stringContaining("SAME_SERVICE"));
  });

  test("the same database behind two services", async () => {
    const found = await findingsWith("pgvector", "DATABASE_PUBLIC_URL", "${{Postgres.DATABASE_PUBLIC_URL}}");
    expect(found).toContainEqual(expect.stringContaining("SAME_DATABASE"));
  });

  test("a wrong password", async () => {
    const address =
      "postgresql://${{PGUSER}}:not-the-password@${{RAILWAY_TCP_PROXY_DOMAIN}}:${{RAILWAY_TCP_PROXY_PORT}}/${{PGDATABASE}}";
    expect(await findingsWith("Postgres", "DATABASE_PUBLIC_URL", address)).toContainEqual(
      expect.stringMatching(/WRONG_PASSWORD source.*Remedy: \S/),
    );
  });

  test("a public URL without a host, as it renders before there is a TCP proxy", async () => {
    expect(
      await findingsWith("Postgres", "DATABASE_PUBLIC_URL", "postgresql://u:p@:/railway"),
    ).toContainEqual(expect.stringMatching(/URL_INVALID source.*host or database name is empty/));
  });

  test("a target whose DATABASE_URL is public", async () => {
    const address = "postgresql://postgres:secret-of-the-url@shuttle.proxy.rlwy.net:15140/railway";
    const found = await findingsWith("pgvector", "DATABASE_URL", address);
    expect(found).toContainEqual(expect.stringContaining("TARGET_URL_PUBLIC"));
    expect(found.join() + process.printed()).not.toContain("secret-of-the-url");
  });

  test("a target that holds something already", async () => {
    await onTarget("CREATE TABLE public.left_over (id int)");
    expect(await findings({})).toContainEqual(expect.stringMatching(/TARGET_NOT_EMPTY.*left_over/));
    await onTarget("DROP TABLE public.left_over");
    expect(await findings({})).toEqual([]);
  });

  test("out of reach: a preview says that it was not checked, an update stops", async () => {
    const { migration: inputs } = inputsFor(world);
    const port = await findFreePort();
    const transport = { ...inputs.transport, source: { via: "tunnel", port } };
    expect(await findings({ transport })).toEqual([]);
    await expect.poll(process.printed).toMatch(/SERVER_UNREACHABLE/);
    await expect(migration.create({ ...inputs, transport })).rejects.toThrow(
      new RegExp(`127\\.0\\.0\\.1:${port}.*Remedy: Check`),
    );
  });
});

describe("tokens", () => {
  const cases = [
    {
      name: "of another kind than configured",
      tokenKind: "account",
      sent: true,
      code: "RAILWAY_NOT_AUTHORIZED",
    },
    {
      name: "none of the configured kind",
      tokenKind: "workspace",
      sent: false,
      code: "RAILWAY_TOKEN_MISSING",
    },
  ];
  test.each(cases)("$name", async ({ tokenKind, sent, code }) => {
    const { project } = world.railway.tokens;
    const other = await startProviderProcess(world.railway, {
      tokenKind,
      environment: { RAILWAY_API_TOKEN: sent ? project : "" },
    });
    try {
      const { target, migration: inputs } = inputsFor(world);
      const provider = await other.provider("postgres-service");
      await expect(provider.create(target)).rejects.toThrow(new RegExp(`${code}.*${tokenKind}.*Remedy: \\S`));
      const reasons = await other
        .provider("data-migration")
        .then((one) => one.check({}, inputs))
        .then(
          (failures) => failures.map(({ reason }) => reason).join(),
          (error: Error) => error.message,
        );
      expect(reasons).toMatch(new RegExp(`${code}.*Remedy: \\S`));
      expect(other.printed()).not.toContain(project);
    } finally {
      await other.stop();
    }
  });
});

// Last: a variable cannot be unsealed.
test("an update is stopped by all blockers at once, before anything is written", async () => {
  world.railway.sealVariable("@healthcare/admin", "DATABASE_URL");
  world.railway.stageEdit();
  const inputs = { ...inputsFor(world).migration, schemas: ["public", "medical_records", "practise"] };
  const failures = (await findings({ schemas: inputs.schemas })).join("\n");
  const refused = await migration.create(inputs).catch((error: Error) => error.message);
  for (const text of [failures, refused]) {
    expect(text).toContain("VARIABLE_SEALED");
    expect(text).toContain("STAGED_CHANGES");
    expect(text).toContain("SCHEMA_MISSING");
  }
});

/** What the plan refuses: each reason, after the property that it is told for. */
async function findings(change: object): Promise<string[]> {
  const failures = await migration.check({}, { ...inputsFor(world).migration, ...change });
  return failures.map(({ property, reason }) => {
    expect(property).not.toBe("");
    return reason;
  });
}

/** The same while somebody has set a variable by hand. */
async function findingsWith(service: string, name: string, value: string): Promise<string[]> {
  const { services, variables } = world.railway.inspect();
  const serviceId = services.find((one) => one.name === service)?.id;
  const before = variables.find((one) => one.serviceId === serviceId && one.name === name)?.value;
  if (before === undefined) throw new TypeError(`${service} has no variable ${name}`);
  world.railway.setVariableByHand(service, name, value);
  try {
    return await findings({});
  } finally {
    world.railway.setVariableByHand(service, name, before);
  }
}

async function onTarget(statement: string): Promise<void> {
  await withConnection(world.target.connection(), { purpose: "world" }, (client) => client.query(statement));
  await passivity.rebase();
}
