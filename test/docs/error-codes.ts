import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import ts from "typescript";

const root = path.join(import.meta.dirname, "../..");

/**
 * Every code an error can carry, read from the source. An error is described by an object with `code` and `remedy`; what
 * has a `severity` too is a finding. The heartbeat's reasons are arguments of its `#giveUp`.
 */
export async function errorCodesInSource(): Promise<Set<string>> {
  const codes = new Set<string>(await codesOfStart());
  for (const file of await sourceFiles()) {
    const source = ts.createSourceFile(file, await readFile(file, "utf8"), ts.ScriptTarget.Latest, true);
    visit(source, codes);
  }
  return codes;
}

/** Looks at Node's age before anything else can be loaded, so it throws a plain error that begins with the code. */
async function codesOfStart(): Promise<string[]> {
  const text = await readFile(path.join(root, "start.js"), "utf8");
  return [...text.matchAll(/`([A-Z]+(?:_[A-Z]+)+): /g)].map(([, code]) => code as string);
}

async function sourceFiles(): Promise<string[]> {
  const folders = await Promise.all(
    ["components", "scripts"].map((folder) =>
      readdir(path.join(root, folder), { recursive: true, withFileTypes: true }),
    ),
  );
  return folders
    .flat()
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
    .map((entry) => path.join(entry.parentPath, entry.name));
}

function visit(node: ts.Node, codes: Set<string>): void {
  if (ts.isObjectLiteralExpression(node)) {
    const properties = new Map(node.properties.map((property) => [property.name?.getText(), property]));
    const code = properties.get("code");
    if (code !== undefined && properties.has("remedy") && !properties.has("severity")) collect(code, codes);
  }
  if (ts.isCallExpression(node) && node.expression.getText() === "this.#giveUp" && node.arguments[0]) {
    collect(node.arguments[0], codes);
  }
  ts.forEachChild(node, (child) => visit(child, codes));
}

/** The literals in an expression; the two codes that begin with what was looked for are spelled out. */
function collect(node: ts.Node, codes: Set<string>): void {
  if (ts.isStringLiteral(node) && /^[A-Z]+(_[A-Z]+)+$/.test(node.text)) codes.add(node.text);
  if (ts.isTemplateExpression(node)) {
    const ending = node.templateSpans.at(-1)?.literal.text ?? "";
    for (const what of ["PROJECT", "ENVIRONMENT"]) codes.add(`${what}${ending}`);
  }
  ts.forEachChild(node, (child) => collect(child, codes));
}
