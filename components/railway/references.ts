/** One `${{service.VARIABLE}}` inside the stored text of a variable. */
export interface VariableReference {
  /** Name of a service, `shared`, or `null` for a variable of the same service. */
  readonly namespace: string | null;
  readonly variable: string;
  /** As it is written in the text. */
  readonly text: string;
}

/** The reference that makes Railway insert a variable of another service: `${{pgvector.DATABASE_URL}}`. */
export function reference(serviceName: string, variable: string): string {
  return `\${{${quoteNamespace(serviceName)}.${variable}}}`;
}

/** Every reference in a text, in order. Functions such as `${{secret(32)}}` are not references. */
export function parseReferences(text: string): VariableReference[] {
  return [...text.matchAll(referencePattern)].map((match) => ({
    namespace: readNamespace(match),
    variable: match.groups?.variable ?? "",
    text: match[0],
  }));
}

/** Writes every reference of a text in one form, so that blanks and needless quotes are no drift. */
export function normaliseReference(text: string): string {
  return text.replaceAll(referencePattern, (...parts) => {
    const groups = parts.at(-1) as Record<string, string | undefined>;
    const namespace = readNamespace({ groups });
    const variable = groups.variable ?? "";
    return namespace === null ? `\${{${variable}}}` : reference(namespace, variable);
  });
}

/** Whether a text refers to a variable of this service. Names are case-sensitive on Railway. */
export function namesService(text: string, serviceName: string): boolean {
  return parseReferences(text).some(({ namespace }) => namespace === serviceName);
}

/** Unquoted names may contain dots (`kitchen-sink-0.20.0-client.X`): the last dot separates. */
const referencePattern =
  /\$\{\{\s*(?:(?:"(?<quoted>(?:[^"\\]|\\.)*)"|(?<bare>[^"'{}\s](?:[^"'{}]*[^"'{}\s])?))\s*\.\s*)?(?<variable>[A-Za-z_][A-Za-z0-9_]*)\s*\}\}/g;

function readNamespace({
  groups,
}: {
  groups?: Record<string, string | undefined> | undefined;
}): string | null {
  if (groups?.quoted !== undefined) return unquote(groups.quoted);
  return groups?.bare ?? null;
}

function unquote(quoted: string): string {
  try {
    return String(JSON.parse(`"${quoted}"`));
  } catch {
    return quoted;
  }
}

/** Railway's own clients wrap only plain names; others are quoted as JSON strings (`"@healthcare/api"`). */
function quoteNamespace(name: string): string {
  return /^[A-Za-z0-9_-]+$/.test(name) ? name : JSON.stringify(name);
}
