import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";
import { parseReferences } from "../../railway/references.ts";
import type { PreviousValue } from "../journal/record.ts";

/** What a remembered variable held. */
export type RecalledValue =
  | { readonly kind: "absent" }
  | { readonly kind: "text"; readonly text: string }
  /** The source's password has changed since, or the journal was tampered with. */
  | { readonly kind: "unreadable"; readonly namesSource: boolean };

/** Whether a text is nothing but a reference, and so no secret. */
export function isPureReference(text: string): boolean {
  const trimmed = text.trim();
  return /^\$\{\{[^{}]*\}\}$/.test(trimmed) && parseReferences(trimmed).length === 1;
}

/**
 * Remembers what a variable held, for putting it back. A pure reference is kept as it is; anything else may contain a
 * password and is encrypted (AES-256-GCM) with a key derived from the source's own password: whoever may abort can
 * read that password from Railway, and the journal alone reveals nothing.
 *
 * @param namesSource whether the text leads to the source: then a reference to it does as well, should the text become
 *   unreadable
 */
export function rememberValue(
  text: string | undefined,
  sourcePassword: string,
  namesSource: boolean,
): PreviousValue {
  if (text === undefined) return { kind: "absent" };
  if (isPureReference(text)) return { kind: "reference", text };
  const database = namesSource ? "source" : "other";
  const nonce = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", keyFrom(sourcePassword), nonce);
  cipher.setAAD(Buffer.from(database));
  const sealed = Buffer.concat([cipher.update(text, "utf8"), cipher.final()]);
  const payload = Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString("base64");
  return { kind: "literal", encrypted: `${database}:${payload}` };
}

/** The opposite of {@link rememberValue}. Never throws. */
export function recallValue(previous: PreviousValue, sourcePassword: string): RecalledValue {
  switch (previous.kind) {
    case "absent":
      return { kind: "absent" };
    case "reference":
      return { kind: "text", text: previous.text };
    case "literal":
      return decrypt(previous.encrypted, sourcePassword);
    default:
      return previous satisfies never;
  }
}

function decrypt(encrypted: string, sourcePassword: string): RecalledValue {
  const [database = "", payload = ""] = encrypted.split(":");
  const bytes = Buffer.from(payload, "base64");
  try {
    const decipher = createDecipheriv("aes-256-gcm", keyFrom(sourcePassword), bytes.subarray(0, 12));
    decipher.setAAD(Buffer.from(database));
    decipher.setAuthTag(bytes.subarray(12, 28));
    const text = Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]).toString("utf8");
    return { kind: "text", text };
  } catch {
    return { kind: "unreadable", namesSource: database === "source" };
  }
}

function keyFrom(sourcePassword: string): Buffer {
  return Buffer.from(hkdfSync("sha256", sourcePassword, "", "railway-pgvector-cutover previous values", 32));
}
