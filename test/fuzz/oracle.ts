import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import type pg from "pg";
import { to as copyTo } from "pg-copy-streams";
import { type ConnectionTarget, withConnection } from "../../components/postgres/connection.ts";
import { runWasmDump } from "../../components/postgres/dump/wasm.ts";
import { quoteIdentifier, quoteQualified } from "../../components/postgres/identifiers.ts";

/**
 * What a database holds, told by PostgreSQL's own programs and none of this project's queries: the entries of `pg_dump
 * --schema-only`, the sorted rows of COPY, and where sequences stand. By a name for people.
 */
export type Contents = ReadonlyMap<string, string>;

export async function readContents(
  database: ConnectionTarget,
  schemas: readonly string[],
): Promise<Contents> {
  const [script, rows] = await Promise.all([dumpScript(database, schemas), readRows(database, schemas)]);
  return new Map([...entriesOf(script), ...rows]);
}

/** Where two of them differ, as lines for people: what only one has, and both texts of what is not equal. */
export function differences(before: Contents, after: Contents): string[] {
  const names = [...new Set([...before.keys(), ...after.keys()])].sort();
  return names.flatMap((name) => {
    const [left, right] = [before.get(name), after.get(name)];
    if (left === right) return [];
    return `${name}\n  - ${shorten(left)}\n  + ${shorten(right)}`;
  });
}

const shorten = (value: string | undefined) =>
  value === undefined ? "nothing" : value.length > 1_500 ? `${value.slice(0, 1_500)} …` : value;

/** The definitions as pg_dump writes them. */
export async function dumpScript(database: ConnectionTarget, schemas: readonly string[]): Promise<string> {
  const args = [
    "--schema-only",
    "--no-tablespaces",
    ...schemas.map((schema) => `--schema=${quoteIdentifier(schema)}`),
  ];
  const result = await runWasmDump({ source: database, args, signal: AbortSignal.timeout(60_000) });
  if (!result.ok) throw new Error(`the oracle's pg_dump failed: ${result.message}`);
  return result.script;
}

/** In whatever order they come: it follows object ids where names do not decide. */
function entriesOf(script: string): Array<[string, string]> {
  const [, ...entries] = withoutStamps(script)
    .replace(/\n--\n-- PostgreSQL database dump complete\n.*$/s, "")
    .split("\n--\n-- Name: ");
  const counts = new Map<string, number>();
  return entries.map((entry) => {
    const [header = "", ...body] = entry.split("\n--\n\n");
    const isAccess = /; Type: (DEFAULT )?ACL; /.test(header);
    const lines = body.join("\n").trim().split("\n");
    // Settings that stand before the next entry are the session's.
    const kept = lines.filter((line) => !/^(SET default_)/.test(line));
    const number = (counts.get(header) ?? 0) + 1;
    counts.set(header, number);
    return [
      number === 1 ? header : `${header} (${number})`,
      (isAccess ? kept.sort() : kept).join("\n").trim(),
    ];
  });
}

/** Debian's 17 stamps columns with a number of its own making. */
function withoutStamps(script: string): string {
  return script
    .replaceAll(/^ALTER TABLE ONLY (?:"(?:[^"]|"")*"|[^";])* SET \(pg_attver=\d+\);\n/gm, "")
    .replaceAll(/, pg_attver=\d+|pg_attver=\d+, /g, "");
}

async function readRows(
  database: ConnectionTarget,
  schemas: readonly string[],
): Promise<Array<[string, string]>> {
  return withConnection(database, { purpose: "oracle", readOnly: true }, async (client) => {
    const { rows } = await client.query<{
      schema: string;
      name: string;
      kind: "r" | "m" | "S";
      populated: boolean;
    }>(
      `SELECT n.nspname AS schema, c.relname AS name, c.relkind AS kind, c.relispopulated AS populated
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = ANY ($1::text[]) AND c.relkind IN ('r', 'm', 'S')`,
      [schemas],
    );
    const contents: Array<[string, string]> = [];
    for (const { schema, name, kind, populated } of rows) {
      const relation = quoteQualified(schema, name);
      if (kind === "m") contents.push([`populated ${relation}`, String(populated)]);
      if (kind === "m" && !populated) continue;
      const query = {
        S: `SELECT last_value, is_called FROM ${relation}`,
        m: `SELECT * FROM ${relation}`,
        r: `SELECT * FROM ONLY ${relation}`,
      }[kind];
      contents.push([`${kind === "m" ? "what shows" : "rows of"} ${relation}`, await copied(client, query)]);
    }
    return contents;
  });
}

async function copied(client: pg.Client, query: string): Promise<string> {
  const stream: Readable = client.query(copyTo(`COPY (${query}) TO STDOUT`));
  return (await text(stream)).split("\n").sort().join("\n");
}
