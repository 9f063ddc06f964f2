import { inCommonWords } from "../identifiers.ts";
import { asRestored, wordsOf } from "./restored-text.ts";

type Majors = readonly [source: number, target: number];

/**
 * Whether two servers mean the same by an aspect of an object. What people wrote must be equal, and so must texts from the
 * same major, but for what a server writes in other words once it was restored; across majors, what else is known to be
 * written differently by the server is allowed for and nothing else:
 *
 * - white space;
 * - quotes around names that only the newer major takes for a keyword;
 * - AS before the alias of what a statement writes (`DELETE FROM visit v`), in rules and SQL-standard bodies;
 * - the qualifier of columns in a view over one relation, which 16 no longer writes (`SELECT users.id FROM users`
 *   became `SELECT id FROM users`; commit 47bb9db75 removed OLD and NEW from a view's range table).
 */
export function sameDefinition(
  { key, aspect }: { readonly key: string; readonly aspect: string },
  before: string,
  after: string,
  majors: Majors,
): boolean {
  if (before === after) return true;
  if (isVerbatim(aspect)) return false;
  const [original, copy] = [asRestored(before), asRestored(after)];
  if (original === copy) return true;
  if (majors[0] === majors[1]) return false;
  const [left, right] = [tokens(original), tokens(copy)];
  if (sameTokens(left, right)) return true;
  const isView = /^(?:materialized )?view /.test(key) && aspect === "definition";
  return (
    isView &&
    straddles(majors, 16) &&
    qualifiers(left).some((name) => {
      return sameTokens(withoutQualifier(left, name), withoutQualifier(right, name));
    })
  );
}

/** Kept as it was given: comments, names of roles, labels, settings. */
function isVerbatim(aspect: string): boolean {
  return /comment$|options$|^(?:owner|labels?|configuration)$/i.test(aspect);
}

/**
 * Whether such a property means the same on both servers: NOT NULL has a name from 18 on, and a partition shares the
 * identity columns of its table from 17 on, where it had its own or none before (commit 699586315).
 */
export function isKept(aspect: string, majors: Majors): boolean {
  if (aspect === "partitionIdentity") return !straddles(majors, 17);
  return aspect !== "notNullName" || Math.min(...majors) >= 18;
}

/**
 * The entries of an access control list as `aclLines` writes it, names of roles without the quotes that only a keyword needs.
 * When only one side knows MAINTAIN (17), it is left out for whoever holds everything else on the table, because `GRANT ALL`
 * includes it there, and for the owner, who has always had what it grants: no statement of an older server takes it away.
 */
export function normaliseAcl(acl: string, majors: Majors): string[] {
  const entries = acl === "" ? [] : acl.split("\n").map(inCommonWords);
  if (!straddles(majors, 17)) return entries;
  return entries.filter((entry) => {
    const [, grantee, option] = /^(.*) MAINTAIN( WITH GRANT OPTION)?$/s.exec(entry) ?? [];
    if (grantee === undefined) return true;
    if (grantee === "(owner)") return false;
    return !allBeforeMaintain.every((privilege) =>
      entries.includes(`${grantee} ${privilege}${option ?? ""}`),
    );
  });
}

const allBeforeMaintain = ["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"];

/** Names that became keywords between 13 and 18 and are quoted since, where an application has such a column. */
const newKeywords = new Set([
  "system_user",
  "json",
  "json_array",
  "json_arrayagg",
  "json_exists",
  "json_object",
  "json_objectagg",
  "json_query",
  "json_scalar",
  "json_serialize",
  "json_table",
  "json_value",
  "merge_action",
]);

function straddles([source, target]: Majors, major: number): boolean {
  return source < major !== target < major;
}

function tokens(text: string): string[] {
  const found = wordsOf(text).filter((word) => word.trim() !== "");
  const plain = found.map((token) => {
    const name = /^"(.*)"$/s.exec(token)?.[1];
    return name !== undefined && newKeywords.has(name) ? name : token;
  });
  return plain.filter((token, index) => token !== "AS" || !followsWrittenTable(plain, index));
}

/** Whether `DELETE FROM`, `UPDATE` or `MERGE INTO` with a table's name, and nothing else, stands before the position. */
function followsWrittenTable(list: readonly string[], position: number): boolean {
  const start = list[position - 2] === "." ? position - 3 : position - 1;
  const from = list[start - 1] === "ONLY" ? start - 1 : start;
  return /(?:^| )(?:DELETE FROM|UPDATE|MERGE INTO)$/.test(list.slice(Math.max(from - 2, 0), from).join(" "));
}

function sameTokens(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((token, index) => token === right[index]);
}

/** Every name that stands before a dot, and somewhere for itself, as a relation or its alias does and a schema does not. */
function qualifiers(list: readonly string[]): string[] {
  const isBeforeDot = (index: number) => list[index + 1] === ".";
  const alone = new Set(list.filter((_token, index) => !isBeforeDot(index)));
  return [
    ...new Set(
      list.filter((token, index) => isBeforeDot(index) && /^["\p{L}_]/u.test(token) && alone.has(token)),
    ),
  ];
}

function withoutQualifier(list: readonly string[], qualifier: string): string[] {
  return list.filter((token, index) => {
    const isQualifier = token === qualifier && list[index + 1] === ".";
    const isItsDot = token === "." && list[index - 1] === qualifier;
    return !isQualifier && !isItsDot;
  });
}
