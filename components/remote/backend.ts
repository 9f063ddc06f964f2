import { z } from "zod";

const projectSchema = z.looseObject({ backend: z.looseObject({ url: z.string().optional() }).optional() });

const stackSchema = z.looseObject({
  secretsprovider: z.string().optional(),
  encryptionsalt: z.string().optional(),
});

/**
 * Where the stack's state is kept, as the Pulumi CLI decides it: the environment, then the project's file, then Pulumi Cloud.
 * A login of the CLI on this machine is not looked at, because it does not travel.
 */
export function backendOf(project: unknown, environmentUrl: string | undefined): string {
  return environmentUrl || projectSchema.parse(project).backend?.url || "https://api.pulumi.com";
}

/** What encrypts the stack's secrets, by the stack's file: `passphrase`, a key service's URL, or Pulumi Cloud's own. */
export function secretsProviderOf(stack: unknown): string {
  const { secretsprovider, encryptionsalt } = stackSchema.parse(stack ?? {});
  if (secretsprovider !== undefined && secretsprovider !== "default") return secretsprovider;
  return encryptionsalt === undefined ? "service" : "passphrase";
}
