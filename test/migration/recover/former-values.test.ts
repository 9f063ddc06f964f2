import { beforeEach, expect, test } from "vitest";
import type { ResolvedDatabases } from "../../../components/migration/decide/resolve.ts";
import { formerValues } from "../../../components/migration/recover/former-values.ts";
import { rememberValue } from "../../../components/migration/recover/previous-value.ts";
import { FakeRailway } from "../switch/fake-railway.ts";

const sourceText = "${{Postgres.DATABASE_URL}}";
const targetText = "${{pgvector.DATABASE_URL}}";
const literal = "postgresql://u:0ldsecret@postgres.railway.internal:5432/railway";
const elsewhere = "postgresql://u:p@elsewhere.example:5432/other";

let railway: FakeRailway;
let lines: string[];
beforeEach(() => {
  railway = new FakeRailway({});
  railway.variables.set("DATABASE_URL", targetText);
  lines = [];
});

/** What the variable shall hold again, when the source's password is this one by now. */
async function recall(text: string | undefined, namesSource: boolean, passwordNow = "before") {
  const world = {
    scope: {},
    source: {
      connection: { password: passwordNow },
      reference: sourceText,
      privateHost: "postgres.railway.internal",
    },
    target: { reference: targetText },
  } as unknown as ResolvedDatabases;
  const reporter = { step: () => {}, detail: (line: string) => void lines.push(line) };
  const previous = { DATABASE_URL: rememberValue(text, "before", namesSource) };
  const desired = await formerValues(
    { railway: railway.client(), world, reporter },
    "api",
    {
      serviceId: "api",
      previous,
    },
    "Postgres",
  );
  return [...desired];
}

test.each([
  ["a reference to the source", sourceText, true, { text: sourceText, host: "postgres.railway.internal" }],
  ["a literal", literal, true, { text: literal, host: "postgres.railway.internal" }],
  ["another reference", "${{Other.URL}}", false, { text: "${{Other.URL}}", host: null }],
  ["nothing", undefined, false, undefined],
])("with the same password it is what it was: %s", async (_what, text, namesSource, expected) => {
  expect(await recall(text, namesSource)).toEqual([["DATABASE_URL", expected]]);
  expect(lines).toEqual([]);
});

test("a changed password makes a literal of the source a reference to it, and the operator is told", async () => {
  expect(await recall(literal, true, "rotated")).toEqual([
    ["DATABASE_URL", { text: sourceText, host: "postgres.railway.internal" }],
  ]);
  expect(lines).toEqual([expect.stringContaining(`api: DATABASE_URL gets ${sourceText} in place of`)]);
  expect(lines.join()).not.toContain("0ldsecret");
});

test("a changed password makes nothing of a literal that led elsewhere, until somebody sets it by hand", async () => {
  const unreadable = expect.objectContaining({ code: "PREVIOUS_VALUE_UNREADABLE" });
  await expect(recall(elsewhere, false, "rotated")).rejects.toEqual(unreadable);
  railway.variables.delete("DATABASE_URL");
  await expect(recall(elsewhere, false, "rotated")).rejects.toEqual(unreadable);
  railway.variables.set("DATABASE_URL", elsewhere);
  expect(await recall(elsewhere, false, "rotated")).toEqual([]);
  expect(lines).toEqual([expect.stringContaining("left as it was set by hand")]);
});
