import type pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Catalogue,
  hashCatalogue,
  readCatalogue,
  visitCatalogue,
} from "../../../components/postgres/catalogue/catalogue.ts";
import { diffCatalogues } from "../../../components/postgres/catalogue/diff-catalogues.ts";
import { connect, withConnection } from "../../../components/postgres/connection.ts";
import { createDatabase, type TestDatabase } from "../../world/postgres/databases.ts";
import { sharedServers } from "../../world/postgres/shared.ts";
import { loadSourceFixture } from "../../world/postgres/source-fixture.ts";
import { richDdl, richSchemas } from "./catalogue-ddl.ts";

let databases: TestDatabase[];
let source: pg.Client;
let target: pg.Client;

beforeAll(async () => {
  const servers = sharedServers();
  databases = await Promise.all([createDatabase(servers.source), createDatabase(servers.target)]);
  [source, target] = (await Promise.all(
    databases.map(({ connection }) => connect(connection, { purpose: "test" })),
  )) as [pg.Client, pg.Client];
  await Promise.all([source.query(richDdl), target.query(richDdl)]);
});

afterAll(async () => {
  await Promise.all([source?.end(), target?.end()]);
  await Promise.all((databases ?? []).map((database) => database.drop()));
});

it("is the same on two majors for the same definitions", async () => {
  const [before, after] = await Promise.all([
    readCatalogue(source, richSchemas),
    readCatalogue(target, richSchemas),
  ]);
  expect(diffCatalogues(before, after)).toEqual([]);
});

it("hands over each object once, for a comparison forgets what it has seen on both sides", async () => {
  const keys: string[] = [];
  await visitCatalogue(source, richSchemas, ({ key }) => keys.push(key));
  expect(keys.filter((key, index) => keys.indexOf(key) !== index)).toEqual([]);
  expect(keys.length).toBeGreaterThan(100);
});

it("covers every kind of object", async () => {
  const { objects } = await readCatalogue(source, richSchemas);
  const keys = [...objects.keys()];
  expect(keys).toEqual([...keys].sort());
  expect(keys).toEqual(
    expect.arrayContaining([
      "aggregate public.longest(text)",
      "cast (public.mood AS integer)",
      "collation public.plain",
      "column public.users.email",
      "composite type public.address",
      "constraint medical_records.patient.patient_user_id_fkey",
      "default privileges medical_records.postgres on tables",
      "domain constraint public.email.email_has_at",
      "domain public.email",
      "enum public.mood",
      "function public.full_label(text, text)",
      "index public.users_mood",
      "large objects",
      "materialized view public.totals",
      'operator public."==="(text, text)',
      "policy medical_records.patient.own_rows",
      "procedure medical_records.tidy(integer)",
      "range type public.weights",
      "rule public.joined.no_insert",
      "schema public",
      "sequence public.users_id_seq",
      "statistics public.users_names",
      "table public.event",
      "text search configuration public.clinical",
      "trigger public.users.audit_users",
      "used extension plpgsql",
      "view public.happy",
    ]),
  );
});

it("leaves out what belongs to an extension", async () => {
  await source.query("CREATE SCHEMA extended; CREATE EXTENSION btree_gist SCHEMA extended");
  await source.query("CREATE TABLE extended.booking(room int, EXCLUDE USING gist (room WITH =))");
  const { objects } = await readCatalogue(source, ["extended"], { databaseWide: false });
  expect([...objects.keys()]).toEqual([
    "column extended.booking.room",
    "constraint extended.booking.booking_room_excl",
    "index extended.booking_room_excl",
    "schema extended",
    "table extended.booking",
    "used extension btree_gist",
  ]);
});

it("refuses a session whose search path would shorten names", async () => {
  await withConnection((databases[0] as TestDatabase).connection, { purpose: "test" }, async (client) => {
    await client.query("SET search_path = public");
    await expect(readCatalogue(client, richSchemas)).rejects.toThrow("search_path");
  });
});

it("has a hash that follows any change", async () => {
  const before = await hashCatalogue(source, richSchemas);
  expect(await hashCatalogue(source, richSchemas)).toBe(before);
  await source.query("COMMENT ON COLUMN public.cache.v IS 'x'");
  expect(await hashCatalogue(source, richSchemas)).not.toBe(before);
  await source.query("COMMENT ON COLUMN public.cache.v IS NULL");
  expect(await hashCatalogue(source, richSchemas)).toBe(before);
});

it("is the same on two majors for a whole application", async () => {
  const servers = sharedServers();
  const schemas = ["public", "medical_records", "practice_management"];
  const catalogues = await Promise.all(
    [servers.source, servers.target].map(async (server) => {
      const database = await createDatabase(server);
      await loadSourceFixture(database.connection, { rows: 500 });
      const catalogue = await withConnection(database.connection, { purpose: "test" }, (client) =>
        readCatalogue(client, schemas),
      );
      await database.drop();
      return catalogue;
    }),
  );
  const [before, after] = catalogues as [Catalogue, Catalogue];
  expect(before.objects.size).toBeGreaterThan(500);
  expect(diffCatalogues(before, after)).toEqual([]);
});

