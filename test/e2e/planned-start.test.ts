import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readJournal } from "../../components/migration/journal/journal.ts";
import { withConnection } from "../../components/postgres/connection.ts";
import { secretsOf, startQuietWorld } from "../dynamic/quiet-world.ts";
import { startWebhookServer, type WebhookServer, webhookSecret } from "../world/chat/webhook-server.ts";
import { pulumiVersion } from "../world/engine/engine.ts";
import { sentinelMarker } from "../world/postgres/source-fixture.ts";
import type { World } from "../world/world.ts";
import { makeOperatorFolder, type OperatorFolder } from "./operator-folder.ts";

/** `npm run cutover` with the real engine, in a folder as an operator has it. */
describe.skipIf(pulumiVersion() === undefined)("a start on the real engine", () => {
  let world: World;
  let chat: WebhookServer;
  let folder: OperatorFolder;

  beforeAll(async () => {
    world = await startQuietWorld();
    // It answers nobody: the cutover must not wait for it.
    chat = await startWebhookServer(() => {});
    folder = await makeOperatorFolder(world, { CUTOVER_WEBHOOK_URL: chat.url.href });
  });
  afterAll(async () => {
    await chat?.[Symbol.asyncDispose]();
    await folder?.[Symbol.asyncDispose]();
    await world?.stop();
  });

  test("carries out the saved plan, with a chat that hangs and a secret that is nowhere", async () => {
    const { exitCode, output } = await folder.run(process.execPath, [
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
    const state = (await folder.run("pulumi", ["stack", "export", "--stack", "trial"])).output;
    for (const secret of [...secretsOf(world), webhookSecret, sentinelMarker])
      expect(output + state + chat.texts().join("")).not.toContain(secret);
  });
});
