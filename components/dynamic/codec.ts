import type { z } from "zod";
import { CutoverError } from "../errors.ts";

/** The property in which Pulumi carries a dynamic provider's own text, in inputs and outputs alike. */
export const providerKey = "__provider";

/**
 * What a preview sends in the place of a value that is not known yet, at any depth and for any type.
 * Equal to `pulumi.runtime.unknownValue`, which is not imported because that would load the whole SDK once more.
 */
export const unknownValue = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** Why one input is refused; the engine prints it next to the resource. */
export interface InputFailure {
  /** A path such as `services[0].name`; empty when the inputs as a whole are meant. */
  readonly property: string;
  readonly reason: string;
}

export type InputsReading<Inputs> =
  | { readonly kind: "known"; readonly inputs: Inputs }
  /** A preview in which some value is still to be computed; everything that is known is valid. */
  | { readonly kind: "unknown" }
  | { readonly kind: "invalid"; readonly failures: InputFailure[] };

export type Properties = Record<string, unknown>;

/**
 * Reads the inputs that Pulumi hands to `check`, `diff`, `create` or `update`. The provider's text is removed first, so
 * a strict schema works. Failures that an unknown value may have caused are not reported.
 */
export function knownInputs<Schema extends z.ZodType>(
  schema: Schema,
  news: Properties,
): InputsReading<z.output<Schema>> {
  const inputs = withoutProvider(news);
  const parsed = schema.safeParse(inputs);
  if (parsed.success && !containsUnknown(inputs)) return { kind: "known", inputs: parsed.data };
  const failures = (parsed.error?.issues ?? [])
    .filter((issue) => !containsUnknown(valueAt(inputs, issue.path)))
    .map((issue) => ({ property: describePath(issue.path), reason: issue.message }));
  return failures.length === 0 ? { kind: "unknown" } : { kind: "invalid", failures };
}

/** The same properties without the text in which Pulumi carries the provider. */
export function withoutProvider(properties: Properties | undefined): Properties {
  const { [providerKey]: _text, ...rest } = properties ?? {};
  return rest;
}

/** The answer of `check`: normalised inputs, or the failures by property. */
export function checkInputs(
  schema: z.ZodType,
  news: Properties,
): { inputs: Properties; failures?: InputFailure[] } {
  const reading = knownInputs(schema, news);
  switch (reading.kind) {
    case "known":
      return { inputs: encodeProperties(schema, news, news) };
    case "unknown":
      return { inputs: news };
    case "invalid":
      return { inputs: news, failures: reading.failures };
  }
}

/**
 * Prepares what a provider returns for the state: validated, nothing but JSON, and with the provider's text. Anything
 * else (an `undefined`, a bigint) makes Pulumi fail after `create` has done its work, and forget the resource.
 *
 * @param carrier The inputs or outputs that Pulumi passed in; the provider's text is taken from it.
 * @throws CutoverError `RESULT_NOT_SERIALISABLE`
 */
export function encodeProperties(schema: z.ZodType, value: unknown, carrier: Properties): Properties {
  const parsed = schema.safeParse(withoutProvider(isPlainObject(value) ? value : undefined));
  if (!parsed.success) {
    const paths = parsed.error.issues.map((issue) => describePath(issue.path)).join(", ");
    throw notSerialisable(`does not fit its schema at: ${paths || "the top level"}`);
  }
  const encoded = toJson(parsed.data, []);
  if (!isPlainObject(encoded)) throw notSerialisable("is not an object");
  return { ...encoded, [providerKey]: carrier[providerKey] };
}

function containsUnknown(value: unknown): boolean {
  if (value === unknownValue) return true;
  if (Array.isArray(value)) return value.some(containsUnknown);
  return isPlainObject(value) && Object.values(value).some(containsUnknown);
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((current, key) => {
    if (current === unknownValue) return current;
    return typeof current === "object" && current !== null ? Reflect.get(current, key) : undefined;
  }, value);
}

function describePath(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, key) => {
    if (typeof key === "number") return `${text}[${key}]`;
    return text === "" ? String(key) : `${text}.${String(key)}`;
  }, "");
}

function toJson(value: unknown, path: readonly PropertyKey[]): unknown {
  switch (typeof value) {
    case "string":
    case "boolean":
      return value;
    case "bigint":
      return value.toString();
    case "number":
      // Pulumi's wire format holds doubles: larger integers would lose digits without a word.
      if (!Number.isFinite(value) || Math.abs(value) > Number.MAX_SAFE_INTEGER) {
        throw notSerialisable(`has a number that JSON cannot hold at ${describePath(path)}`);
      }
      return value;
  }
  if (value === null) return null;
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map((item, index) => toJson(item, [...path, index]));
  if (isPlainObject(value)) {
    const entries = Object.entries(value).filter(([, item]) => item !== undefined);
    return Object.fromEntries(entries.map(([key, item]) => [key, toJson(item, [...path, key])]));
  }
  throw notSerialisable(`has a value that JSON cannot hold at ${describePath(path)}`);
}

function isPlainObject(value: unknown): value is Properties {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function notSerialisable(how: string): CutoverError {
  return new CutoverError({
    code: "RESULT_NOT_SERIALISABLE",
    message: `What a provider is about to hand to Pulumi ${how}.`,
    remedy: "This is a defect of the project, not of your set-up: report it with this message.",
  });
}
