import { lookup } from "node:dns/promises";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { expect, test } from "vitest";
import { patienceMs } from "../../patience.ts";
import { machineObstacle, startMachine } from "./machine.ts";

const obstacle = machineObstacle();
if (obstacle !== undefined) console.warn(`NOTICE: nothing runs in a machine of its own here: ${obstacle}`);

test.skipIf(obstacle !== undefined)(
  "inside, the private names lead to the servers and their public addresses do not; outside, it is the other way round",
  async () => {
    const database = await listen("the database");
    const internet = await listen("the internet");
    const machine = await startMachine({
      network: {
        private: [
          { name: "postgres.railway.internal", port: 5432, to: { host: "127.0.0.1", port: database.port } },
        ],
        internet: [internet.port],
      },
      variables: { SECRET: "of this machine" },
    });
    const talk = (host: string, port: number) =>
      machine.run(`bash -c 'cat < /dev/tcp/${host}/${port}'`, patienceMs);
    try {
      expect((await talk("postgres.railway.internal", 5432)).stdout).toBe("the database");
      expect((await talk("127.0.0.1", internet.port)).stdout).toBe("the internet");
      expect(await talk("127.0.0.1", database.port)).toMatchObject({ exitCode: 1, stdout: "" });
      await expect(lookup("postgres.railway.internal")).rejects.toThrow();
      expect((await machine.run("printenv SECRET; printenv USER", patienceMs)).stdout).toBe(
        "of this machine\n",
      );
      expect(await machine.run("sleep 60", 50)).toMatchObject({ timedOut: true });
    } finally {
      await machine.destroy();
      database.close();
      internet.close();
    }
  },
);

test.skipIf(obstacle !== undefined)(
  "what was left running inside goes on, and ends with the machine",
  async () => {
    const machine = await startMachine({ network: { private: [], internet: [] }, variables: {} });
    const marker = `sleep-${Math.random()}`;
    await machine.run(`setsid --fork bash -c 'exec -a ${marker} sleep 600' > /dev/null 2>&1`, patienceMs);
    expect((await machine.run(`pgrep -f ${marker} | wc -l`, patienceMs)).stdout.trim()).not.toBe("0");
    const ends = `setsid --fork bash -c 'echo $$ > "$HOME/pid"' > /dev/null 2>&1; until [ -s "$HOME/pid" ]; do sleep 0.01; done`;
    expect(await machine.run(ends, patienceMs)).toMatchObject({ exitCode: 0 });
    await expect
      .poll(() => machine.run('kill -0 "$(cat "$HOME/pid")"', patienceMs))
      .toMatchObject({ exitCode: 1 });
    await machine.destroy();
    const { spawnSync } = await import("node:child_process");
    expect(spawnSync("pgrep", ["-f", `^${marker}`]).status).toBe(1);
  },
);

async function listen(greeting: string) {
  const server = createServer((socket) => socket.end(greeting));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { port: (server.address() as AddressInfo).port, close: () => server.close() };
}
