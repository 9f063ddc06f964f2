import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server } from "node:net";

/** Stands before a server and cuts sessions at the worst moment. */
export interface CommitCutter {
  readonly port: number;
  /** How many sessions were cut: the server had done the COMMIT, and its answer was withheld. */
  cuts(): number;
  close(): Promise<void>;
}

/** Passes everything on but, once for every session, the answer to its n-th COMMIT: then the session is cut. */
export async function startCommitCutter(
  destination: { host: string; port: number },
  afterCommits: number,
): Promise<CommitCutter> {
  let cuts = 0;
  const server: Server = createServer((client) => {
    const database = connect(destination);
    let commits = 0;
    client.on("data", (bytes) => {
      if (bytes.includes("COMMIT\0")) commits += 1;
      database.write(bytes);
    });
    database.on("data", (bytes) => {
      if (commits < afterCommits) return client.write(bytes);
      cuts += 1;
      client.destroy();
      database.destroy();
    });
    for (const [socket, other] of [
      [client, database],
      [database, client],
    ] as const)
      socket.on("error", () => {}).on("close", () => other.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    cuts: () => cuts,
    async close() {
      server.close();
      await once(server, "close");
    },
  };
}
