import { describe, expect, test } from "vitest";
import type { Transport } from "../../components/migration/inputs.ts";
import {
  describeTransport,
  isPrivateHost,
  probeConnection,
  resolveConnection,
} from "../../components/migration/transport.ts";

const variables = new Map([
  ["DATABASE_URL", "postgresql://postgres:p%40ss@pgvector.railway.internal:5432/railway"],
  ["DATABASE_PUBLIC_URL", "postgresql://postgres:p%40ss@shuttle.proxy.rlwy.net:15140/railway"],
]);
const fingerprint = Array(32).fill("0F").join(":");
const reason = "a rehearsal without patients";
const request = { label: "target", variables } as const;

describe("resolveConnection", () => {
  test.for([
    [{ via: "private" }, true, "pgvector.railway.internal", 5432, "require"],
    [{ via: "private" }, false, "pgvector.railway.internal", 5432, "off"],
    [{ via: "tls", fingerprint }, undefined, "shuttle.proxy.rlwy.net", 15140, { fingerprint }],
    // Whatever the server says, it is TLS or nothing.
    [{ via: "tls", fingerprint }, false, "shuttle.proxy.rlwy.net", 15140, { fingerprint }],
    [{ via: "tls", fingerprint: null }, true, "shuttle.proxy.rlwy.net", 15140, { fingerprint: null }],
    [{ via: "tunnel", port: 6000 }, false, "127.0.0.1", 6000, "off"],
    [{ via: "tunnel", port: 6000 }, true, "127.0.0.1", 6000, "require"],
    [{ via: "plaintext", reason }, true, "shuttle.proxy.rlwy.net", 15140, "off"],
  ] as const)("%j with TLS offered: %s", ([transport, offered, host, port, tls]) => {
    const connection = resolveConnection({ ...request, transport }, offered);
    expect(connection).toMatchObject({ host, port, user: "postgres", password: "p@ss", database: "railway" });
    expect(connection.tls).toEqual(tls);
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
    const resolve = (transport: Transport) =>
      resolveConnection({ ...request, variables: inverted, transport }).host;
    expect([resolve({ via: "private" }), resolve({ via: "tls", fingerprint })]).toEqual([
      "pgvector.railway.internal",
      "shuttle.proxy.rlwy.net",
    ]);
  });

  test.for(["postgresql://postgres:p@:/railway", "", "not a url"])("refuses the URL %j", (text) => {
    const broken = new Map([["DATABASE_PUBLIC_URL", text]]);
    for (const transport of [{ via: "tls", fingerprint } as const, { via: "plaintext", reason } as const]) {
      expect(() => resolveConnection({ ...request, variables: broken, transport })).toThrow(
        expect.objectContaining({ code: "URL_INVALID" }),
      );
    }
  });
});

describe("probeConnection", () => {
  test("asks a server behind a private way whether it has TLS", async () => {
    const connection = await probeConnection(
      { ...request, transport: { via: "tunnel", port: 6000 } },
      async ({ host, port }) => host === "127.0.0.1" && port === 6000,
    );
    expect(connection.tls).toBe("require");
  });

  test.for([
    { via: "tls", fingerprint },
    { via: "plaintext", reason },
  ] as const)("lets no answer decide about %j", async (transport) => {
    const asked: unknown[] = [];
    const connection = await probeConnection({ ...request, transport }, async (address) => {
      asked.push(address);
      return false;
    });
    expect(connection).toEqual(resolveConnection({ ...request, transport }));
    expect(asked).toEqual([]);
  });
});

test.for([
  [{ via: "private" }, "inside Railway's private network"],
  [{ via: "tls", fingerprint }, `with TLS, certificate ${fingerprint}`],
  [{ via: "tls", fingerprint: null }, "with TLS, no certificate pinned yet"],
  [{ via: "tunnel", port: 6000 }, "through the tunnel on port 6000"],
  [{ via: "plaintext", reason }, "IN CLEAR TEXT (a rehearsal without patients)"],
] as const)("%j reads as: %s", ([transport, text]) => {
  expect(describeTransport(transport)).toBe(text);
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
