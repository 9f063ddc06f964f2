import { describe, expect, test } from "vitest";
import { type OutputFacts, stackOutputs, stackOutputsSchema } from "../components/outputs.ts";

const migration = {
  id: "migration",
  verdict: "green" as const,
  promotedAt: "2026-11-20T03:04:05.678Z",
  writePauseMs: 4_200,
  tables: 48,
  rows: 200_000,
};

const observed = {
  serviceId: "never shown",
  variables: { DATABASE_URL: "${{pgvector.DATABASE_URL}}" },
  deployed: true,
  deploymentId: "deployment",
};

const promoted: OutputFacts = {
  activeService: "pgvector",
  reference: "${{pgvector.DATABASE_URL}}",
  services: [{ service: "api", observed }],
  migration,
  retirement: { state: "running", evidence: [] },
  soakDays: 14,
};

test("survive the way through JSON that other tooling takes", () => {
  const outputs = stackOutputs(promoted);
  expect(stackOutputsSchema.strict().parse(JSON.parse(JSON.stringify(outputs)))).toEqual(outputs);
});

test("hold nothing that the schema does not name", () => {
  expect(JSON.stringify(stackOutputs(promoted))).not.toContain("never shown");
});

describe("say what is left to do", () => {
  test("the cutover, before it", () => {
    expect(stackOutputs({ ...promoted, migration: null }).remaining).toEqual({
      soakEndsAt: null,
      legacyPostgres: "running",
      evidence: [],
      next: "phase: cutover",
    });
  });

  test("the stop, from the end of the soak", () => {
    const { remaining } = stackOutputs(promoted);
    expect(remaining.soakEndsAt).toBe("2026-12-04T03:04:05.678Z");
    expect(remaining.next).toBe(
      "legacyPostgres: stop with removal.finalBackup, from 2026-12-04T03:04:05.678Z",
    );
  });

  test("at once where the soak is set to nothing", () => {
    expect(stackOutputs({ ...promoted, soakDays: 0 }).remaining.soakEndsAt).toBe(migration.promotedAt);
  });

  test("the removal, once it is stopped", () => {
    const retirement = { state: "stopped" as const, evidence: ["volume kept"] };
    expect(stackOutputs({ ...promoted, retirement }).remaining).toMatchObject({
      legacyPostgres: "stopped",
      evidence: ["volume kept"],
      next: expect.stringMatching(/^legacyPostgres: remove, once you have read the final backup/),
    });
  });

  test("nothing, in the end", () => {
    const retirement = { state: "removed" as const, evidence: ["service deleted"] };
    expect(stackOutputs({ ...promoted, retirement }).remaining.next).toBe("nothing");
  });
});

test.each([
  ["a verdict that is not green", { lastMigration: { ...migration, verdict: "red" } }],
  ["a time that is none", { lastMigration: { ...migration, promotedAt: "yesterday" } }],
  ["an active database without its reference", { activeDatabase: { service: "pgvector" } }],
  ["a retirement of another name", { remaining: { legacyPostgres: "gone" } }],
])("are refused with %s", (_name, change) => {
  const outputs = { ...stackOutputs(promoted), ...change };
  expect(stackOutputsSchema.safeParse(outputs).success).toBe(false);
});
