import { lookIntoServices } from "../../railway/present.ts";
import type { RailwayService, VariableRecord } from "../../railway/railway.ts";
import { namesService } from "../../railway/references.ts";
import type { DriftInputs } from "../drift.ts";
import { classifyVariable } from "../preflight/railway/addresses.ts";
import type { AddressPair } from "../preflight/railway/variables.ts";
import { type DriftItem, drifted } from "./item.ts";
import type { ServiceLook } from "./service.ts";

/**
 * Every variable of the environment that still leads to the old database, or may, but for those of the moved services, which
 * are told as theirs, and those that were accepted. Of a sealed one only its references can be seen: one without any is
 * a text that nobody can look into.
 */
export async function readConsumers(
  look: ServiceLook,
  services: readonly RailwayService[],
  inputs: Pick<DriftInputs, "source" | "services" | "accept">,
  sourceId: string,
): Promise<DriftItem[]> {
  const { railway, scope } = look;
  const others = services.filter(({ id, name }) => id !== sourceId && name !== inputs.source);
  const records = await railway.variableRecords(scope);
  const found = await lookIntoServices(railway, scope, others, (present) =>
    Promise.all([{ id: null, name: "shared" }, ...present].map(readOwner)),
  );
  return Promise.all(
    found
      .flat()
      .filter(
        ({ code, object }) =>
          !inputs.accept.some((one) => one.code === acceptedBy[code] && one.object === object),
      )
      .map(async ({ id, name, object, code }) =>
        drifted(code, {
          ...{ resource: "source", object, was: "nobody names the old database" },
          is: code === "OLD_DATABASE_NAMED" ? `the variable names ${inputs.source}` : "sealed: unreadable",
          who: await look.authors.editor(id, name),
        }),
      ),
  );

  async function readOwner({ id, name: owner }: { readonly id: string | null; readonly name: string }) {
    const moved = new Set(inputs.services.find(({ name }) => name === owner)?.variables);
    const raw = await railway.rawVariables(scope, id);
    return [...raw].flatMap(([name, text]) => {
      if (moved.has(name)) return [];
      const code =
        text === null
          ? codeOfSealed(referencesOf(records, id, name), inputs.source)
          : codeOfText(text, inputs.source, look.addresses);
      return code === undefined ? [] : [{ id, name, object: `${owner} ${name}`, code }];
    });
  }
}

/** The code under which the configuration accepts each. */
const acceptedBy = {
  OLD_DATABASE_NAMED: "OTHER_CONSUMER",
  VARIABLE_UNREADABLE: "VARIABLE_UNREADABLE",
} as const;

type ConsumerCode = keyof typeof acceptedBy;

function codeOfSealed(references: readonly string[], source: string): ConsumerCode | undefined {
  if (references.some((reference) => reference.startsWith(`${source}.`))) return "OLD_DATABASE_NAMED";
  return references.length === 0 ? "VARIABLE_UNREADABLE" : undefined;
}

function codeOfText(text: string, source: string, addresses: AddressPair): ConsumerCode | undefined {
  const isNamed =
    namesService(text, source) ||
    (addresses.source !== undefined &&
      classifyVariable(text, text, { source: addresses.source }) !== "other");
  return isNamed ? "OLD_DATABASE_NAMED" : undefined;
}

function referencesOf(
  records: readonly VariableRecord[],
  serviceId: string | null,
  name: string,
): readonly string[] {
  return records
    .filter((record) => record.serviceId === serviceId && record.name === name)
    .flatMap(({ references }) => references);
}
