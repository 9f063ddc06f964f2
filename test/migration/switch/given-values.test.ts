import { describe, expect, test } from "vitest";
import { compareGiven } from "../../../components/migration/switch/given-values.ts";

const text = "${{pgvector.DATABASE_URL}}";
const url = "postgresql://u:p@pgvector.railway.internal:5432/railway";
const rotated = "postgresql://u:q@pgvector.railway.internal:5432/railway";
const elsewhere = "postgresql://u:p@postgres.railway.internal:5432/railway";
const desired = { text, host: "pgvector.railway.internal" };
const present = { raw: text, rendered: url };

describe("what a deployment was given, compared with what it shall have", () => {
  test.each([
    ["the rendered value", url, "yes"],
    ["the raw text", text, "yes"],
    ["the raw text with blanks", "${{ pgvector.DATABASE_URL }}", "yes"],
    ["another password", rotated, "stale"],
    ["another database of the host", `${url}2`, "stale"],
    ["another host", elsewhere, "no"],
    ["an empty text, as a wrong reference renders", "", "no"],
    ["nothing", undefined, "no"],
    ["what Railway does not show", null, "unknown"],
  ])("%s", (_what, given, verdict) => {
    expect(compareGiven(given, desired, present)).toBe(verdict);
  });

  test("the right value is none any more when the variable was changed since", () => {
    const changed = { raw: "${{Postgres.DATABASE_URL}}", rendered: elsewhere };
    expect(compareGiven(url, desired, changed)).toBe("stale");
    expect(compareGiven(text, desired, changed)).toBe("stale");
    expect(compareGiven(elsewhere, desired, changed)).toBe("no");
  });

  test("a variable that shall not exist", () => {
    expect(compareGiven(undefined, undefined, { raw: undefined, rendered: undefined })).toBe("yes");
    expect(compareGiven(url, undefined, { raw: undefined, rendered: undefined })).toBe("no");
  });

  test("a text whose host nobody knows", () => {
    const odd = { text: "${{Other.URL}}", host: null };
    const now = { raw: odd.text, rendered: elsewhere };
    expect(compareGiven(elsewhere, odd, now)).toBe("yes");
    expect(compareGiven(url, odd, now)).toBe("stale");
  });

  test.each([null, undefined])("where the rendered value is %s only the host is known", (rendered) => {
    expect(compareGiven(url, desired, { raw: text, rendered })).toBe("unknown");
    expect(compareGiven(elsewhere, desired, { raw: text, rendered })).toBe("no");
  });
});