describe("diffCatalogues", () => {
  const catalogue = (
    major: number,
    ...objects: Array<[string, Record<string, string>, string?]>
  ): Catalogue => ({
    major,
    objects: new Map(
      objects.map(([key, aspects, parent]) => [key, { key, aspects, parent: parent ?? null }]),
    ),
  });
  const view = (major: number, definition: string) => catalogue(major, ["view public.v", { definition }]);
  const acl = (major: number, ...entries: string[]) =>
    catalogue(major, ["table public.t", { acl: entries.join("\n") }]);

  it("does not list the parts of a missing table, nor an index that is invalid on the source", () => {
    const before = catalogue(
      15,
      ["table public.t", {}],
      ["column public.t.a", {}, "public.t"],
      ["index public.kept", { validity: "valid" }, "public.u"],
      ["index public.broken", { validity: "invalid" }, "public.u"],
    );
    expect(diffCatalogues(before, catalogue(17))).toEqual([
      { code: "CATALOGUE_MISSING", object: "index public.kept", aspect: null },
      { code: "CATALOGUE_MISSING", object: "table public.t", aspect: null },
    ]);
  });

  it("tells widened privileges from narrowed ones", () => {
    expect(diffCatalogues(acl(15, "(owner) SELECT"), acl(15, "(owner) SELECT", "(public) SELECT"))).toEqual([
      { code: "PRIVILEGES_WIDENED", object: "table public.t", aspect: "acl" },
    ]);
    expect(diffCatalogues(acl(15, "a SELECT", "b SELECT"), acl(15, "a SELECT"))).toMatchObject([
      { code: "CATALOGUE_CHANGED" },
    ]);
    expect(diffCatalogues(acl(15, "a SELECT"), acl(15, "a SELECT WITH GRANT OPTION"))).toMatchObject([
      { code: "PRIVILEGES_WIDENED" },
    ]);
  });

  it("takes a role for the same whose name only one server quotes", () => {
    expect(diffCatalogues(acl(15, "json_table SELECT"), acl(17, '"json_table" SELECT'))).toEqual([]);
    expect(diffCatalogues(acl(15, "a SELECT"), acl(17, '"A" SELECT'))).toHaveLength(1);
  });

  it("allows MAINTAIN across 17 only to the owner and to who holds everything else", () => {
    const everything = ["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"].map(
      (privilege) => `a ${privilege}`,
    );
    expect(diffCatalogues(acl(15, ...everything), acl(17, ...everything, "a MAINTAIN"))).toEqual([]);
    expect(diffCatalogues(acl(15, "(owner) SELECT"), acl(17, "(owner) SELECT", "(owner) MAINTAIN"))).toEqual(
      [],
    );
    expect(diffCatalogues(acl(15, "a SELECT"), acl(17, "a SELECT", "a MAINTAIN"))).toMatchObject([
      { code: "PRIVILEGES_WIDENED" },
    ]);
    expect(diffCatalogues(acl(17, ...everything), acl(17, ...everything, "a MAINTAIN"))).toHaveLength(1);
  });

  it("allows across majors for what is known to be written differently, and for nothing else", () => {
    const before = view(15, "SELECT u.id,\n  u.email\n FROM public.users u WHERE u.note <> 'u.x  y'::text;");
    const same = "SELECT id, email FROM public.users u WHERE note <> 'u.x  y'::text;";
    expect(diffCatalogues(before, view(17, same))).toEqual([]);
    expect(diffCatalogues(before, view(15, same))).toHaveLength(1);
    expect(diffCatalogues(before, view(17, same.replace("'u.x  y'", "'x  y'")))).toHaveLength(1);
    expect(diffCatalogues(before, view(17, same.replace("'u.x  y'", "'u.x y'")))).toHaveLength(1);
    expect(diffCatalogues(before, view(17, same.replace("email", "mail")))).toHaveLength(1);
    const joined = view(15, "SELECT a.id FROM public.a a JOIN public.b b ON a.id = b.id;");
    expect(
      diffCatalogues(joined, view(17, "SELECT b.id FROM public.a a JOIN public.b b ON a.id = b.id;")),
    ).toHaveLength(1);
    expect(diffCatalogues(view(15, "SELECT json_scalar;"), view(17, 'SELECT "json_scalar";'))).toEqual([]);
    expect(diffCatalogues(view(15, "SELECT user;"), view(17, 'SELECT "user";'))).toHaveLength(1);
  });

  it("allows nothing across majors for what people wrote, nor for the schema of what a definition calls", () => {
    for (const [aspect, before, after] of [
      ["comment", "a  b", "a b"],
      ["comment", "see u.id of u", "see id of u"],
      ["owner", "clinic.app", "app"],
      ["labels", '["a", "b"]', '["a","b"]'],
    ] as const) {
      const table = (major: number, text: string) => catalogue(major, ["table public.t", { [aspect]: text }]);
      expect(diffCatalogues(table(15, before), table(17, after))).toHaveLength(1);
    }
    const column = (major: number, text: string) =>
      catalogue(major, ["column public.t.a", { default: text }, "public.t"]);
    expect(diffCatalogues(column(15, "tools.lower(a)"), column(17, "lower(a)"))).toHaveLength(1);
    const calls = "SELECT tools.lower(u.note) AS note FROM public.u;";
    expect(
      diffCatalogues(view(15, calls), view(17, "SELECT tools.lower(note) AS note FROM public.u;")),
    ).toEqual([]);
    expect(diffCatalogues(view(15, calls), view(17, calls.replace("tools.", "")))).toHaveLength(1);
  });

  it("never shows a definition", () => {
    const before = view(15, "SELECT 'MRN-SECRET'");
    expect(JSON.stringify(diffCatalogues(before, view(15, "SELECT 'MRN-OTHER'")))).not.toContain("MRN");
  });
});
