import type { Assembled } from "../../components/migration/evidence/assemble.ts";
import {
  type Documents,
  documentSchemas,
  jsonSchemas,
} from "../../components/migration/evidence/documents.ts";
import { contentsDigest, renderSums, sumsFile } from "../../components/migration/evidence/sums.ts";
import { renderReport } from "../render-report.ts";
import { renderIndex } from "./render-index.ts";

/** What `export.json` says beside the digest, which follows from the rest. */
export type Export = Omit<Documents["export.json"], "version" | "contents">;

/**
 * All files of a bundle by name. Everything but `export.json`, and the manifest's line for it, depends on the journal
 * and this program alone. Pure.
 */
export function makeBundle({ documents, report }: Assembled, made: Export): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  for (const [name, document] of Object.entries(documents)) files.set(name, toText(document));
  files.set("schema.json", toText(jsonSchemas()));
  files.set("report.html", renderReport(report));
  files.set("index.html", renderIndex(documents, renderSums(files)));
  const contents = contentsDigest(renderSums(files));
  const exported = documentSchemas["export.json"].parse({ version: 1, ...made, contents });
  files.set("export.json", toText(exported));
  files.set(sumsFile, renderSums(files));
  return files;
}

function toText(document: unknown): string {
  return `${JSON.stringify(document, null, 2)}\n`;
}
