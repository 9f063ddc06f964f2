import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";
import { CutoverError } from "../errors.ts";
import { parseReferences } from "../railway/references.ts";
import type { PreviousValue } from "./record.ts";

/**
 * Remembers what a variable held, for putting it back. A pure reference is kept as it is; anything else may contain a
 * password and is encrypted (AES-256-GCM) with a key derived from the source's own password: whoever may abort can
 * read that password from Railway, and the journal alone reveals nothing.
 */
export function rememberValue(text: string | undefined, sourcePassword: string): PreviousValue {
  if (text === undefined) return { kind: "absent" };
  if (isPureReference(text)) return { kind: "reference", text };
  const nonce = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", keyFrom(sourcePassword), nonce);
  const sealed = Buffer.concat([cipher.update(text, "utf8"), cipher.final()]);
  return {
    kind: "literal",
    encrypted: Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString("base64"),
  };
}

/**
 * The remembered text, `undefined` where there was no variable.
 *
 * @throws CutoverError `PREVIOUS_VALUE_UNREADABLE` when the source's password has changed since
 */
export function recallValue(previous: PreviousValue, sourcePassword: string): string | undefined {
  switch (previous.kind) {
    case "absent":
      return undefined;
    case "reference":
      return previous.text;
    case "literal":
      return decrypt(previous.encrypted, sourcePassword);
    default:
      return previous satisfies never;
  }
}

function decrypt(encrypted: string, sourcePassword: string): string {
  const bytes = Buffer.from(encrypted, "base64");
  try {
    const decipher = createDecipheriv("aes-256-gcm", keyFrom(sourcePassword), bytes.subarray(0, 12));
    decipher.setAuthTag(bytes.subarray(12, 28));
    return Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]).toString("utf8");
  } catch (cause) {
    throw new CutoverError({
      code: "PREVIOUS_VALUE_UNREADABLE",
      message:
        "A variable's previous literal value cannot be decrypted: the source's password has changed since it was saved.",
      remedy:
        "Set the variable to a reference to the source by hand on Railway, deploy the service, then run the abort again.",
      cause,
    });
  }
}

function isPureReference(text: string): boolean {
  const trimmed = text.trim();
  return /^\$\{\{[^{}]*\}\}$/.test(trimmed) && parseReferences(trimmed).length === 1;
}

function keyFrom(sourcePassword: string): Buffer {
  return Buffer.from(hkdfSync("sha256", sourcePassword, "", "railway-pgvector-cutover previous values", 32));
}
