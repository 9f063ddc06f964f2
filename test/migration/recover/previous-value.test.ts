import { describe, expect, it } from "vitest";
import { type PreviousValue, previousValueSchema } from "../../../components/migration/journal/record.ts";
import { recallValue, rememberValue } from "../../../components/migration/recover/previous-value.ts";

type Literal = Extract<PreviousValue, { kind: "literal" }>;

const password = "s0urce-password";
const literal = "postgresql://app:t0psecret@old.example:5432/railway";

describe("what a variable held", () => {
  it.each([
    ["nothing", undefined, "absent"],
    ["a reference", "${{Postgres.DATABASE_URL}}", "reference"],
    ["a reference with spaces", "${{ Postgres.DATABASE_URL }}", "reference"],
    ["a reference within a text", "${{Postgres.DATABASE_URL}}?password=t0psecret", "literal"],
    ["a literal", literal, "literal"],
    ["an empty text", "", "literal"],
    ["other scripts", "postgresql://ü:päss@höst/🏥", "literal"],
  ])("comes back as it was: %s", (_what, text, kind) => {
    for (const namesSource of [true, false]) {
      const remembered = JSON.stringify(rememberValue(text, password, namesSource));
      const stored = previousValueSchema.parse(JSON.parse(remembered));
      expect(stored.kind).toBe(kind);
      expect(recallValue(stored, password)).toEqual(
        text === undefined ? { kind: "absent" } : { kind: "text", text },
      );
    }
  });

  it("shows nothing of a literal, and never the same text twice", () => {
    const [first, second] = [1, 2].map(() => rememberValue(literal, password, true) as Literal);
    expect(JSON.stringify(first)).not.toMatch(/t0psecret|old\.example/);
    const payload = first?.encrypted.split(":")[1] ?? "";
    expect(Buffer.from(payload, "base64").toString("latin1")).not.toContain("t0psecret");
    expect(first).not.toEqual(second);
  });

  it.each([true, false])(
    "is unreadable when the password has changed; whether it led to the source is known still: %s",
    (namesSource) => {
      const stored = rememberValue(literal, password, namesSource);
      expect(recallValue(stored, "rotated")).toEqual({ kind: "unreadable", namesSource });
    },
  );

  it("is unreadable when it was tampered with", () => {
    const { encrypted } = rememberValue(literal, password, false) as Literal;
    const unreadable = (changed: string) =>
      expect(recallValue({ kind: "literal", encrypted: changed }, password)).toMatchObject({
        kind: "unreadable",
      });
    const bytes = Buffer.from(encrypted.split(":")[1] ?? "", "base64");
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    unreadable(`other:${bytes.toString("base64")}`);
    unreadable(encrypted.replace("other:", "source:"));
    unreadable("other:");
    unreadable("");
  });
});
