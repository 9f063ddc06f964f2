import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** A way to a server on which every byte is kept: what somebody on a public network could read. */
export interface RecordingProxy {
  readonly port: number;
  readonly connections: readonly RecordedConnection[];
  close(): Promise<void>;
}

/** What went over one connection, in both directions. */
export interface RecordedConnection {
  readonly sent: Buffer[];
  readonly received: Buffer[];
}

export async function startRecordingProxy(server: { host: string; port: number }): Promise<RecordingProxy> {
  const connections: RecordedConnection[] = [];
  const sockets = new Set<Socket>();
  const listener = createServer((client) => {
    const behind = connect({ host: server.host, port: server.port });
    const recorded: RecordedConnection = { sent: [], received: [] };
    connections.push(recorded);
    for (const [socket, peer, bytes] of [
      [client, behind, recorded.sent],
      [behind, client, recorded.received],
    ] as const) {
      sockets.add(socket);
      socket.on("error", () => {}).on("data", (chunk) => bytes.push(chunk));
      socket.once("close", () => {
        sockets.delete(socket);
        peer.destroy();
      });
      socket.pipe(peer);
    }
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  return {
    port: (listener.address() as AddressInfo).port,
    connections,
    async close() {
      listener.close();
      for (const socket of sockets) socket.destroy();
      await once(listener, "close");
    },
  };
}

/**
 * What of a connection to a PostgreSQL server is not TLS, or `undefined` where nothing is: one SSLRequest, the answer `S`, and
 * from then on nothing but records of TLS (RFC 8446, 5.1), the first of which is a handshake.
 */
export function notTls({ sent, received }: RecordedConnection): string | undefined {
  const [client, server] = [Buffer.concat(sent), Buffer.concat(received)];
  // Whoever only asks whether somebody is there says nothing.
  if (client.length === 0) return server.length === 0 ? undefined : "the server spoke first";
  if (!client.subarray(0, 8).equals(Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f])))
    return "no SSLRequest";
  if (server.subarray(0, 1).toString("latin1") !== "S") return "no TLS on the server";
  for (const records of [client.subarray(8), server.subarray(1)]) {
    for (let start = 0; start < records.length; ) {
      const [type = 0, major, minor = 0] = records.subarray(start, start + 3);
      const isRecord = type >= 20 && type <= 23 && major === 3 && minor <= 4 && (start > 0 || type === 22);
      if (!isRecord) return `no record of TLS at byte ${start}`;
      // The last record may have been cut off with its connection.
      if (start + 5 > records.length) break;
      start += 5 + records.readUInt16BE(start + 3);
    }
  }
  return undefined;
}
