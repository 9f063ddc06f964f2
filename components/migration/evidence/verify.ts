import { compareText } from "../../text-order.ts";
import { canonicalJson, sha256 } from "./canonical.ts";
import { type DocumentName, type Documents, documentSchemas } from "./documents.ts";
import { contentsDigest, parseSums, sumsFile } from "./sums.ts";

/** What speaks against a bundle: which file, and why. */
export interface BundleProblem {
  readonly file: string;
  readonly kind: "altered" | "missing" | "extra" | "not as documented" | "contradicts another file";
  readonly why: string;
}

export interface Verification {
  /** SHA-256 of the manifest, which has that of every other file: of the whole bundle. `undefined` without a manifest. */
  readonly digest: string | undefined;
  readonly problems: readonly BundleProblem[];
}

/**
 * Recomputes every hash of a bundle, checks each document against its schema, and the documents against each other.
 * Whoever alters a file and the manifest alike is found by the digest alone: hold it against the one that was written down
 * or signed. Pure.
 *
 * @param files every file of the folder by name; `null` for what is none, such as a folder or a link
 */
export function verifyBundle(files: ReadonlyMap<string, Uint8Array | null>): Verification {
  const manifest = files.get(sumsFile);
  if (manifest === undefined || manifest === null) {
    return {
      digest: undefined,
      problems: [{ file: sumsFile, kind: "missing", why: "there is no manifest" }],
    };
  }
  const digest = sha256(manifest);
  const text = Buffer.from(manifest).toString("utf8");
  const sums = parseSums(text);
  if (sums === undefined) {
    return {
      digest,
      problems: [{ file: sumsFile, kind: "altered", why: "it does not read as a list of SHA-256 and names" }],
    };
  }
  const problems = [
    ...[...sums].flatMap(([name, sum]) => compareFile(name, sum, files.get(name))),
    ...[...files.keys()]
      .filter((name) => name !== sumsFile && !sums.has(name))
      .map((file): BundleProblem => ({ file, kind: "extra", why: "the manifest does not name it" })),
    ...Object.keys(documentSchemas)
      .filter((name) => !sums.has(name))
      .map((file): BundleProblem => ({ file, kind: "missing", why: "the manifest does not name it" })),
    ...checkDocuments(files, text),
  ];
  return { digest, problems: problems.toSorted((left, right) => compareText(left.file, right.file)) };
}

function compareFile(file: string, sum: string, content: Uint8Array | null | undefined): BundleProblem[] {
  if (content === undefined) return [{ file, kind: "missing", why: "the manifest names it" }];
  if (content === null) return [{ file, kind: "altered", why: "it is no regular file" }];
  const found = sha256(content);
  if (found === sum) return [];
  return [{ file, kind: "altered", why: `its SHA-256 is ${found}, not ${sum}` }];
}

function checkDocuments(files: ReadonlyMap<string, Uint8Array | null>, sums: string): BundleProblem[] {
  const problems: BundleProblem[] = [];
  const documents: Partial<Record<DocumentName, unknown>> = {};
  for (const name of Object.keys(documentSchemas) as DocumentName[]) {
    const content = files.get(name);
    if (content === undefined || content === null) continue;
    const parsed = documentSchemas[name].safeParse(parseJson(content));
    if (parsed.success) documents[name] = parsed.data;
    else {
      const places = parsed.error.issues.map(({ path }) => path.join(".") || "the whole").slice(0, 5);
      problems.push({
        file: name,
        kind: "not as documented",
        why: `its schema refuses ${places.join(", ")}`,
      });
    }
  }
  return [...problems, ...contradictions(documents as Partial<Documents>, sums)];
}

function contradictions(documents: Partial<Documents>, sums: string): BundleProblem[] {
  const {
    "evidence.json": evidence,
    "journal.json": journal,
    "configuration.json": configuration,
    "export.json": made,
  } = documents;
  const checks: [boolean, string, string][] = [
    [
      made !== undefined && made.contents !== contentsDigest(sums),
      "export.json",
      "the digest of the contents that it names is not that of the manifest",
    ],
    [
      evidence !== undefined &&
        journal !== undefined &&
        (journal.id !== evidence.migration || journal.record.state !== evidence.state),
      "evidence.json",
      "journal.json is of another migration or state",
    ],
    [
      configuration?.runs.some(({ sha256: sum, settings }) => sha256(canonicalJson(settings)) !== sum) ??
        false,
      "configuration.json",
      "a hash is not that of the settings beside it",
    ],
    [
      evidence !== undefined &&
        configuration !== undefined &&
        canonicalJson(evidence.runs.map(({ configuration: sum }) => sum)) !==
          canonicalJson(configuration.runs.map(({ sha256: sum }) => sum)),
      "evidence.json",
      "configuration.json names other hashes for the runs",
    ],
  ];
  return checks
    .filter(([isWrong]) => isWrong)
    .map(([, file, why]) => ({ file, kind: "contradicts another file", why }));
}

function parseJson(content: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(content).toString("utf8"));
  } catch {
    return undefined;
  }
}
