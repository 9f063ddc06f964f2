import { CutoverError, redactUrls } from "../../components/errors.ts";
import type { KnownSecret } from "../../components/migration/evidence/known-secrets.ts";
import { secretForms } from "../../components/railway/redaction.ts";
import { escapeHtml } from "../html.ts";

/**
 * The last look at a bundle before it is written: nothing in it may be a secret that is known, in any form that a document
 * would give it, nor a URL with credentials. Row content cannot be in it, because no row is read.
 *
 * @throws CutoverError `EVIDENCE_HOLDS_SECRET` naming files and what was found, never the secret
 */
export function assertNoSecret(files: ReadonlyMap<string, string>, secrets: readonly KnownSecret[]): void {
  const searched = secrets.map(({ what, value }) => ({ what, forms: formsOf(value) }));
  const found = [...files].flatMap(([file, text]) => [
    ...searched
      .filter(({ forms }) => forms.some((form) => text.includes(form)))
      .map(({ what }) => `${what} in ${file}`),
    ...(redactUrls(text) === text ? [] : [`a URL with credentials in ${file}`]),
  ]);
  if (found.length === 0) return;
  throw new CutoverError({
    code: "EVIDENCE_HOLDS_SECRET",
    message: `The bundle would hold a secret: ${found.join("; ")}. Nothing was written.`,
    remedy:
      "If the value is an ordinary word that occurs in names, change it: it is no secret. Otherwise look where it came from (a reason in `accept`, a name, a comment in the journal), and report it as a defect.",
  });
}

function formsOf(value: string): string[] {
  const encoded = (["base64", "base64url", "hex"] as const).map((encoding) =>
    Buffer.from(value).toString(encoding).replace(/=+$/, ""),
  );
  return [value, escapeHtml(value), ...encoded].flatMap(secretForms);
}
