import { X509Certificate } from "node:crypto";
import { chown, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { generate } from "selfsigned";
import type { Account } from "./account.ts";

/** SHA-256 of the certificate in a data folder, as the configuration pins it. */
export async function fingerprintIn(dataFolder: string): Promise<string> {
  return new X509Certificate(await readFile(join(dataFolder, "server.crt"))).fingerprint256;
}

/**
 * Puts a self-signed certificate for `localhost` and its key into a data folder, as Railway's postgres-ssl image does.
 * The server refuses a key that others can read (manual 19.9).
 */
export async function writeCertificate(dataFolder: string, account: Account | undefined): Promise<void> {
  const { cert, private: key } = await generate([{ name: "commonName", value: "localhost" }], {
    keyType: "ec",
    algorithm: "sha256",
  });
  for (const [name, content] of [
    ["server.crt", cert],
    ["server.key", key],
  ] as const) {
    const path = join(dataFolder, name);
    await writeFile(path, content, { mode: 0o600 });
    if (account !== undefined) await chown(path, account.uid, account.gid);
  }
}
