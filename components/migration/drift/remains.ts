import { displayName } from "../../postgres/catalogue/catalogue.ts";
import { type ConnectionTarget, withConnection } from "../../postgres/connection.ts";
import { listTables } from "../../postgres/relations.ts";
import type { EnvironmentScope, Railway, RailwayService } from "../../railway/railway.ts";
import type { DriftInputs } from "../drift.ts";
import type { RecordIn } from "../journal/record.ts";
import { classifyVariable } from "../preflight/railway/addresses.ts";
import type { AddressPair } from "../preflight/railway/variables.ts";
import { sameText } from "../switch/given-values.ts";
import { type DriftItem, drifted } from "./item.ts";
import { findPresence } from "./presence.ts";

/**
 * A service that leads to the new database although that is not promoted. Before a first cutover a service may have one
 * variable for either database, so only one with no other is told; an aborted one knows what each variable held.
 */
export async function readPrematureService(
  railway: Railway,
  scope: EnvironmentScope,
  services: readonly RailwayService[],
  { name, variables }: DriftInputs["services"][number],
  addresses: AddressPair,
  aborted: RecordIn<"aborted"> | undefined,
): Promise<DriftItem[]> {
  const known = aborted?.fence?.services[name];
  const { service, items } = findPresence(services, name, { name, id: known?.serviceId ?? null });
  if (service === undefined) return items;
  const [raw, rendered] = await Promise.all([
    railway.rawVariables(scope, service.id),
    railway.renderedVariables(scope, service.id),
  ]);
  const present = variables.filter((variable) => raw.has(variable));
  const early = present.filter((variable) => {
    const former = known?.previous[variable];
    if (former?.kind === "reference" && sameText(raw.get(variable) ?? undefined, former.text)) return false;
    return classifyVariable(raw.get(variable), rendered.get(variable), addresses).endsWith("target");
  });
  if (known === undefined && early.length < present.length) return items;
  return [
    ...items,
    ...early.map((object) =>
      drifted("SERVICE_ON_UNPROMOTED", {
        ...{ resource: name, object, was: "the old database" },
        is: "it leads to the new database, which is not promoted",
      }),
    ),
  ];
}

/** Tables of a copy that an abort was to drop. */
export async function readLeftCopy(
  connection: ConnectionTarget,
  { context, load }: RecordIn<"aborted">,
): Promise<DriftItem[]> {
  const present = await withConnection(connection, { purpose: "observe", readOnly: true }, (client) =>
    listTables(client, context.schemas),
  );
  const ours = new Set(load.expectedRelations);
  return present
    .filter(({ schema, name }) => ours.has(`${schema}.${name}`))
    .map(({ schema, name }) =>
      drifted("COPY_LEFT", {
        ...{ resource: "migration", object: `table ${displayName([schema, name])}` },
        ...{ was: "dropped by the abort", is: "there" },
      }),
    );
}
