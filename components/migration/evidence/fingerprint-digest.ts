import { z } from "zod";
import type { ProtectedFingerprint } from "../../postgres/fingerprint/fingerprint.ts";
import { canonicalJson, sha256 } from "./canonical.ts";

/** A fingerprint of the protected schemas, short enough to be kept twice and compared by eye. */
export const fingerprintDigestSchema = z.object({
  extension: z.string().nullable(),
  objects: z.int(),
  /** Of everything declared about every object. */
  structure: z.string(),
  /** Of every object's oid and file: an object that was made anew has others. */
  identities: z.string(),
  tables: z.record(z.string(), z.object({ rows: z.string(), hash: z.string() })),
  sequences: z.record(z.string(), z.object({ lastValue: z.string(), isCalled: z.boolean() })),
});

export type FingerprintDigest = z.infer<typeof fingerprintDigestSchema>;

/** Condenses a fingerprint. Pure. */
export function digestOf(fingerprint: ProtectedFingerprint): FingerprintDigest {
  const { extension, structure, identities, tables, sequences } = fingerprint;
  return {
    extension: extension === null ? null : `vector ${extension.version} in ${extension.schema}`,
    objects: Object.keys(structure).length,
    structure: sha256(canonicalJson(structure)),
    identities: sha256(canonicalJson(identities)),
    tables: Object.fromEntries(
      Object.entries(tables).map(([name, { rows, hash }]) => [name, { rows, hash }]),
    ),
    sequences: Object.fromEntries(
      Object.entries(sequences).map(([name, { lastValue, isCalled }]) => [name, { lastValue, isCalled }]),
    ),
  };
}
