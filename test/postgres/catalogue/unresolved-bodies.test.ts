import { expect, onTestFinished, test } from "vitest";
import { readUnresolvedBodies } from "../../../components/postgres/catalogue/unresolved-bodies.ts";
import { connect } from "../../../components/postgres/connection.ts";
import { createDatabase } from "../../world/postgres/databases.ts";
import { sharedServers } from "../../world/postgres/shared.ts";

test.each(["source", "target"] as const)(
  "SQL texts of the %s that mean nothing there are found, and nothing is kept",
  async (side) => {
    const database = await createDatabase(sharedServers()[side]);
    onTestFinished(() => database.drop());
    const client = await connect(database.connection, { purpose: "test" });
    const other = await connect(database.connection, { purpose: "test" });
    onTestFinished(async () => {
      await Promise.all([client.end(), other.end()]);
    });
    await client.query(
      `
    SET check_function_bodies = off;
    CREATE SCHEMA "Odd; $check$ 'schema"; CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.held (id int);
    CREATE TABLE public.patient (id int);
    CREATE FUNCTION public.same() RETURNS int LANGUAGE sql AS 'SELECT id FROM patient';
    CREATE FUNCTION public.held() RETURNS int LANGUAGE sql AS 'SELECT id FROM elsewhere.held';
    CREATE FUNCTION public.gone() RETURNS int LANGUAGE sql AS 'SELECT id FROM lost';
    CREATE FUNCTION public.own_path() RETURNS int LANGUAGE sql SET search_path = elsewhere AS 'SELECT id FROM held';
    CREATE FUNCTION public.wrong_path() RETURNS int LANGUAGE sql SET search_path = elsewhere AS 'SELECT id FROM patient';
    CREATE FUNCTION "Odd; $check$ 'schema".f(public.patient) RETURNS text LANGUAGE sql AS 'SELECT $1.lost';
    CREATE PROCEDURE "Odd; $check$ 'schema".writes() LANGUAGE sql AS 'DELETE FROM patient';
    CREATE FUNCTION public.later() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT id FROM lost); END'`,
    );
    const objects = async () => {
      const found = await readUnresolvedBodies(client, ["public", "Odd; $check$ 'schema"]);
      return found.map(({ object }) => object);
    };
    const broken = [
      "function Odd; $check$ 'schema.f(public.patient)",
      "function public.gone()",
      "function public.wrong_path()",
    ];
    await client.query("BEGIN READ ONLY");
    expect(await objects()).toEqual(broken);
    const { rows } = await client.query(
      `SELECT current_setting('search_path') AS path, current_setting('lock_timeout') AS patience,
            (SELECT count(*)::int FROM pg_locks WHERE pid = pg_backend_pid() AND relation >= 16384) AS locks`,
    );
    expect(rows).toEqual([{ path: "pg_catalog", patience: "0", locks: 0 }]);
    await other.query("BEGIN; LOCK TABLE elsewhere.held");
    expect(await objects()).toEqual(broken);
  },
);
