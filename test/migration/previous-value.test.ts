import { describe, expect, it } from "vitest";
import { recallValue, rememberValue } from "../../components/migration/previous-value.ts";
import { previousValueSchema } from "../../components/migration/record.ts";

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
    const stored = previousValueSchema.parse(JSON.parse(JSON.stringify(rememberValue(text, password))));
    expect(stored.kind).toBe(kind);
    expect(recallValue(stored, password)).toBe(text);
  });

  it("shows nothing of a literal, and never the same text twice", () => {
    const [first, second] = [rememberValue(literal, password), rememberValue(literal, password)];
    expect(JSON.stringify(first)).not.toMatch(/t0psecret|old\.example/);
    expect(
      Buffer.from((first as { encrypted: string }).encrypted, "base64").toString("latin1"),
    ).not.toContain("t0psecret");
    expect(first).not.toEqual(second);
  });

  it("is refused when the password has changed, or the text was tampered with", () => {
    const stored = rememberValue(literal, password) as { kind: "literal"; encrypted: string };
    const unreadable = expect.objectContaining({ code: "PREVIOUS_VALUE_UNREADABLE" });
    expect(() => recallValue(stored, "rotated")).toThrow(unreadable);
    const bytes = Buffer.from(stored.encrypted, "base64");
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    expect(() => recallValue({ kind: "literal", encrypted: bytes.toString("base64") }, password)).toThrow(
      unreadable,
    );
    expect(() => recallValue({ kind: "literal", encrypted: "" }, password)).toThrow(unreadable);
  });
});
