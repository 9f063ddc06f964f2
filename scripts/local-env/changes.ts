import { CutoverError } from "../../components/errors.ts";
import type { EnvFile } from "./env-files.ts";
import { findAssignments, removeAddition, setVariable, splice } from "./env-text.ts";
import { type FileRecord, hashOf } from "./undo-record.ts";

export const variableName = "LLM_DATABASE_URL";

/** What becomes of one file. Its texts are secrets. */
export interface Change {
  readonly file: EnvFile;
  /** `null` deletes the file. */
  readonly text: string | null;
  /** The variable's value before and after, as it is written; `null` where there is none. */
  readonly before: string | null;
  readonly after: string | null;
  /** The line that it stands in, from 1. */
  readonly line: number;
  /** What taking it back will need; `null` where nothing is left to take back. */
  readonly record: FileRecord | null;
}

/**
 * What setting the variable changes in a file; `undefined` where it holds the value already. Pure.
 *
 * @param known what an earlier call noted of this file: what stood there before the first one is remembered
 * @throws CutoverError `LOCAL_ENV_FILE_UNCLEAR` when the file would not be read as it is meant
 */
export function planSetting(file: EnvFile, url: string, known: FileRecord | undefined): Change | undefined {
  const raw = quote(url);
  const present = findAssignments(file.text ?? "", variableName).at(-1);
  if (present?.raw === raw) return undefined;
  const { text, addition } = setVariable(file.text ?? "", variableName, raw);
  const now = findAssignments(text, variableName).at(-1);
  if (now?.raw !== raw) throw unclear(file);
  const isOurs = known !== undefined && present !== undefined && hashOf(present.raw) === known.written;
  return {
    file,
    text,
    before: present?.raw ?? null,
    after: raw,
    line: lineOf(text, now.start),
    record: isOurs
      ? { ...known, written: hashOf(raw) }
      : {
          location: file.location,
          created: file.text === null,
          former: present?.raw ?? null,
          addition: addition === null ? null : splitAround(addition, raw),
          written: hashOf(raw),
        },
  };
}

/**
 * What taking it back changes in a file; `undefined` where that is so already, `changed since` where somebody set the
 * variable to something else. Pure.
 */
export function planUndo(file: EnvFile, record: FileRecord): Change | "changed since" | undefined {
  const present = findAssignments(file.text ?? "", variableName).at(-1);
  if (file.text === null || present === undefined || present.raw === record.former) return undefined;
  if (hashOf(present.raw) !== record.written) return "changed since";
  const text =
    record.addition === null
      ? splice(file.text, present, record.former ?? "")
      : removeAddition(file.text, present, record.addition.before + present.raw + record.addition.after);
  return {
    file,
    text: record.created && text === "" ? null : text,
    before: present.raw,
    after: record.former,
    line: lineOf(file.text, present.start),
    record: null,
  };
}

/** Double quotes keep shells and parsers from reading anything into it. */
function quote(url: string): string {
  // Percent-encoding leaves none of them in a URL that was put together of encoded parts.
  if (/["\\$`#\s]/.test(url))
    throw new TypeError("the URL holds a character that env files give a meaning to");
  return `"${url}"`;
}

function splitAround(addition: string, raw: string): { before: string; after: string } {
  const at = addition.lastIndexOf(raw);
  return { before: addition.slice(0, at), after: addition.slice(at + raw.length) };
}

function lineOf(text: string, position: number): number {
  return text.slice(0, position).split("\n").length;
}

function unclear({ name }: EnvFile): CutoverError {
  return new CutoverError({
    code: "LOCAL_ENV_FILE_UNCLEAR",
    message: `${name} has a quote that is never closed, or the like: what is added would not be read. Nothing was written.`,
    remedy: "Mend the file, then run again.",
  });
}
