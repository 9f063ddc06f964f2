import { CutoverError } from "../errors.ts";
import { runCutover } from "../migration/cutover.ts";
import { sameMembers } from "../migration/decide/context.ts";
import { readOutlook } from "../migration/decide/outlook.ts";
import { describeDrift } from "../migration/drift/item.ts";
import { describeFinding } from "../migration/finding.ts";
import { type MigrationInputs, migrationInputsSchema } from "../migration/inputs.ts";
import { makePlan, renderPlan } from "../migration/plan.ts";
import { runPreflight } from "../migration/preflight/run-preflight.ts";
import { announceBy } from "../migration/prepare/announcement.ts";
import { isSameWay } from "../migration/transport.ts";
import { checkInputs, encodeProperties, knownInputs, withoutProvider } from "./codec.ts";
import { driftOf } from "./drift-lines.ts";
import { knownOrThrow } from "./inputs.ts";
import { type MigrationState, migrationStateSchema, stateOf } from "./migration-state.ts";
import { withReadableErrors } from "./readable-errors.ts";
import {
  configure,
  describeEngine,
  endOrphan,
  isEngineAlive,
  lastMessagesMs,
  railwayClient,
  reporter,
  webhook,
} from "./session.ts";

/**
 * The cutover as a resource. `create` does the whole window in one operation and leaves nothing in the state when it
 * fails: the journal in the target is the only truth, so a lost state, a replaced resource or a second stack find the
 * finished move there and do not repeat it.
 */
export const provider = withReadableErrors({
  configure,

  async check(olds, news) {
    const checked = checkInputs(migrationInputsSchema, news);
    if (checked.failures !== undefined) return checked;
    const reading = knownInputs(migrationInputsSchema, news);
    if (reading.kind !== "known") return checked;
    const before = migrationInputsSchema.safeParse(withoutProvider(olds));
    if (before.success) return { ...checked, failures: refusedChanges(before.data, reading.inputs) };
    return { ...checked, failures: await showPlan(reading.inputs) };
  },

  async diff(_id, olds, news) {
    const state = migrationStateSchema.parse(withoutProvider(olds));
    const reading = knownInputs(migrationInputsSchema, news);
    const isReachedOtherwise =
      reading.kind === "known" && !isSameWay(state.transport, reading.inputs.transport);
    return { changes: state.drift.length > 0 || isReachedOtherwise };
  },

  async create(inputs) {
    const people = webhook(reporter.detail);
    try {
      const migration = knownOrThrow(migrationInputsSchema, inputs);
      const railway = railwayClient();
      const promoted = await runCutover({
        ...{ railway, inputs: migration, reporter, isEngineAlive, describeEngine },
        announce: people && announceBy(people.send, migration),
      });
      const state = stateOf(migration, promoted);
      return { id: promoted.id, outs: encodeProperties(migrationStateSchema, state, inputs) };
    } finally {
      await people?.end(lastMessagesMs);
      // Nothing else is at work: the services wait for the migration.
      await endOrphan();
    }
  },

  async read(id, properties) {
    if (properties === undefined) return {};
    const state = migrationStateSchema.parse(withoutProvider(properties));
    const drift = (await driftOfMigration(state)).map(describeDrift);
    return { id, props: encodeProperties(migrationStateSchema, { ...state, drift }, properties) };
  },

  async update(_id, olds, news) {
    const state = migrationStateSchema.parse(withoutProvider(olds));
    const migration = knownOrThrow(migrationInputsSchema, news);
    if (state.drift.length === 0) {
      return { outs: encodeProperties(migrationStateSchema, { ...state, ...migration }, news) };
    }
    const found = await driftOfMigration({ ...state, ...migration });
    const drift = found.map(describeDrift);
    // What somebody staged is no state of the data.
    const ofData = found.filter(({ code }) => code !== "STAGED_EDIT").map(describeDrift);
    if (ofData.length > 0) {
      throw new CutoverError({
        code: "MIGRATION_DRIFTED",
        message: `The finished migration is not as it was left: ${ofData.join("; ")}. Data is never repaired by an update.`,
        remedy:
          "docs/drift.md explains each. Put it right by hand, or take it as right with `npm run drift -- --record-baseline`; then `pulumi refresh`.",
      });
    }
    return { outs: encodeProperties(migrationStateSchema, { ...state, ...migration, drift }, news) };
  },

  async delete() {
    reporter.detail("the migration is forgotten by Pulumi; both databases and the journal stay as they are");
  },
});

function driftOfMigration(state: MigrationState) {
  const { migrationId, targetServiceId: target } = state;
  return driftOf(state, { only: "migration", oldDatabase: [], migrationId, ids: { target } });
}

/** Once made, a migration stands for what it moved; another list of schemas would be another migration. */
function refusedChanges(
  before: MigrationInputs,
  after: MigrationInputs,
): { property: string; reason: string }[] {
  const reason =
    "the data has been moved already; this cannot be changed any more. Put the former value back";
  return [
    ...(before.source === after.source ? [] : [{ property: "source", reason }]),
    ...(before.target === after.target ? [] : [{ property: "target", reason }]),
    ...(sameMembers(before.schemas, after.schemas) ? [] : [{ property: "schemas", reason }]),
  ];
}

/**
 * The plan of the first preview: for a resource that is still to be created Pulumi calls `check` and nothing else.
 * Reads only. Blockers become failures, so that the preview itself ends with an error.
 */
async function showPlan(inputs: MigrationInputs): Promise<{ property: string; reason: string }[]> {
  const railway = railwayClient();
  const { line, refusal, remarks } = await readOutlook(railway, inputs);
  for (const remark of remarks) reporter.detail(remark);
  if (line !== null) {
    reporter.step(line);
    return refusal === null ? [] : [{ property: "target", reason: refusal }];
  }
  const result = await runPreflight({ railway, inputs, mode: "preview" });
  for (const text of renderPlan(makePlan(result), { width: 100 }).split("\n")) console.log(text);
  // A preview sends nothing; one that cannot be used is told here.
  if (webhook(reporter.detail) !== undefined) reporter.detail("people are told by the webhook");
  return result.findings
    .filter(({ severity }) => severity === "blocker")
    .map((finding) => ({ property: finding.object, reason: describeFinding(finding) }));
}
