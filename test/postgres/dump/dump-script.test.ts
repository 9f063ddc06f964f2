import fc from "fast-check";
import { expect, test } from "vitest";
import { withoutBuildStamps } from "../../../components/postgres/dump/build-stamps.ts";
import { parseDumpScript, schemaOfSchemaEntry } from "../../../components/postgres/dump/parse-script.ts";
import { splitStatements, sqlTokens } from "../../../components/postgres/dump/sql-tokens.ts";
import { FrameScanner } from "../../../components/postgres/dump/wire-frames.ts";

const end = "--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict x\n";
const header = (name: string, type: string, schema: string) =>
  `--\n-- Name: ${name}; Type: ${type}; Schema: ${schema}; Owner: postgres\n--\n\n`;

test("drops the preamble, meta commands and everything about the schema public", () => {
  const entries = parseDumpScript(
    `--\n-- PostgreSQL database dump\n--\n\n\\restrict x\n\nSET row_security = off;\n\n${header("public", "SCHEMA", "-")}CREATE SCHEMA public;\n\n\n${header('SCHEMA "public"', "COMMENT", "-")}COMMENT ON SCHEMA public IS 'x';\n\n\n${header("app", "SCHEMA", "-")}CREATE SCHEMA app;\n\n\n${header('SCHEMA "public"', "ACL", "-")}GRANT ALL ON SCHEMA public TO PUBLIC;\n\n\n${end}`,
  );
  expect(entries).toEqual([
    {
      section: "pre-data",
      type: "SCHEMA",
      schema: null,
      name: "app",
      owner: "postgres",
      sql: "CREATE SCHEMA app;",
    },
  ]);
});

test("does not take text inside of quotes for a header", () => {
  const fake = `${header("fake", "TABLE", "public")}drop table x;`;
  const bodies = [
    `CREATE FUNCTION f() AS $$${fake}$$;`,
    `CREATE FUNCTION f() AS $a_1$${fake} $$ $a_1$;`,
    `COMMENT ON TABLE t IS '${fake} it''s';`,
    `COMMENT ON TABLE t IS E'\\'${fake}\\\\';`,
    `CREATE TABLE "${fake}" ();`,
    `CREATE VIEW v AS SELECT 1 /* outer /* inner */ ${fake} */;`,
  ];
  for (const body of bodies) {
    const script = `${header("o", "TABLE", "public")}${body}\n\n\n${header("i", "INDEX", "public")}CREATE INDEX;\n\n\n${end}`;
    expect(parseDumpScript(script).map(({ name, sql, section }) => [name, sql, section])).toEqual([
      ["o", body, "pre-data"],
      ["i", "CREATE INDEX;", "post-data"],
    ]);
  }
});

test("reads names that hold the header's own punctuation", () => {
  const [entry] = parseDumpScript(`${header('a; Type: TABLE; "b" C', "VIEW", "My Schema")}SELECT;\n\n${end}`);
  expect(entry).toMatchObject({ name: 'a; Type: TABLE; "b" C', type: "VIEW", schema: "My Schema" });
});

test("refuses a script without its end mark", () => {
  expect(() => parseDumpScript(`${header("o", "TABLE", "public")}CREATE TABLE o ();`)).toThrow("incomplete");
});

test("knows which schema an entry about a schema means", () => {
  const entries = parseDumpScript(
    `${header('a "b', "SCHEMA", "-")}x\n${header('SCHEMA "a ""b"', "ACL", "-")}x\n${header('TABLE "t"', "ACL", 'a "b')}x\n${end}`,
  );
  expect(entries.map(schemaOfSchemaEntry)).toEqual(['a "b', 'a "b', undefined]);
});

test("tokens cover any text without gaps, and statements end at bare semicolons only", () => {
  const piece = fc.constantFrom("'", '"', "$$", "$a$", ";", "--", "\n", "/*", "*/", "e'", "\\", "x", " ");
  fc.assert(
    fc.property(
      fc.array(piece).map((pieces) => pieces.join("")),
      (text) => {
        let position = 0;
        for (const token of sqlTokens(text)) {
          expect(token.start).toBe(position);
          expect(token.end).toBeGreaterThan(position);
          position = token.end;
        }
        expect(position).toBe(text.length);
      },
    ),
  );
  expect(splitStatements(`a ';' ";" $$;$$ ; -- ;\n b E'\\';' ;\n\n--x\n`)).toEqual([
    `a ';' ";" $$;$$`,
    "-- ;\n b E'\\';'",
  ]);
});

test("a long constant does not exhaust the tokeniser", () => {
  const text = `SELECT '${"x''".repeat(1_000_000)}';`;
  expect(splitStatements(text)).toHaveLength(1);
});

test("frames are found whatever the chunks are", () => {
  const message = (type: string, length: number) => {
    const bytes = Buffer.alloc(5 + length);
    bytes.write(type, 0, "latin1");
    bytes.writeUInt32BE(length + 4, 1);
    return bytes;
  };
  const stream = Buffer.concat([message("T", 30), message("Z", 1), message("N", 0), message("Z", 1)]);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 12 })), (sizes) => {
      const scanner = new FrameScanner(false);
      const types: string[] = [];
      let offset = 0;
      for (const size of [...sizes, stream.length]) {
        types.push(...scanner.push(stream.subarray(offset, offset + size)).map(({ type }) => type));
        offset = Math.min(stream.length, offset + size);
      }
      expect(types.join("")).toBe("TZNZ");
    }),
  );
});

test("leaves out the stamps of a server's build, and nothing that only looks like one", () => {
  const create = "CREATE TABLE public.\"a; SET (pg_attver=1)\" (\n    a text DEFAULT 'pg_attver=1;'::text\n)";
  const alter = 'ALTER TABLE ONLY public."a; SET (pg_attver=1)" ALTER COLUMN a SET';
  expect(
    withoutBuildStamps(
      `${create};\n${alter} (pg_attver=157574968);\n${alter} (n_distinct=5, pg_attver=157574968);\n${alter} (n_distinct=7);\n\n\nALTER TABLE t OWNER TO postgres;`,
    ),
  ).toBe(`${create};\n${alter} (n_distinct=5);\n${alter} (n_distinct=7);\nALTER TABLE t OWNER TO postgres;`);
  const body =
    "CREATE FUNCTION f() RETURNS text LANGUAGE sql\n    BEGIN ATOMIC\n SELECT 'pg_attver=1';\n SELECT 2;\nEND;";
  expect(withoutBuildStamps(body)).toBe(body);
});
