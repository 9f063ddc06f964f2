import { randomBytes } from "node:crypto";
import { chmod, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { finalBackupSchema, type StoredFinalBackup } from "../../components/backup/destination.ts";
import { decrypt, encrypt, newEphemeralKey } from "../../components/backup/encryption.ts";
import { type BackupStore, openStore } from "../../components/backup/store.ts";
import { type S3Server, startS3Server } from "../world/s3/s3-server.ts";

const recipient = (await newEphemeralKey()).recipient;
const name = "Postgres-1.dump.age";
let folder: string;
let s3: S3Server;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "store-"));
  s3 = await startS3Server();
});

afterAll(async () => {
  await s3?.stop();
  await rm(folder, { recursive: true, force: true });
});

function pathStore(): BackupStore {
  return openStore({ to: "path", folder, recipients: [recipient] }, name, undefined);
}

function s3Store(credentials: S3Server["credentials"] | undefined = s3.credentials): BackupStore {
  const { endpoint, region, bucket } = s3;
  const destination: StoredFinalBackup = {
    ...{ to: "s3", endpoint, region, bucket, prefix: "clinic/old database/", recipients: [recipient] },
  };
  return openStore(destination, name, credentials);
}

describe.each([
  ["a folder", pathStore],
  ["a bucket", s3Store],
] as const)("a backup in %s", (_where, open) => {
  test("is read as it was written, whatever was there before", async () => {
    const store = open();
    expect(await store.look()).toBeUndefined();
    for (const size of [10, 70 * 1024 * 1024]) {
      const content = randomBytes(size);
      await store.write(inChunks(content));
      expect((await store.look())?.bytes).toBe(size);
      expect((await all(store)).equals(content)).toBe(true);
    }
  });

  test("is the former one when reading the new one failed, and the failure is that of the reading", async () => {
    const store = open();
    await store.write(inChunks(Buffer.from("the former")));
    async function* failing() {
      yield randomBytes(1_000);
      throw new Error("pg_dump died");
    }
    await expect(store.write(failing())).rejects.toThrow("pg_dump died");
    expect((await all(store)).toString()).toBe("the former");
    expect(s3.openUploads()).toEqual([]);
    expect((await readdir(folder)).filter((one) => one.endsWith(".partial"))).toEqual([]);
  });
});

describe("a backup in a folder", () => {
  test("is for its owner only", async () => {
    const store = pathStore();
    await store.write(inChunks(Buffer.from("x")));
    expect((await stat(store.place)).mode & 0o077).toBe(0);
  });

  test("what a killed run left does not count, and is written over", async () => {
    await rm(path.join(folder, name), { force: true });
    await writeFile(path.join(folder, `${name}.partial`), "half");
    const store = pathStore();
    expect(await store.look()).toBeUndefined();
    await store.write(inChunks(Buffer.from("whole")));
    expect((await all(store)).toString()).toBe("whole");
  });

  test("is refused where the folder does not exist: it is not made", async () => {
    const destination = {
      to: "path",
      folder: path.join(folder, "not-mounted"),
      recipients: [recipient],
    } as const;
    const store = openStore(destination, name, undefined);
    await expect(store.write(inChunks(Buffer.from("x")))).rejects.toMatchObject({
      code: "BACKUP_NOT_STORED",
    });
    await expect(store.read()).rejects.toMatchObject({ code: "BACKUP_NOT_READABLE" });
  });

  test.skipIf(process.getuid?.() === 0)("is refused where it may not be written", async () => {
    await chmod(folder, 0o500);
    try {
      await expect(pathStore().write(inChunks(Buffer.from("x")))).rejects.toMatchObject({
        code: "BACKUP_NOT_STORED",
      });
    } finally {
      await chmod(folder, 0o700);
    }
  });
});

