import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import {
  isPrivateHost,
  offersTls,
  probeConnection,
  resolveConnection,
} from "../../components/migration/transport.ts";
import { closedPort } from "./preflight-closed-port.ts";

const variables = new Map([
  ["DATABASE_URL", "postgresql://postgres:p%40ss@pgvector.railway.internal:5432/railway"],
  ["DATABASE_PUBLIC_URL", "postgresql://postgres:p%40ss@shuttle.proxy.rlwy.net:15140/railway"],
]);
const request = { label: "target", variables, transport: { via: "public" }, plaintextReason: null } as const;

describe("resolveConnection", () => {
  test.for([
    [{ via: "private" }, true, "pgvector.railway.internal", 5432, "require"],
    [{ via: "private" }, false, "pgvector.railway.internal", 5432, "off"],
    [{ via: "public" }, true, "shuttle.proxy.rlwy.net", 15140, "require"],
    [{ via: "public" }, undefined, "shuttle.proxy.rlwy.net", 15140, "require"],
    [{ via: "tunnel", port: 6000 }, false, "127.0.0.1", 6000, "off"],
    [{ via: "tunnel", port: 6000 }, true, "127.0.0.1", 6000, "require"],
  ] as const)("%j with TLS offered: %s", ([transport, offered, host, port, tls]) => {
    expect(resolveConnection({ ...request, transport }, offered)).toMatchObject({
      host,
      port,
      tls,
      user: "postgres",
      password: "p@ss",
      database: "railway",
    });
  });

  test("refuses clear text across a public network, and does not print the password", () => {
    expect(() => resolveConnection(request, false)).toThrow(
      expect.objectContaining({ code: "PLAINTEXT_REFUSED", message: expect.not.stringContaining("p@ss") }),
    );
  });

  test("allows it with a reason", () => {
    const accepted = { ...request, plaintextReason: "a rehearsal without patients" };
    expect(resolveConnection(accepted, false).tls).toBe("off");
  });

  test("still encrypts with a reason where the server can", () => {
    expect(resolveConnection({ ...request, plaintextReason: "a rehearsal without patients" }, true).tls).toBe(
      "require",
    );
  });

  test("refuses a private transport whose URL is public", () => {
    const inverted = new Map([["DATABASE_URL", "postgresql://u:p@shuttle.proxy.rlwy.net:15140/railway"]]);
    expect(() =>
      resolveConnection({ ...request, variables: inverted, transport: { via: "private" } }),
    ).toThrow(expect.objectContaining({ code: "PRIVATE_URL_NOT_PRIVATE" }));
  });

  test("takes the names of the template in which they are the other way round", () => {
    const inverted = new Map([
      ["DATABASE_URL", "postgresql://u:p@shuttle.proxy.rlwy.net:15140/railway"],
      ["DATABASE_URL_PRIVATE", "postgresql://u:p@pgvector.railway.internal:5432/railway"],
    ]);
    const resolve = (via: "private" | "public") =>
      resolveConnection({ ...request, variables: inverted, transport: { via } }).host;
    expect([resolve("private"), resolve("public")]).toEqual([
      "pgvector.railway.internal",
      "shuttle.proxy.rlwy.net",
    ]);
  });

  test.for(["postgresql://postgres:p@:/railway", "", "not a url"])("refuses the URL %j", (text) => {
    const broken = new Map([["DATABASE_PUBLIC_URL", text]]);
    expect(() => resolveConnection({ ...request, variables: broken })).toThrow(
      expect.objectContaining({ code: "URL_INVALID" }),
    );
  });
});

test.for([
  ["localhost", true],
  ["127.0.0.9", true],
  ["::1", true],
  ["db.railway.internal", true],
  ["db.railway.internal.", true],
  ["railway.internal.example.com", false],
  ["127.0.0.1.example.com", false],
  ["10.0.0.1", false],
] as const)("%s is private: %s", ([host, expected]) => {
  expect(isPrivateHost(host)).toBe(expected);
});

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
    expect(await offersTls("127.0.0.1", port)).toBe(expected);
    expect(Buffer.concat(received)).toEqual(Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]));
  });

  test("fails on a server that is none", async () => {
    const port = await listen((socket) => socket.write("HTTP/1.1 400 Bad Request\r\n"));
    await expect(offersTls("127.0.0.1", port)).rejects.toMatchObject({ code: "SERVER_UNREACHABLE" });
  });

  test("fails on a server that hangs up, that stays silent, and that is not there", async () => {
    const hangsUp = await listen((socket) => socket.end());
    const silent = await listen(() => {});
    const failure = { code: "SERVER_UNREACHABLE" };
    await expect(offersTls("127.0.0.1", hangsUp)).rejects.toMatchObject(failure);
    await expect(offersTls("127.0.0.1", silent, 50)).rejects.toMatchObject(failure);
    await expect(offersTls("127.0.0.1", await closedPort())).rejects.toMatchObject(failure);
  });

  test("decides a connection", async () => {
    const transport = { via: "tunnel", port: 6000 } as const;
    const connection = await probeConnection({ ...request, transport }, async () => true);
    expect(connection.tls).toBe("require");
  });
});

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
