import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readJournal } from "../../components/migration/journal/journal.ts";
import { withConnection } from "../../components/postgres/connection.ts";
import { root } from "../docs/markdown.ts";
import { secretsOf, startQuietWorld } from "../dynamic/quiet-world.ts";
import { startWebhookServer, type WebhookServer, webhookSecret } from "../world/chat/webhook-server.ts";
import { pulumiVersion } from "../world/engine/engine.ts";
import { sentinelMarker } from "../world/postgres/source-fixture.ts";
import type { World } from "../world/world.ts";

/** `npm run cutover` with the real engine, in a folder as an operator has it. */
describe.skipIf(pulumiVersion() === undefined)("a start on the real engine", () => {
  let world: World;
  let chat: WebhookServer;
  let folder: string;
  let environment: Record<string, string>;

  beforeAll(async () => {
    world = await startQuietWorld();
    // It answers nobody: the cutover must not wait for it.
    chat = await startWebhookServer(() => {});
    folder = await mkdtemp(path.join(tmpdir(), "cutover-start-"));
    for (const name of ["components", "scripts", "node_modules", "index.ts", "start.js", "package.json"])
      await symlink(path.join(root, name), path.join(folder, name));
    await copyFile(path.join(root, "Pulumi.yaml"), path.join(folder, "Pulumi.yaml"));
    await mkdir(path.join(folder, "backend"));
    environment = {
      ...world.environment,
      PULUMI_BACKEND_URL: `file://${path.join(folder, "backend")}`,
      PULUMI_CONFIG_PASSPHRASE: randomBytes(16).toString("hex"),
      PULUMI_SKIP_UPDATE_CHECK: "true",
      CUTOVER_WEBHOOK_URL: chat.url.href,
    };
  });
  afterAll(async () => {
    await chat?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
    await world?.stop();
  });

  async function run(command: string, args: readonly string[]) {
    const child = spawn(command, args, {
      cwd: folder,
      env: { ...process.env, ...environment },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += chunk));
    const [exitCode] = await once(child, "close");
    return { exitCode, output };
  }

  test("carries out the saved plan, with a chat that hangs and a secret that is nowhere", async () => {
    await run("pulumi", ["stack", "init", "trial", "--non-interactive"]);
    const accept = world.target.hasPgvector
      ? []
      : [{ code: "VECTOR_MISSING", object: "target", reason: "this machine has no pgvector" }];
    const config = Object.entries({ ...world.config, phase: "cutover", accept });
    const named = config.map(([key, value]) => [`railway-pgvector-cutover:${key}`, value]);
    const file = path.join(folder, "Pulumi.trial.yaml");
    const salt = await readFile(file, "utf8");
    await writeFile(file, `${salt}\nconfig: ${JSON.stringify(Object.fromEntries(named))}\n`);

    const { exitCode, output } = await run(process.execPath, [
      "scripts/cutover.ts",
      "--stack",
      "trial",
      "--yes",
    ]);
    expect(exitCode, output.slice(-4_000)).toBe(0);
    const entry = await withConnection(
      world.target.connection(),
      { purpose: "observe", readOnly: true },
      readJournal,
    );
    expect(entry?.record).toMatchObject({
      state: "finished",
      load: { backups: { kind: "made", volumes: [{ service: "Postgres" }, { service: "pgvector" }] } },
    });
    expect(output).toMatch(/── Back up both volumes.*── Pause writes/s);
    expect(output).toMatch(/messages? to the webhook (was not delivered|were given up)/);
    expect(chat.texts()[0]).toContain("writes are paused");
    const state = (await run("pulumi", ["stack", "export", "--stack", "trial"])).output;
    for (const secret of [...secretsOf(world), webhookSecret, sentinelMarker])
      expect(output + state + chat.texts().join("")).not.toContain(secret);
  });
});
