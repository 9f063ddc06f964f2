import type { RailwayService, VariableRecord } from "../../railway/railway.ts";
import { namesService } from "../../railway/references.ts";
import type { DriftInputs } from "../drift.ts";
import { classifyVariable } from "../preflight/railway/addresses.ts";
import type { AddressPair } from "../preflight/railway/variables.ts";
import { type DriftItem, drifted } from "./item.ts";
import type { ServiceLook } from "./service.ts";

/**
 * Every variable of the environment that still leads to the old database, but for those of the moved services, which
 * are told as theirs, and those whose loss was accepted. Of a sealed one only its references can be seen.
 */
export async function readConsumers(
  look: ServiceLook,
  services: readonly RailwayService[],
  inputs: Pick<DriftInputs, "source" | "services" | "accept">,
  sourceId: string,
): Promise<DriftItem[]> {
  const { railway, scope } = look;
  const owners = [
    { id: null, name: "shared" },
    ...services.filter(({ id, name }) => id !== sourceId && name !== inputs.source),
  ];
  const records = await railway.variableRecords(scope);
  const found = await Promise.all(
    owners.map(async ({ id, name: owner }) => {
      const moved = new Set(inputs.services.find(({ name }) => name === owner)?.variables);
      const raw = await railway.rawVariables(scope, id);
      const names = [...raw]
        .filter(([name]) => !moved.has(name))
        .filter(([name, text]) =>
          text === null
            ? refersTo(records, id, name, inputs.source)
            : leadsToSource(text, inputs.source, look.addresses),
        )
        .map(([name]) => name);
      return names.map((name) => ({ id, name, object: `${owner} ${name}` }));
    }),
  );
  const accepted = new Set(
    inputs.accept.filter(({ code }) => code === "OTHER_CONSUMER").map(({ object }) => object),
  );
  return Promise.all(
    found
      .flat()
      .filter(({ object }) => !accepted.has(object))
      .map(async ({ id, name, object }) =>
        drifted("OLD_DATABASE_NAMED", {
          ...{ resource: "source", object, was: "nobody names the old database" },
          is: `the variable names ${inputs.source}`,
          who: await look.authors.editor(id, name),
        }),
      ),
  );
}

function leadsToSource(text: string, source: string, addresses: AddressPair): boolean {
  return (
    namesService(text, source) ||
    (addresses.source !== undefined && classifyVariable(text, text, { source: addresses.source }) !== "other")
  );
}

function refersTo(
  records: readonly VariableRecord[],
  serviceId: string | null,
  name: string,
  source: string,
): boolean {
  return records.some(
    (record) =>
      record.serviceId === serviceId &&
      record.name === name &&
      record.references.some((reference) => reference.startsWith(`${source}.`)),
  );
}