describe("a backup in a bucket", () => {
  afterEach(() => {
    expect(s3.openUploads()).toEqual([]);
  });

  test.each([
    ["a lost connection", { method: "PUT", how: "reset" }],
    ["an overloaded service", { method: "PUT", how: 503, after: 1 }],
    ["a completion that is answered late", { method: "POST", how: 500, after: 1 }],
  ] as const)("survives %s", async (_what, fault) => {
    const store = s3Store();
    const content = randomBytes(70 * 1024 * 1024);
    s3.fail(fault);
    await store.write(inChunks(content));
    expect((await all(store)).equals(content)).toBe(true);
  });

  test("a refused part aborts the upload, and the former object stays", async () => {
    const store = s3Store();
    await store.write(inChunks(Buffer.from("the former")));
    s3.fail({ method: "PUT", how: 400 });
    await expect(store.write(inChunks(Buffer.from("the new one")))).rejects.toMatchObject({
      code: "BACKUP_NOT_STORED",
      message: expect.stringContaining("HTTP 400"),
    });
    expect((await all(store)).toString()).toBe("the former");
  });

  test("an upload that a killed run left is aborted by the next, and no other", async () => {
    const { endpoint, region, bucket, credentials } = s3;
    const { S3Object } = await import("../../components/backup/s3-object.ts");
    const begin = (key: string) =>
      new S3Object({ endpoint, region, bucket, key }, credentials).createUpload();
    await begin(`clinic/old database/${name}`);
    await begin(`clinic/old database/${name}.of-somebody-else`);
    await s3Store().write(inChunks(Buffer.from("x")));
    expect(s3.openUploads()).toEqual([`clinic/old database/${name}.of-somebody-else`]);
    for (const key of s3.openUploads()) {
      const object = new S3Object({ endpoint, region, bucket, key }, credentials);
      for (const id of await object.listUploads()) await object.abortUpload(id);
    }
  });

  test("wrong credentials are told without being shown", async () => {
    const wrong = { ...s3.credentials, secretAccessKey: "not-the-secret" };
    const failure = await s3Store(wrong)
      .write(inChunks(Buffer.from("x")))
      .catch((error) => error);
    expect(failure).toMatchObject({ code: "BACKUP_NOT_STORED" });
    expect(failure.describe()).toContain("HTTP 403 SignatureDoesNotMatch");
    expect(failure.describe()).not.toMatch(new RegExp(`not-the-secret|${s3.credentials.accessKeyId}`));
    await expect(s3Store(wrong).look()).rejects.toMatchObject({ code: "BACKUP_NOT_READABLE" });
  });

  test("needs credentials", () => {
    const { endpoint, region, bucket } = s3;
    const destination = { to: "s3", endpoint, region, bucket, prefix: "", recipients: [recipient] } as const;
    expect(() => openStore(destination, name, undefined)).toThrow(/AWS_ACCESS_KEY_ID/);
  });
});

describe("encryption", () => {
  test("every key reads it alone, and no other", async () => {
    const [one, other, stranger] = [
      await newEphemeralKey(),
      await newEphemeralKey(),
      await newEphemeralKey(),
    ];
    const content = randomBytes(200_000);
    const encrypted = await collect(await encrypt(inChunks(content), [one.recipient, other.recipient]));
    for (const { identity } of [one, other]) {
      expect((await collect(await decrypt(inChunks(encrypted), identity))).equals(content)).toBe(true);
    }
    await expect(decrypt(inChunks(encrypted), stranger.identity)).rejects.toThrow();
  });
});

describe("the configuration", () => {
  const mistyped = `${recipient.slice(0, -1)}${recipient.endsWith("q") ? "p" : "q"}`;
  test.each([
    ["a mistyped public key", { to: "path", folder: "/backups", recipients: [mistyped] }],
    ["a private key", { to: "path", folder: "/backups", recipients: ["AGE-SECRET-KEY-1QQQ"] }],
    ["no key", { to: "path", folder: "/backups", recipients: [] }],
    ["a relative folder", { to: "path", folder: "backups", recipients: [recipient] }],
    [
      "a bucket that is none",
      { to: "s3", endpoint: "https://s3.example", bucket: "a/b", recipients: [recipient] },
    ],
    [
      "an endpoint that is none",
      { to: "s3", endpoint: "s3.example", bucket: "abc", recipients: [recipient] },
    ],
    [
      "credentials in it",
      {
        to: "s3",
        endpoint: "https://s3.example",
        bucket: "abc",
        recipients: [recipient],
        secretAccessKey: "x",
      },
    ],
    ["an own backup without words", { to: "own", place: "disk", restoredAt: "2026-11-20T10:00:00Z" }],
    ["an own backup that was never restored", { to: "own", place: "on the tape in the safe" }],
  ])("%s is refused", (_what, value) => {
    expect(finalBackupSchema.safeParse(value).success).toBe(false);
  });

  test("takes what is right", () => {
    for (const value of [
      { to: "path", folder: "/backups", recipients: [recipient] },
      { to: "s3", endpoint: "https://s3.example", bucket: "abc", recipients: [recipient] },
      { to: "own", place: "on the tape in the safe", restoredAt: "2026-11-20T10:00:00+01:00" },
    ]) {
      expect(finalBackupSchema.safeParse(value).error).toBeUndefined();
    }
  });
});

async function* inChunks(content: Buffer): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < content.length; start += 1_000_000) {
    yield content.subarray(start, start + 1_000_000);
  }
}

async function all(store: BackupStore): Promise<Buffer> {
  return collect(await store.read());
}

async function collect(content: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of content) chunks.push(chunk);
  return Buffer.concat(chunks);
}
