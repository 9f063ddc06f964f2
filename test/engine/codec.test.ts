import * as pulumi from "@pulumi/pulumi";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { checkInputs, encodeProperties, knownInputs, unknownValue } from "../../components/dynamic/codec.ts";
import { CutoverError } from "../../components/errors.ts";

const schema = z.strictObject({
  name: z.string().trim().min(1),
  services: z.array(z.object({ port: z.int() })),
});
const text = { __provider: "exports.handler = …" };

test("knows Pulumi's own placeholder for what is not known yet", () => {
  expect(unknownValue).toBe(pulumi.runtime.unknownValue);
});

describe("knownInputs", () => {
  test("ignores the provider's text, which a strict schema would refuse", () => {
    const inputs = { name: "a", services: [{ port: 1 }] };
    expect(knownInputs(schema, { ...inputs, ...text })).toEqual({ kind: "known", inputs });
  });

  test("names every wrong property by its path", () => {
    const reading = knownInputs(schema, { name: "", services: [{ port: 1 }, { port: "x" }], ...text });
    expect(reading).toMatchObject({
      kind: "invalid",
      failures: [{ property: "name" }, { property: "services[1].port" }],
    });
  });

  test.each([
    ["an object's place", { name: "a", services: unknownValue }],
    ["a number's place", { name: "a", services: [{ port: unknownValue }] }],
    ["a string's place", { name: unknownValue, services: [] }],
  ])("takes an unknown value in %s as unknown, not as wrong", (_where, news) => {
    expect(knownInputs(schema, { ...news, ...text })).toEqual({ kind: "unknown" });
  });

  test("reports what is wrong beside an unknown value", () => {
    const reading = knownInputs(schema, { name: "", services: [{ port: unknownValue }] });
    expect(reading).toMatchObject({ kind: "invalid", failures: [{ property: "name" }] });
  });
});

describe("checkInputs", () => {
  test("normalises what is known and leaves the rest as it is", () => {
    expect(checkInputs(schema, { name: " a ", services: [], ...text })).toEqual({
      inputs: { name: "a", services: [], ...text },
    });
    const unknown = { name: unknownValue, services: [], ...text };
    expect(checkInputs(schema, unknown)).toEqual({ inputs: unknown });
    expect(checkInputs(schema, { name: 1 }).failures).toHaveLength(2);
  });
});

describe("encodeProperties", () => {
  const anything = z.object({ value: z.unknown() });
  const encode = (value: unknown) => encodeProperties(anything, { value }, text).value;

  test("carries the provider's text of the inputs, not that of the result", () => {
    expect(encodeProperties(anything, { value: 1, __provider: "old" }, text)).toEqual({ value: 1, ...text });
  });

  test("turns into JSON what Pulumi's wire format would spoil", () => {
    expect(encode(12345678901234567890n)).toBe("12345678901234567890");
    expect(encode(new Date(0))).toBe("1970-01-01T00:00:00.000Z");
    expect(encode({ kept: null, dropped: undefined })).toEqual({ kept: null });
  });

  test.each([
    ["NaN", Number.NaN],
    ["an integer that loses digits", 2 ** 53],
    ["a map", new Map()],
    ["an undefined item", [undefined]],
  ])("refuses %s by its path", (_what, value) => {
    const attempt = () => encode({ deep: value });
    expect(attempt).toThrow(CutoverError);
    expect(attempt).toThrow(/value\.deep/);
  });

  test("refuses what does not fit the schema without showing it", () => {
    const attempt = () => encodeProperties(schema, { name: 12345, services: [] }, text);
    expect(attempt).toThrow(/schema at: name/);
    expect(attempt).not.toThrow(/12345/);
  });
});
