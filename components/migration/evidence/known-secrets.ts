import { describeError } from "../../errors.ts";
import type { EnvironmentScope, Railway } from "../../railway/railway.ts";
import type { MigrationRecord } from "../journal/record.ts";
import { recallValue } from "../recover/previous-value.ts";

/** A value that must not be in a bundle, and what it is, for the error that refuses it. */
export interface KnownSecret {
  readonly what: string;
  readonly value: string;
}

export interface KnownSecrets {
  readonly secrets: readonly KnownSecret[];
  /** What could not be read, so that nothing could be searched for it. */
  readonly unread: readonly string[];
}

/**
 * Collects what Railway and the journal know of secrets: passwords and database URLs of both databases, and the former
 * values of variables, in clear where the old database's password still opens them and encrypted as they are kept. Held in
 * memory only. A database that is gone is no failure.
 */
export async function readKnownSecrets(
  railway: Railway,
  scope: EnvironmentScope,
  { context, ...record }: MigrationRecord,
): Promise<KnownSecrets> {
  const unread: string[] = [];
  const variables = await Promise.all(
    [context.source, context.target].map(async ({ serviceId, serviceName }) => {
      try {
        return { serviceName, rendered: await railway.renderedVariables(scope, serviceId) };
      } catch (error) {
        unread.push(`the passwords of ${serviceName} (${describeError(error)})`);
        return { serviceName, rendered: new Map<string, string | null>() };
      }
    }),
  );
  const passwords = variables.flatMap(({ rendered }) => [...rendered.values()]).flatMap(passwordIn);
  const fence = "fence" in record ? record.fence : null;
  const literals = Object.entries(fence?.services ?? {}).flatMap(([service, { previous }]) =>
    Object.entries(previous).flatMap(([variable, value]): KnownSecret[] => {
      if (value.kind !== "literal") return [];
      const what = `the former ${variable} of ${service}`;
      const clear = passwords
        .map((password) => recallValue(value, password))
        .find((recalled) => recalled.kind === "text");
      if (clear === undefined) unread.push(`${what} in clear (the password that opens it is not known)`);
      const texts = clear === undefined ? [value.encrypted] : [value.encrypted, clear.text];
      return texts.map((text) => ({ what, value: text }));
    }),
  );
  return { secrets: [...variables.flatMap(secretsOfService), ...literals], unread };
}

function secretsOfService({
  serviceName,
  rendered,
}: {
  serviceName: string;
  rendered: ReadonlyMap<string, string | null>;
}): KnownSecret[] {
  return [...rendered].flatMap(([name, value]) =>
    value !== null && (isSecretName(name) || passwordIn(value).length > 0)
      ? [{ what: `${name} of ${serviceName}`, value }]
      : [],
  );
}

/** Whether a variable of this name holds a secret, as far as a name tells. */
export function isSecretName(name: string): boolean {
  return /PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN(?!_KIND)|API_?KEY|ACCESS_KEY(?!_ID)|PRIVATE_KEY/i.test(
    name,
  );
}

function passwordIn(value: string | null): string[] {
  if (value === null || !URL.canParse(value)) return [];
  const { password } = new URL(value);
  try {
    return password === "" ? [] : [decodeURIComponent(password)];
  } catch {
    return [password];
  }
}
