import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import type { ConnectionTarget } from "../../../components/postgres/connection.ts";

/**
 * What PgBouncer does with the start-up settings of a session, in front of a real server: it refuses them, or with
 * `ignore_startup_parameters = options` drops them (PgBouncer's manual, "Lesser used settings").
 */
export async function startPooler(
  server: ConnectionTarget,
  settings: "refused" | "ignored",
): Promise<{ port: number; stop(): Promise<void> }> {
  const sockets = new Set<Socket>();
  const pooler = createServer((client) => {
    sockets.add(client);
    client.on("error", () => {});
    client.on("data", function onStart(message) {
      if (message.readInt32BE(4) === sslRequestCode) {
        client.write("N");
        return;
      }
      client.off("data", onStart);
      if (settings === "refused") {
        client.end(refusal);
        return;
      }
      const upstream = connect(server.port, server.host);
      sockets.add(upstream);
      upstream.on("error", () => client.destroy());
      upstream.write(withoutOptions(message));
      client.pipe(upstream).pipe(client);
    });
  }).listen(0, "127.0.0.1");
  await once(pooler, "listening");
  return {
    port: (pooler.address() as AddressInfo).port,
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      pooler.close();
      await once(pooler, "close");
    },
  };
}

const sslRequestCode = 80877103;

/** The start-up message (manual 55.7): length, version, then names and values, each ended by a zero byte. */
function withoutOptions(message: Buffer): Buffer {
  const parts = message.subarray(8).toString().split("\0");
  const kept: string[] = [];
  for (let index = 0; index + 1 < parts.length && parts[index] !== ""; index += 2) {
    if (parts[index] !== "options") kept.push(parts[index] as string, parts[index + 1] as string);
  }
  const body = Buffer.concat([message.subarray(4, 8), Buffer.from(`${kept.join("\0")}\0\0`)]);
  const length = Buffer.alloc(4);
  length.writeInt32BE(body.length + 4);
  return Buffer.concat([length, body]);
}

const refusal = (() => {
  const fields = ["SFATAL", "VFATAL", "C08P01", "Munsupported startup parameter in options: search_path"];
  const body = Buffer.from(`${fields.join("\0")}\0\0`);
  const header = Buffer.alloc(5);
  header.write("E");
  header.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([header, body]);
})();
