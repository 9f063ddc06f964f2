import { type Change, variableName } from "./changes.ts";
import type { GitState } from "./git-state.ts";

/** The changes as a diff without secrets: of a database's URL nothing but host, port and database is shown. */
export function renderChanges(changes: readonly Change[]): string {
  return changes
    .map(({ file, text, before, after, line }) => {
      const what = file.text === null ? " (new)" : text === null ? " (deleted)" : "";
      return [
        `${file.name}${what}, line ${line}`,
        ...(before === null ? [] : [`  - ${variableName}=${redact(before)}`]),
        ...(after === null ? [] : [`  + ${variableName}=${redact(after)}`]),
        "",
      ].join("\n");
    })
    .join("");
}

/** What the operator should know of where a secret goes. */
export function warningsOf(file: Change["file"], git: GitState): string[] {
  const open = (file.mode & 0o077) === 0 ? "" : (file.mode & 0o777).toString(8);
  return [
    ...(git === "tracked"
      ? [
          `WARNING: git tracks ${file.name}: a commit would publish the password, so --yes alone refuses it. Stop that first: git rm --cached ${file.name}`,
        ]
      : []),
    ...(git === "unignored"
      ? [`WARNING: no .gitignore names ${file.name}: git add would take the password in.`]
      : []),
    ...(git === "unknown" ? [`${file.name}: git could not tell whether it is ignored.`] : []),
    ...(open === "" ? [] : [`${file.name}: others on this machine can read it (mode ${open}).`]),
  ];
}

function redact(raw: string): string {
  const text = raw.replace(/^(["'`])(.*)\1$/s, "$2");
  if (text === "") return '""';
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^postgres(ql)?:$/.test(url.protocol) || url.hostname === "") return "[redacted]";
  const sslmode = url.searchParams.get("sslmode");
  const query = sslmode === null || !/^[a-z-]{1,12}$/.test(sslmode) ? "" : `?sslmode=${sslmode}`;
  return `${url.protocol}//[redacted]@${url.host}${url.pathname}${query}`;
}
