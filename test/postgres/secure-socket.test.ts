import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { type ConnectionTarget, connect, withConnection } from "../../components/postgres/connection.ts";
import { offersTls, openPinnedSocket, readCertificate } from "../../components/postgres/secure-socket.ts";
import { closedPort } from "../migration/preflight/closed-port.ts";
import { sharedServers } from "../world/postgres/shared.ts";
import { startImpostor } from "./impostor.ts";

const { source, target } = sharedServers();
const fingerprint = source.fingerprint as string;
const other = Array(32).fill("AB").join(":");
const purpose = { purpose: "test", readOnly: true };
const label = "source";

/** The source as a pin makes it reachable. */
function pinned(pin: string | null, port = source.port): ConnectionTarget {
  return { ...source.connection(), port, tls: { fingerprint: pin } };
}

describe("offersTls", () => {
  test.for([
    ["S", true],
    ["N", false],
  ] as const)("reads the answer %s", async ([answer, expected]) => {
    const received: Buffer[] = [];
    const port = await listen((socket) => {
      socket.on("data", (bytes) => {
        received.push(bytes);
        socket.write(answer);
      });
    });
    expect(await offersTls(at(port))).toBe(expected);
    expect(Buffer.concat(received)).toEqual(Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]));
  });

  test("fails on a server that is none", async () => {
    const port = await listen((socket) => socket.write("HTTP/1.1 400 Bad Request\r\n"));
    await expect(offersTls(at(port))).rejects.toMatchObject({ code: "SERVER_UNREACHABLE" });
  });

  test("fails on a server that hangs up, that stays silent, and that is not there", async () => {
    const hangsUp = await listen((socket) => socket.end());
    const silent = await listen(() => {});
    const failure = { code: "SERVER_UNREACHABLE" };
    await expect(offersTls(at(hangsUp))).rejects.toMatchObject(failure);
    await expect(offersTls(at(silent), 50)).rejects.toMatchObject(failure);
    await expect(offersTls(at(await closedPort()))).rejects.toMatchObject(failure);
  });
});

describe("a pinned certificate", () => {
  test("lets sessions be opened, and they are encrypted", async () => {
    await withConnection(pinned(fingerprint), purpose, async (client) => {
      const { rows } = await client.query(
        "select ssl, version from pg_stat_ssl where pid = pg_backend_pid()",
      );
      expect(rows).toEqual([{ ssl: true, version: "TLSv1.3" }]);
    });
  });

  test("is what the server shows to whoever asks, with its end", async () => {
    const certificate = await readCertificate(at(source.port));
    expect(certificate.fingerprint).toBe(fingerprint);
    expect(certificate.validTo.getTime()).toBeGreaterThan(Date.now());
  });

  test("keeps the errors of a login apart", async () => {
    const wrong = { ...pinned(fingerprint), password: "wrong" };
    await expect(connect(wrong, purpose)).rejects.toMatchObject({ code: "WRONG_PASSWORD" });
  });

  test("ends with a session whose connection is cut", async () => {
    const client = await connect(pinned(fingerprint), purpose);
    const ended = new Promise((resolve) => client.once("end", resolve));
    const failed = expect(client.query("select pg_sleep(60)")).rejects.toThrow();
    await withConnection(pinned(fingerprint), { purpose: "test" }, (other) =>
      other.query("select pg_terminate_backend($1)", [
        (client as unknown as { processID: number }).processID,
      ]),
    );
    await Promise.all([ended, failed]);
  });
});

describe("somebody in between", () => {
  test("with another certificate reads nothing, and is named", async () => {
    const impostor = await startImpostor(source, "S");
    onTestFinished(() => impostor.close());
    await expect(connect(pinned(fingerprint, impostor.port), purpose)).rejects.toMatchObject({
      code: "CERTIFICATE_CHANGED",
      message: expect.stringContaining(`${impostor.fingerprint} in the place of ${fingerprint}`),
      remedy: expect.stringContaining(`source: { via: tls, fingerprint: "${impostor.fingerprint}" }`),
    });
    expect(impostor.overheard()).toHaveLength(0);
  });

  test("is logged in to by nobody who has no certificate to compare with", async () => {
    const impostor = await startImpostor(source, "S");
    onTestFinished(() => impostor.close());
    await expect(connect(pinned(null, impostor.port), purpose)).rejects.toMatchObject({
      code: "CERTIFICATE_NOT_PINNED",
      message: expect.stringContaining(impostor.fingerprint),
    });
    expect(impostor.overheard()).toHaveLength(0);
  });

  test("who says that there is no TLS reads nothing", async () => {
    const impostor = await startImpostor(source, "N");
    onTestFinished(() => impostor.close());
    await expect(connect(pinned(fingerprint, impostor.port), purpose)).rejects.toMatchObject({
      code: "TLS_NOT_OFFERED",
    });
    expect(impostor.overheard()).toHaveLength(0);
  });

  test.for(["S", "N"] as const)("and without a pin (%s) they would read what is sent", async (answer) => {
    const impostor = await startImpostor(target, answer);
    onTestFinished(() => impostor.close());
    const tls = answer === "S" ? "require" : "off";
    const trusting: ConnectionTarget = { ...target.connection(), port: impostor.port, tls };
    await withConnection(trusting, purpose, (client) => client.query("select 'a secret'"));
    expect(impostor.overheard().includes("a secret")).toBe(true);
  });

  test("cannot put words into the server's mouth before the handshake", async () => {
    const port = await listen((socket) => socket.once("data", () => socket.write("S\0\0\0\0")));
    await expect(openPinnedSocket(at(port), fingerprint)).rejects.toMatchObject({
      code: "SERVER_UNREACHABLE",
    });
  });
});

test("a server without TLS is refused", async () => {
  const plain = { ...target.connection(), tls: { fingerprint: other } };
  await expect(connect(plain, purpose)).rejects.toMatchObject({ code: "TLS_NOT_OFFERED" });
});

test("a handshake that does not go on, or fails, is a server that cannot be reached", async () => {
  const silent = await listen((socket) => socket.once("data", () => socket.write("S")));
  const hangsUp = await listen((socket) => socket.once("data", () => socket.end("S")));
  const noTls = await listen((socket) =>
    socket.once("data", () => {
      socket.write("S");
      socket.once("data", () => socket.write("no TLS at all"));
    }),
  );
  for (const [port, timeoutMs] of [
    [silent, 100],
    [hangsUp, 5_000],
    [noTls, 5_000],
  ] as const) {
    await expect(openPinnedSocket(at(port), fingerprint, timeoutMs)).rejects.toMatchObject({
      code: "SERVER_UNREACHABLE",
    });
  }
});

function at(port: number) {
  return { label, host: "127.0.0.1", port };
}

async function listen(serve: (socket: Socket) => void): Promise<number> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket.on("error", () => {}));
    serve(socket);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}
