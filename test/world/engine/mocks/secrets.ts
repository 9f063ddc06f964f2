import { isDeepStrictEqual } from "node:util";

export type Properties = Record<string, unknown>;

// From @pulumi/pulumi/runtime/rpc: how a secret travels.
const signatureKey = "4dabf18193072939515e22adb298388d";
const secretSignature = "1b47061264138c4ac30d75fd1eb44270";

export function isSecret(value: unknown): value is { value: unknown } {
  return isObject(value) && value[signatureKey] === secretSignature;
}

/** The values without their wrapping: what a provider gets. */
export function reveal<Value>(value: Value): Value {
  return mapSecrets(value, (hidden) => reveal(hidden)) as Value;
}

/** Every secret replaced by a word: what may be shown. */
export function mask<Value>(value: Value): Value {
  return mapSecrets(value, () => "[secret]") as Value;
}

/** Every secret replaced by a marker in the form in which a real state holds its ciphertext. */
export function seal<Value>(value: Value): Value {
  return mapSecrets(value, () => ({ [signatureKey]: secretSignature, ciphertext: "hidden" })) as Value;
}

/**
 * Marks as the engine does after a provider answered: secret is what was secret under the same path of the inputs (an
 * array with one secret is wholly secret), and the properties named by `additionalSecretOutputs`.
 */
export function markSecrets(pattern: unknown, value: unknown, additional: readonly string[] = []): unknown {
  if (isSecret(value)) return value;
  if (isSecret(pattern)) return wrap(value);
  if (Array.isArray(pattern)) return isDeepStrictEqual(reveal(pattern), pattern) ? value : wrap(value);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => {
      const marked = markSecrets(isObject(pattern) ? pattern[key] : undefined, item);
      return [key, additional.includes(key) ? wrap(reveal(marked)) : marked];
    }),
  );
}

function wrap(value: unknown): unknown {
  return { [signatureKey]: secretSignature, value };
}

function mapSecrets(value: unknown, change: (hidden: unknown) => unknown): unknown {
  if (isSecret(value)) return change(value.value);
  if (Array.isArray(value)) return value.map((item) => mapSecrets(item, change));
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, mapSecrets(item, change)]));
}

function isObject(value: unknown): value is Properties {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
