import { z } from "zod";
import { CutoverError } from "../errors.ts";
import { readPrimary } from "../migration/decide/primary.ts";
import type { DriftItem } from "../migration/drift/item.ts";
import {
  adoptPostgresService,
  adoptRetired,
  observePostgresService,
  observeRetired,
  type PostgresServiceInputs,
  postgresServiceFactsSchema,
  postgresServiceInputsSchema,
  retire,
  retirementSchema,
} from "../migration/postgres-service.ts";
import { retirementFailures } from "../migration/retirement/preview.ts";
import type { RetirementRun } from "../migration/retirement/run.ts";
import { isSameWay, isUnpinned } from "../migration/transport.ts";
import { checkInputs, encodeProperties, knownInputs, withoutProvider } from "./codec.ts";
import { driftOf, driftProperty } from "./drift-lines.ts";
import { knownOrThrow } from "./inputs.ts";
import { withReadableErrors } from "./readable-errors.ts";
import {
  configure,
  failuresOf,
  isEngineAlive,
  railwayClient,
  removalClient,
  reporter,
  s3Credentials,
} from "./session.ts";

const stateSchema = postgresServiceInputsSchema.extend({
  serviceId: postgresServiceFactsSchema.shape.serviceId,
  observed: postgresServiceFactsSchema,
  /** What was observed when the resource was last made or updated: the base that drift is told from. */
  adopted: postgresServiceFactsSchema,
  retirement: retirementSchema,
  /** What a refresh found not to be as it was left, a line each; absent where nothing is. */
  drift: z.array(z.string()).optional(),
});

type State = z.infer<typeof stateSchema>;

/** A Railway service that runs PostgreSQL. */
export const provider = withReadableErrors({
  configure,

  async check(olds, news) {
    const checked = checkInputs(postgresServiceInputsSchema, news);
    const reading = knownInputs(postgresServiceInputsSchema, news);
    if (reading.kind !== "known") return checked;
    const { inputs } = reading;
    const before = postgresServiceInputsSchema.safeParse(withoutProvider(olds));
    const { phase, role, transport } = inputs;
    if (phase === "adopt" && !inputs.create && (!before.success || isUnpinned(transport[role]))) {
      const failures = await failuresOf(role, () =>
        observePostgresService(railwayClient(), inputs, reporter),
      );
      return { ...checked, failures };
    }
    if (before.success && inputs.phase === "adopt" && inputs.role === "target") {
      return { ...checked, failures: await failuresOf("phase", () => assertNotPromoted(inputs)) };
    }
    // A change towards the end of the old database is judged in the preview already.
    if (!before.success || inputs.lifecycle === "keep" || before.data.lifecycle === inputs.lifecycle)
      return checked;
    return { ...checked, failures: await retirementFailures(retirementRun(inputs)) };
  },

  async diff(_id, olds, news) {
    const reading = knownInputs(postgresServiceInputsSchema, news);
    if (reading.kind !== "known") return { changes: true };
    const before = stateSchema.parse(withoutProvider(olds));
    const after = reading.inputs;
    return { changes: differs(before, after) || !isSameWay(before.transport, after.transport) };
  },

  async create(inputs) {
    const wanted = knownOrThrow(postgresServiceInputsSchema, inputs);
    if (wanted.lifecycle !== "keep") {
      const retired = await adoptRetired(railwayClient(), wanted);
      if (retired === undefined) throw retireAfterAdopting(wanted.lifecycle);
      const { facts } = retired;
      const retirement = await retire(retirementRun(wanted, facts.serviceId), retired.retirement);
      const state = { ...wanted, serviceId: facts.serviceId, observed: facts, adopted: facts, retirement };
      return { id: facts.serviceId, outs: encodeProperties(stateSchema, state, inputs) };
    }
    const facts = await adoptPostgresService(railwayClient(), wanted, reporter);
    const retirement = { state: "running" as const, evidence: [] };
    const state = { ...wanted, serviceId: facts.serviceId, observed: facts, adopted: facts, retirement };
    return { id: facts.serviceId, outs: encodeProperties(stateSchema, state, inputs) };
  },

  async read(id, properties) {
    if (properties === undefined) return {};
    const { drift: _former, ...before } = stateSchema.parse(withoutProvider(properties));
    const retirement = await observeRetired(railwayClient(), before, id, before.retirement);
    const drift = await driftOfDatabase(before, before.retirement, id);
    const isThere = before.retirement.state === "running" && !drift.some(({ code }) => isGone.has(code));
    const observed = isThere
      ? await observePostgresService(railwayClient(), { ...before, [before.role]: id }, reporter)
      : before.observed;
    const state = { ...before, observed, retirement, ...driftProperty(drift) };
    return { id, props: encodeProperties(stateSchema, state, properties) };
  },

  async update(id, olds, news) {
    const before = stateSchema.parse(withoutProvider(olds));
    const wanted = knownOrThrow(postgresServiceInputsSchema, news);
    const retirement = differs(before, wanted)
      ? await retire(retirementRun(wanted, id), before.retirement)
      : before.retirement;
    const facts =
      retirement.state === "running"
        ? await observePostgresService(railwayClient(), wanted, reporter)
        : before.observed;
    if (facts.serviceId !== id) throw anotherService(wanted[wanted.role], id, facts.serviceId);
    // A retirement that was done must be recorded, whatever can be seen afterwards.
    const isLooked = before.drift !== undefined && before.lifecycle === wanted.lifecycle;
    const drift = isLooked ? await driftOfDatabase(wanted, retirement, id) : [];
    const state = {
      ...{ ...wanted, serviceId: id, observed: facts, adopted: facts, retirement },
      ...driftProperty(drift),
    };
    return { outs: encodeProperties(stateSchema, state, news) };
  },

  async delete(_id, properties) {
    const { role, source, target } = withoutProvider(properties);
    reporter.detail(
      `${role === "source" ? source : target} is forgotten by Pulumi; service and data stay as they are`,
    );
  },
});

