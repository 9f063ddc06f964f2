import type { ClientBase } from "pg";
import type { Finding } from "../../finding.ts";
import { findingsOf, listNames } from "../definitions.ts";
import type { DependencyFacts } from "./dependencies.ts";

export interface ExtensionFacts {
  readonly installed: ReadonlyArray<{
    readonly name: string;
    readonly version: string;
    readonly schema: string;
  }>;
  /** Names that CREATE EXTENSION would find on this server. */
  readonly available: readonly string[];
}

export const extensionDefinitions = {
  VECTOR_MISSING: {
    severity: "blocker",
    acceptable: true,
    remedy: "Check that `target` names the pgvector service; the extension is not created for you.",
  },
  EXTENSION_MISSING: {
    severity: "blocker",
    acceptable: false,
    remedy: "Create the extension on the target in the same schema as on the source.",
  },
  EXTENSION_OLDER: {
    severity: "blocker",
    acceptable: true,
    remedy:
      "Update the extension on the target; that is never done for you, because the protected schema may use it.",
  },
  EXTENSION_SCHEMA_DIFFERS: {
    severity: "blocker",
    acceptable: false,
    remedy:
      "Install the extension in the same schema on both sides (ALTER EXTENSION … SET SCHEMA): dumps name it qualified.",
  },
  EXTENSION_NOT_ON_TARGET: {
    severity: "warning",
    acceptable: false,
    remedy:
      "Create the extension on the target if a function body or a service uses it: that leaves no recorded dependency.",
  },
} as const;

const found = findingsOf(extensionDefinitions);

export async function readExtensions(client: ClientBase): Promise<ExtensionFacts> {
  const [installed, available] = await Promise.all([
    client.query<ExtensionFacts["installed"][number]>(
      `SELECT x.extname::text AS name, x.extversion AS version, n.nspname::text AS schema
         FROM pg_extension x JOIN pg_namespace n ON n.oid = x.extnamespace ORDER BY 1`,
    ),
    client.query<{ name: string }>("SELECT name::text FROM pg_available_extensions ORDER BY 1"),
  ]);
  return { installed: installed.rows, available: available.rows.map(({ name }) => name) };
}

export function checkVector(target: ExtensionFacts): Finding[] {
  if (target.installed.some(({ name }) => name === "vector")) return [];
  return [found("VECTOR_MISSING", "target", "The extension vector is not installed on the target.")];
}

export function compareExtensions(
  source: ExtensionFacts,
  target: ExtensionFacts,
  needed: DependencyFacts["extensions"],
): Finding[] {
  return source.installed.flatMap((extension): Finding[] => {
    const use = needed.find(({ name }) => name === extension.name);
    const there = target.installed.find(({ name }) => name === extension.name);
    if (there === undefined) return [missing(extension, use?.usedBy, target)];
    if (use === undefined) return [];
    const findings: Finding[] = [];
    if (compareVersions(there.version, extension.version) < 0) {
      findings.push(
        found(
          "EXTENSION_OLDER",
          extension.name,
          `Version ${there.version} on the target is older than ${extension.version} on the source, and ${listNames(use.usedBy, 4)} need it.`,
        ),
      );
    }
    if (there.schema !== extension.schema) {
      findings.push(
        found(
          "EXTENSION_SCHEMA_DIFFERS",
          extension.name,
          `It is in the schema ${extension.schema} on the source and in ${there.schema} on the target.`,
        ),
      );
    }
    return findings;
  });
}

/** Compares dotted versions by number: `0.10.0` is newer than `0.8.1`. */
function compareVersions(left: string, right: string): number {
  return left.localeCompare(right, "en", { numeric: true });
}

function missing(
  extension: ExtensionFacts["installed"][number],
  usedBy: readonly string[] | undefined,
  target: ExtensionFacts,
): Finding {
  if (usedBy === undefined) {
    return found(
      "EXTENSION_NOT_ON_TARGET",
      extension.name,
      "It is installed on the source and not on the target; no moved object is recorded to need it.",
    );
  }
  const isAvailable = target.available.includes(extension.name);
  return found(
    "EXTENSION_MISSING",
    extension.name,
    `It is not installed on the target, and ${listNames(usedBy, 4)} need it.`,
    isAvailable
      ? `Run CREATE SCHEMA IF NOT EXISTS "${extension.schema}"; CREATE EXTENSION "${extension.name}" SCHEMA "${extension.schema}" on the target.`
      : "The target's image does not ship this extension: use an image that does.",
  );
}
