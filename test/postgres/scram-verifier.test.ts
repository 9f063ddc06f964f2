import { createHmac } from "node:crypto";
import { expect, test } from "vitest";
import { connect, withConnection } from "../../components/postgres/connection.ts";
import { quoteIdentifier, quoteLiteral } from "../../components/postgres/identifiers.ts";
import { scramVerifier } from "../../components/postgres/scram-verifier.ts";
import { sharedServers } from "../world/postgres/shared.ts";

const server = sharedServers().target;

test("makes the keys of the RFC's own example", () => {
  const salt = "W22ZaJ0SNY7soEsUEjb6gQ==";
  const nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
  const exchange = `n=user,r=rOprNGfwEbeRWgbNEkqO,r=${nonce},s=${salt},i=4096,c=biws,r=${nonce}`;
  const serverKey = scramVerifier("pencil", Buffer.from(salt, "base64")).split(":").at(-1) ?? "";
  const signature = createHmac("sha256", Buffer.from(serverKey, "base64")).update(exchange).digest("base64");
  expect(signature).toBe("6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
});

test("is what a server makes of the same password and salt, and logs in", async () => {
  const role = "scram_of_its_own";
  const password = "a b'c\\d%e~";
  await withConnection(server.connection("postgres"), { purpose: "test" }, async (client) => {
    await client.query(`drop role if exists ${quoteIdentifier(role)}`);
    await client.query(`create role ${quoteIdentifier(role)} login password ${quoteLiteral(password)}`);
    const stored = async (): Promise<string> =>
      (await client.query("select rolpassword from pg_authid where rolname = $1", [role])).rows[0]
        .rolpassword;
    const theirs = await stored();
    const salt = /^SCRAM-SHA-256\$4096:([^$]+)\$/.exec(theirs)?.[1] ?? "";
    expect(scramVerifier(password, Buffer.from(salt, "base64"))).toBe(theirs);

    const verifier = scramVerifier("another-Password_1");
    await client.query(`alter role ${quoteIdentifier(role)} password ${quoteLiteral(verifier)}`);
    expect(await stored()).toBe(verifier);
    const login = { ...server.connection("postgres"), user: role };
    await (await connect({ ...login, password: "another-Password_1" }, { purpose: "test" })).end();
    await expect(connect({ ...login, password }, { purpose: "test" })).rejects.toMatchObject({
      code: "WRONG_PASSWORD",
    });
    await client.query(`drop role ${quoteIdentifier(role)}`);
  });
});

test.for(["contraseña", "", "a\tb"])("refuses %j, which SASLprep would have to normalise", (password) => {
  expect(() => scramVerifier(password)).toThrow(TypeError);
});
