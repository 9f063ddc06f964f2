import { Encrypter } from "age-encryption";
import { z } from "zod";

/**
 * A public key of the operator: `age1…`, as `age-keygen` prints it. Its checksum is verified, because a mistyped key would
 * make a backup that nobody can ever read.
 */
const recipientSchema = z.string().refine(isRecipient, "not a public key of age (age1…)");

const recipientsSchema = z.array(recipientSchema).min(1, "at least one public key of age (age1…)").readonly();

/** Where the final backup of the old database goes, and who may read it. */
export const finalBackupSchema = z.discriminatedUnion("to", [
  z.strictObject({
    to: z.literal("path"),
    /** An existing folder, reachable from the machine that runs `pulumi up`, that outlives it. */
    folder: z.string().startsWith("/", "an absolute path"),
    recipients: recipientsSchema,
  }),
  z.strictObject({
    to: z.literal("s3"),
    /** Any S3-compatible service. Path-style addresses are used, which all of them understand. */
    endpoint: z.url({ protocol: /^https?$/ }),
    region: z.string().min(1).default("auto"),
    bucket: z.string().regex(/^[a-z0-9][a-z0-9._-]{1,62}$/, "not a bucket's name"),
    /** Put before the object's name. */
    prefix: z.string().default(""),
    recipients: recipientsSchema,
  }),
  z.strictObject({
    to: z.literal("own"),
    /** In words: where the operator's own backup is, and how it was made. */
    place: z.string().min(10, "say where it is, in at least ten characters"),
    /** When the operator restored it and looked at what came out of it. */
    restoredAt: z.iso.datetime({ offset: true }),
  }),
]);

export type FinalBackup = z.infer<typeof finalBackupSchema>;
export type StoredFinalBackup = Exclude<FinalBackup, { to: "own" }>;

/** Credentials of an S3-compatible service. From the environment of the process only: never an input, never in the state. */
export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
}

function isRecipient(text: string): boolean {
  try {
    new Encrypter().addRecipient(text);
    return true;
  } catch {
    return false;
  }
}
