import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { generate } from "selfsigned";

/** Somebody who stands between a client and a PostgreSQL server, with a certificate of their own. */
export interface Impostor {
  readonly port: number;
  /** Of the certificate that it shows. */
  readonly fingerprint: string;
  /** Everything that clients let it read: in clear, or because they took it for the server. */
  overheard(): Buffer;
  close(): Promise<void>;
}

/**
 * Passes on whatever it reads to a server that is asked for no TLS.
 *
 * @param answer to a client's SSLRequest: `S` begins TLS with a certificate of its own, `N` says that there is none
 */
export async function startImpostor(server: { port: number }, answer: "S" | "N"): Promise<Impostor> {
  const { cert, private: key } = await generate([{ name: "commonName", value: "localhost" }], {
    keyType: "ec",
    algorithm: "sha256",
  });
  const heard: Buffer[] = [];
  const sockets = new Set<Socket>();
  const keep = <Kind extends Socket>(socket: Kind): Kind => {
    sockets.add(socket);
    return socket.on("error", () => {});
  };
  const listener = createServer((client) => {
    keep(client).once("data", (first) => {
      if (!isSslRequest(first)) return passOn(client, first);
      client.write(answer);
      if (answer === "S") passOn(keep(new TLSSocket(client, { isServer: true, cert, key })));
      else client.once("data", (next) => passOn(client, next));
    });
  });
  const passOn = (client: Socket, first?: Buffer) => {
    const behind = keep(connect({ port: server.port, host: "127.0.0.1" }));
    const hear = (bytes: Buffer) => {
      heard.push(bytes);
      behind.write(bytes);
    };
    if (first !== undefined) hear(first);
    client.on("data", hear);
    behind.pipe(client);
    client.once("close", () => behind.destroy());
  };
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  return {
    port: (listener.address() as AddressInfo).port,
    fingerprint: new X509Certificate(cert).fingerprint256,
    overheard: () => Buffer.concat(heard),
    async close() {
      listener.close();
      for (const socket of sockets) socket.destroy();
      await once(listener, "close");
    },
  };
}

export function isSslRequest(bytes: Buffer): boolean {
  return bytes.equals(Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]));
}
