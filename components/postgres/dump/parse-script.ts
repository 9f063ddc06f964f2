import { CutoverError } from "../../errors.ts";
import { withoutBuildStamps } from "./build-stamps.ts";
import { sqlTokens } from "./sql-tokens.ts";

/** One object of a dump with everything that defines it: the statement, its owner, its storage options. */
export interface DumpEntry {
  /** `post-data` is what has to wait for the rows: from the first index or constraint on, privileges included. */
  readonly section: "pre-data" | "post-data";
  /** As pg_dump calls it: `TABLE`, `FK CONSTRAINT`, `ACL`, … */
  readonly type: string;
  readonly schema: string | null;
  /** As pg_dump prints it, line breaks replaced by spaces; for messages and for matching schemas. */
  readonly name: string;
  readonly owner: string;
  readonly sql: string;
}

/**
 * Cuts a plain pg_dump script into its entries, in their order. Left out: what stands before the first entry (settings
 * of the restoring session), psql's meta commands, and everything about the schema `public`, which each database has.
 *
 * @throws CutoverError `DUMP_UNREADABLE` when the script ends before its end mark
 */
export function parseDumpScript(script: string): DumpEntry[] {
  const marks = findMarks(script);
  if (marks.at(-1)?.header !== null) {
    throw new CutoverError({
      code: "DUMP_UNREADABLE",
      message: "The schema dump of the source database is incomplete: it lacks pg_dump's end mark.",
      remedy: "Run again; if it happens again, install a pg_dump of at least the target's major version.",
    });
  }
  const entries: DumpEntry[] = [];
  let section: DumpEntry["section"] = "pre-data";
  for (const [index, { header, end }] of marks.entries()) {
    if (header === null) break;
    if (postDataTypes.has(header.type)) section = "post-data";
    const sql = withoutBuildStamps(script.slice(end, marks[index + 1]?.start).trim());
    entries.push({ section, ...header, sql });
  }
  return entries.filter((entry) => !isAboutPublicSchema(entry));
}

/** Whether the entry creates a schema itself or says something about it: its name, else `undefined`. */
export function schemaOfSchemaEntry(entry: DumpEntry): string | undefined {
  if (entry.type === "SCHEMA") return entry.name;
  if (entry.schema !== null) return undefined;
  // There it is quoted, where the schema's own entry has it plain (pg_dump.c, `fmtId`).
  return ["COMMENT", "ACL", "SECURITY LABEL"].includes(entry.type)
    ? /^SCHEMA "(.*)"$/s.exec(entry.name)?.[1]?.replaceAll('""', '"')
    : undefined;
}

/**
 * The types of the section "post-data" (pg_dump.c, `ARCHIVE_OPTS(.section = SECTION_POST_DATA)`). Views and functions
 * that need a primary key come after it; they never come first.
 */
const postDataTypes: ReadonlySet<string> = new Set([
  "CHECK CONSTRAINT",
  "CONSTRAINT",
  "DEFAULT ACL",
  "FK CONSTRAINT",
  "INDEX",
  "INDEX ATTACH",
  "POLICY",
  "ROW SECURITY",
  "RULE",
  "STATISTICS",
  "TRIGGER",
]);

const markStart = "--\n-- ";
const entryHeader = /--\n-- Name: (.*); Type: ([A-Z ]+); Schema: (.*); Owner: (.*)\n--\n/y;
const endMark = /--\n-- PostgreSQL database dump complete\n--\n/y;

interface Mark {
  /** `null` for the end mark. */
  readonly header: Pick<DumpEntry, "type" | "schema" | "name" | "owner"> | null;
  readonly start: number;
  readonly end: number;
}

/** Comments that look like a header inside of function bodies or string constants are part of a quoted token. */
function findMarks(script: string): Mark[] {
  const marks: Mark[] = [];
  for (const token of sqlTokens(script)) {
    const { kind, start } = token;
    if (kind !== "comment" || !script.startsWith(markStart, start)) continue;
    entryHeader.lastIndex = start;
    endMark.lastIndex = start;
    const match = entryHeader.exec(script);
    if (match !== null) {
      const [, name = "", type = "", schema = "", owner = ""] = match;
      const header = { type, schema: schema === "-" ? null : schema, name, owner };
      marks.push({ header, start, end: entryHeader.lastIndex });
    } else if (endMark.test(script)) {
      marks.push({ header: null, start, end: endMark.lastIndex });
      break;
    }
  }
  return marks;
}

function isAboutPublicSchema(entry: DumpEntry): boolean {
  return schemaOfSchemaEntry(entry) === "public";
}