/** Whether anything is to be done beside noting another way to the databases. */
function differs(before: State, after: PostgresServiceInputs): boolean {
  const renamed =
    before[before.role] !== after[after.role] ||
    before.project !== after.project ||
    before.environment !== after.environment;
  const drifted = JSON.stringify(before.observed) !== JSON.stringify(before.adopted);
  const deployedAgain = after.lifecycle === "stop" && before.retirement.state === "running";
  const backedUpOtherwise =
    after.lifecycle === "stop" &&
    before.retirement.state === "stopped" &&
    after.removal.finalBackup !== null &&
    JSON.stringify(before.removal.finalBackup) !== JSON.stringify(after.removal.finalBackup);
  const isOtherwise = drifted || deployedAgain || backedUpOtherwise || before.drift !== undefined;
  return renamed || before.lifecycle !== after.lifecycle || isOtherwise;
}

function driftOfDatabase(
  inputs: PostgresServiceInputs,
  retirement: State["retirement"],
  id: string,
): Promise<DriftItem[]> {
  return driftOf(inputs, {
    only: inputs.role,
    oldDatabase: [retirement.state],
    ids: { [inputs.role]: id },
  });
}

/** Nothing is left to look at but what Railway says of it. */
const isGone: ReadonlySet<DriftItem["code"]> = new Set([
  "OLD_DATABASE_DOWN",
  "SERVICE_REPLACED",
  "SERVICE_VANISHED",
]);

/** The removal looks and deletes with a wider token, where there is one. */
function retirementRun(inputs: PostgresServiceInputs, serviceId = ""): RetirementRun {
  const railway = inputs.lifecycle === "remove" ? removalClient() : railwayClient();
  return { railway, inputs, serviceId, reporter, isEngineAlive, credentials: s3Credentials() };
}

/**
 * A state from before the cutover and the configuration of that time fit each other: without a look at the journal, an
 * update would find nothing to do and name the old database as the active one.
 */
async function assertNotPromoted(inputs: PostgresServiceInputs): Promise<void> {
  const { primary } = await readPrimary(railwayClient(), inputs);
  if (primary === "source") return;
  throw new CutoverError({
    code: "NOT_THE_PRIMARY",
    message: `The configuration says phase: adopt, but the journal says that ${inputs.target} accepts the application's writes. Nothing was changed.`,
    remedy:
      "Put phase: cutover back into the configuration. There is no way back: what was written since is on the new database alone.",
  });
}

function retireAfterAdopting(lifecycle: string): CutoverError {
  return new CutoverError({
    code: "RETIREMENT_REFUSED",
    message: `The old database is not in this stack's state yet, so legacyPostgres: ${lifecycle} is refused; nothing was changed.`,
    remedy: "Run `pulumi up` with legacyPostgres: keep first, then change it.",
  });
}

function anotherService(name: string, id: string, found: string): CutoverError {
  return new CutoverError({
    code: "SERVICE_REPLACED",
    message: `${name} is another Railway service now (${found}) than the one this stack adopted (${id}).`,
    remedy: "If that is right, remove the resource from the state (`pulumi state delete`) and adopt it anew.",
  });
}
