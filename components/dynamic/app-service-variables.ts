import { z } from "zod";
import { CutoverError } from "../errors.ts";
import {
  type AppServiceInputs,
  appServiceInputsSchema,
  appServiceObservationSchema,
  isAsDesired,
  observeAppService,
  reconcileAppService,
} from "../migration/app-service.ts";
import { findPresence } from "../migration/drift/presence.ts";
import { isSameWay } from "../migration/transport.ts";
import { checkInputs, encodeProperties, knownInputs, withoutProvider } from "./codec.ts";
import { driftOf, driftProperty } from "./drift-lines.ts";
import { knownOrThrow } from "./inputs.ts";
import { withReadableErrors } from "./readable-errors.ts";
import { configure, failuresOf, railwayClient, reporter } from "./session.ts";

const stateSchema = appServiceInputsSchema.extend({
  observed: appServiceObservationSchema,
  /** What was observed when the resource was last made or updated: the base that drift is told from. */
  adopted: appServiceObservationSchema,
  /** What a refresh found not to be as it was left, a line each; absent where nothing is. */
  drift: z.array(z.string()).optional(),
});

/** One application service on the database that its variables name. */
export const provider = withReadableErrors({
  configure,

  async check(olds, news) {
    const checked = checkInputs(appServiceInputsSchema, news);
    const reading = knownInputs(appServiceInputsSchema, news);
    // In a cutover the migration's preflight looks at all services at once.
    if (reading.kind !== "known" || Object.keys(olds).length > 0 || !reading.inputs.observeOnly)
      return checked;
    const failures = await failuresOf("service", () => observeAppService(railwayClient(), reading.inputs));
    return { ...checked, failures };
  },

  async diff(_id, olds, news) {
    const reading = knownInputs(appServiceInputsSchema, news);
    if (reading.kind !== "known") return { changes: true };
    const before = stateSchema.parse(withoutProvider(olds));
    const after = reading.inputs;
    if (before.database === "target" && after.database === "source") throw backToTheSource(after.service);
    if (!isSameWay(before.transport, after.transport)) return { changes: true };
    const wanted = JSON.stringify([after.service, after.database, after.variables, after.observeOnly]);
    const had = JSON.stringify([before.service, before.database, before.variables, before.observeOnly]);
    const drifted = after.observeOnly
      ? JSON.stringify(before.observed.variables) !== JSON.stringify(before.adopted.variables)
      : !isAsDesired(after, before.observed);
    return { changes: wanted !== had || drifted || before.drift !== undefined };
  },

  async create(inputs) {
    const wanted = knownOrThrow(appServiceInputsSchema, inputs);
    const observed = await reconcileAppService(railwayClient(), wanted, reporter);
    const state = { ...wanted, observed, adopted: observed };
    return { id: observed.serviceId, outs: encodeProperties(stateSchema, state, inputs) };
  },

  async read(id, properties) {
    if (properties === undefined) return {};
    const { drift: _former, ...before } = stateSchema.parse(withoutProvider(properties));
    const railway = railwayClient();
    const scope = await railway.resolveEnvironment(before);
    const expected = { name: before.service, id };
    const { service, items } = findPresence(await railway.listServices(scope), before.service, expected);
    const drift = before.observeOnly ? items : await driftOf(driftInputs(before), driftOptions(before));
    const observed =
      service === undefined
        ? before.observed
        : await observeAppService(railway, { ...before, service: service.id }, scope);
    const state = { ...before, observed, ...driftProperty(drift) };
    return { id, props: encodeProperties(stateSchema, state, properties) };
  },

  async update(_id, _olds, news) {
    const wanted = knownOrThrow(appServiceInputsSchema, news);
    const observed = await reconcileAppService(railwayClient(), wanted, reporter);
    return { outs: encodeProperties(stateSchema, { ...wanted, observed, adopted: observed }, news) };
  },

  async delete(_id, properties) {
    reporter.detail(`${withoutProvider(properties).service} is forgotten by Pulumi; it runs on as it is`);
  },
});

function driftInputs(inputs: AppServiceInputs): Parameters<typeof driftOf>[0] {
  const variables = Object.keys(inputs.variables);
  return { ...inputs, accept: [], services: [{ name: inputs.service, variables }] };
}

function driftOptions({ service }: AppServiceInputs): Parameters<typeof driftOf>[1] {
  return { only: service, oldDatabase: [] };
}

function backToTheSource(service: string): CutoverError {
  return new CutoverError({
    code: "NOT_THE_PRIMARY",
    message: `${service} runs on the new database; this change would point it back at the old one, which is fenced. Nothing was changed.`,
    remedy:
      "Keep phase: cutover in the configuration. There is no way back: what was written since is on the new database alone.",
  });
}
