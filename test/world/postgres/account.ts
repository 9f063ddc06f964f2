import { readFile } from "node:fs/promises";

/** A user and its primary group, by number. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/**
 * The account that PostgreSQL's processes run under: the server refuses to run as root. `undefined` means the current
 * one, which is not root.
 */
export async function serverAccount(): Promise<Account | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const accounts = parseAccounts(await readFile("/etc/passwd", "utf8"));
  const account = accounts.get("postgres") ?? accounts.get("nobody");
  if (account === undefined) {
    throw new Error(
      "PostgreSQL does not run as root, and this machine has neither a user postgres nor nobody.",
    );
  }
  return account;
}

function parseAccounts(passwd: string): Map<string, Account> {
  const accounts = new Map<string, Account>();
  for (const line of passwd.split("\n")) {
    const [name, , uid, gid] = line.split(":");
    if (name !== undefined && gid !== undefined) accounts.set(name, { uid: Number(uid), gid: Number(gid) });
  }
  return accounts;
}
