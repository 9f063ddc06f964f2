import { expect, it } from "vitest";
import { Heartbeat } from "../../../components/migration/pause/heartbeat.ts";
import { connect } from "../../../components/postgres/connection.ts";
import { createDatabase } from "../../world/postgres/databases.ts";
import { sharedServers } from "../../world/postgres/shared.ts";
import { startSilencer } from "../../world/postgres/silencer.ts";

it("gives the locks up for lost when the connection falls silent", async () => {
  const { source } = sharedServers();
  const database = await createDatabase(source);
  const silencer = await startSilencer(source.port);
  const session = await connect({ ...database.connection, port: silencer.port }, { purpose: "lock" });
  const options = {
    session,
    deadline: Date.now() + 600_000,
    pauseLimitMs: 600_000,
    isEngineAlive: async () => true,
    onBeat: async () => {},
  };
  const patient = new Heartbeat(options);
  const heartbeat = new Heartbeat({ ...options, silenceLimitMs: 300 });
  try {
    await patient.assertAlive();
    silencer.silence();
    await expect(heartbeat.assertAlive()).rejects.toMatchObject({ code: "LOCKS_LOST" });
  } finally {
    patient.stop();
    heartbeat.stop();
    silencer.close();
    await session.end().catch(() => {});
    await database.drop();
  }
});

it("does not wait for a watch that hangs", async () => {
  const { source } = sharedServers();
  const database = await createDatabase(source);
  const session = await connect(database.connection, { purpose: "lock" });
  const options = {
    session,
    deadline: Date.now() + 600_000,
    pauseLimitMs: 600_000,
    isEngineAlive: async () => true,
    onBeat: () => new Promise<void>(() => {}),
  };
  const heartbeat = new Heartbeat(options);
  try {
    await heartbeat.assertAlive();
  } finally {
    heartbeat.stop();
    await session.end();
    await database.drop();
  }
});
