import { createHash, createHmac, pbkdf2Sync, randomBytes } from "node:crypto";

/** PostgreSQL's own default (`scram_iterations`, manual 19.3.2). */
const iterations = 4_096;

/**
 * What a server stores of a password in place of it (RFC 5802 section 3, RFC 7677; the form: PostgreSQL manual 52.8). Sent
 * as the password of `ALTER ROLE`, it is taken as it is, so that no log, no `pg_stat_activity` and no extension sees the
 * password itself. libpq does the same for `\password`.
 *
 * @param password printable ASCII only: for other characters SASLprep (RFC 4013) would have to normalise it first
 */
export function scramVerifier(password: string, salt: Buffer = randomBytes(16)): string {
  if (!/^[\x20-\x7e]+$/.test(password)) throw new TypeError("only printable ASCII makes a verifier here");
  const salted = pbkdf2Sync(password, salt, iterations, 32, "sha256");
  const storedKey = createHash("sha256").update(hmac(salted, "Client Key")).digest();
  const serverKey = hmac(salted, "Server Key");
  const [saltText, storedText, serverText] = [salt, storedKey, serverKey].map((part) =>
    part.toString("base64"),
  );
  return `SCRAM-SHA-256$${iterations}:${saltText}$${storedText}:${serverText}`;
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}
