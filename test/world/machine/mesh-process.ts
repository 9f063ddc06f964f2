import { connect, createServer } from "node:net";
import { joinSockets } from "./join-sockets.ts";

/** The network inside a machine: each address leads, through a socket file, to a server outside. */
export interface MeshAddress {
  readonly host: string;
  readonly port: number;
  /** A Unix socket: the file system is the only thing that a network namespace leaves open. */
  readonly socketFile: string;
}

const addresses: MeshAddress[] = JSON.parse(process.env.MESH_ADDRESSES ?? "[]");

// The machine ends with whoever started it.
process.on("disconnect", () => process.exit(1));

await Promise.all(
  addresses.map(
    ({ host, port, socketFile }) =>
      new Promise<void>((resolve) => {
        const server = createServer((inside) => joinSockets(inside, connect(socketFile)));
        server.listen(port, host, resolve);
      }),
  ),
);
process.send?.("ready");
