import { once } from "node:events";
import { type AddressInfo, connect as connectSocket, createServer, type Socket } from "node:net";

/** A way to a server that can fall silent: connections stay open, but nothing gets through any more. */
export async function startSilencer(port: number) {
  const sockets: Socket[] = [];
  const server = createServer((incoming) => {
    const outgoing = connectSocket({ host: "127.0.0.1", port });
    sockets.push(incoming, outgoing);
    for (const socket of [incoming, outgoing]) socket.on("error", () => {});
    incoming.pipe(outgoing).pipe(incoming);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    silence: () => {
      for (const socket of sockets) socket.unpipe().pause();
    },
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
