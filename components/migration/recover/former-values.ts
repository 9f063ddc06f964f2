import { CutoverError } from "../../errors.ts";
import type { Railway } from "../../railway/railway.ts";
import { reference } from "../../railway/references.ts";
import type { ResolvedDatabase, ResolvedDatabases } from "../decide/resolve.ts";
import type { ServiceRecord } from "../journal/record.ts";
import type { Reporter } from "../reporter.ts";
import { type DesiredValue, sameText } from "../switch/given-values.ts";
import { recallValue } from "./previous-value.ts";

/**
 * What a service's variables shall hold again. A text that cannot be read any more, because the source's password was
 * changed, is replaced by a reference to the source, which works with the present password where the text would not; the
 * operator is told. One that led to another database is the operator's to set; once that is done it is left as it is.
 *
 * @param formerSourceName the source's name when the value was remembered
 * @throws CutoverError `PREVIOUS_VALUE_UNREADABLE`
 */
export async function formerValues(
  { railway, world, reporter }: { railway: Railway; world: ResolvedDatabases; reporter: Reporter },
  name: string,
  { serviceId, previous }: Pick<ServiceRecord, "serviceId" | "previous">,
  formerSourceName: string,
): Promise<ReadonlyMap<string, DesiredValue | undefined>> {
  const { scope, source, target } = world;
  const formerReference = reference(formerSourceName, "DATABASE_URL");
  const desired = new Map<string, DesiredValue | undefined>();
  for (const [variable, remembered] of Object.entries(previous)) {
    const recalled = recallValue(remembered, source.connection.password);
    if (recalled.kind === "absent") {
      desired.set(variable, undefined);
    } else if (recalled.kind === "text") {
      // A reference by a name that the source no longer has would render to nothing.
      const text = sameText(recalled.text, formerReference) ? source.reference : recalled.text;
      desired.set(variable, { text, host: hostOf(text, source) });
    } else if (recalled.namesSource) {
      reporter.detail(
        `${name}: ${variable} gets ${source.reference} in place of the text it held, which the source's changed password makes unreadable`,
      );
      desired.set(variable, { text: source.reference, host: source.privateHost });
    } else {
      const present = (await railway.rawVariables(scope, serviceId)).get(variable);
      if (typeof present !== "string" || sameText(present, target.reference))
        throw unreadable(name, variable);
      reporter.detail(`${name}: ${variable} is left as it was set by hand`);
    }
  }
  return desired;
}

/** The host a former value leads to; `null` for a reference to anything but the source's own URL. */
function hostOf(text: string, source: ResolvedDatabase): string | null {
  if (sameText(text, source.reference)) return source.privateHost;
  return URL.canParse(text) && !text.includes("${{") ? new URL(text).hostname || null : null;
}

function unreadable(name: string, variable: string): CutoverError {
  return new CutoverError({
    code: "PREVIOUS_VALUE_UNREADABLE",
    message: `What ${variable} of ${name} held, a text that led to neither of the two databases, cannot be decrypted: the source's password has changed since it was saved.`,
    remedy:
      "Set the variable by hand on Railway to what it shall hold, then run `npm run abort -- --yes` again.",
  });
}
