import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** A public port that leads to a server which may not be there yet: the TCP proxy of a service created at run time. */
export interface TcpForwarder {
  readonly port: number;
  close(): Promise<void>;
}

export async function startTcpForwarder(
  destination: () => { host: string; port: number } | undefined,
): Promise<TcpForwarder> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((incoming) => {
    const target = destination();
    if (target === undefined) return incoming.destroy();
    const outgoing = connect(target);
    for (const socket of [incoming, outgoing]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        sockets.delete(socket);
        incoming.destroy();
        outgoing.destroy();
      });
    }
    incoming.pipe(outgoing);
    outgoing.pipe(incoming);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, "close");
    },
  };
}
