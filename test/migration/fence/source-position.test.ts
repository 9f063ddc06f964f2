import type pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import { isBehind, readSourcePosition } from "../../../components/migration/fence/source-position.ts";
import { withConnection } from "../../../components/postgres/connection.ts";
import { type PostgresServer, startServer } from "../../world/postgres/server.ts";
import { follow } from "../../world/postgres/standby.ts";

test("a standby that took the place of the source is another history from its promotion on", async () => {
  const [source, standby] = await Promise.all([
    startServer({ role: "source", tls: false }),
    startServer({ role: "source", tls: false }),
  ]);
  onTestFinished(async () => {
    await Promise.all([standby.dispose(), source.dispose()]);
  });
  // The first checkpoint after the promotion, which notes the new history in the control file, takes its time.
  await follow(standby, source, ["checkpoint_timeout = '1h'", "checkpoint_completion_target = 1"]);
  const on = <Result>({ port }: PostgresServer, work: (client: pg.Client) => Promise<Result>) =>
    withConnection({ ...source.connection(), port }, { purpose: "test" }, work);
  const fenced = await on(source, async (client) => {
    await client.query(
      "create table public.visit as select n as id, repeat('x', 500) as note from generate_series(1, 20000) n",
    );
    return readSourcePosition(client);
  });
  await on(standby, async (client) => {
    await expect
      .poll(async () => {
        const { rows } = await client.query(
          "select pg_last_wal_replay_lsn() - '0/0' >= $1::numeric as caught",
          [fenced.walPosition],
        );
        return rows[0].caught;
      })
      .toBe(true);
    await client.query("select pg_promote()");
    await client.query("create table public.written_since (id int)");
    const now = await readSourcePosition(client);
    expect(BigInt(now.walPosition)).toBeGreaterThan(BigInt(fenced.walPosition));
    expect(isBehind(now, fenced)).toBe(true);
  });
});
