import { randomBytes } from "node:crypto";
import { allOf } from "../../all-of.ts";
import { connect, withConnection } from "../../postgres/connection.ts";
import { TableHashing } from "../../postgres/content/hash-tables.ts";
import { closeTargetFence, fenceNewTables } from "../../postgres/fence/fence.ts";
import { type LoadReport, loadCopy } from "../../postgres/load/load.ts";
import { listTables } from "../../postgres/relations.ts";
import type { SequenceState } from "../../postgres/sequences.ts";
import type { ExclusiveRun } from "../exclusion/exclusive-run.ts";
import { runGate } from "../gate/gate.ts";
import { assertGreen } from "../gate/red.ts";
import type { GateReport } from "../gate/report.ts";
import type { Acceptance } from "../inputs.ts";
import { transition } from "../journal/journal.ts";
import type { RecordIn } from "../journal/record.ts";
import type { StartedAttempt } from "../pause/attempt.ts";
import { describeGateProgress, describeLoadProgress, throttled } from "../progress.ts";
import { runBeforeSwitchHook } from "../switch/before-switch-hook.ts";
import { schemaToCopy } from "./schema-to-copy.ts";

export interface VerifiedCopy {
  readonly record: RecordIn<"loading">;
  readonly gate: GateReport;
  readonly copiedBytes: number;
}

/**
 * Copies the schemas from the pause's snapshot, behind a fence from the first table on, and lets the gate compare both
 * sides. A hook runs between two gates.
 *
 * @throws CutoverError `GATE_RED`, `COPY_FAILED`, the heartbeat's reason when the locks were lost
 */
export async function copyAndVerify(run: ExclusiveRun, attempt: StartedAttempt): Promise<VerifiedCopy> {
  const { connection } = run.world.source;
  const { snapshot, tables } = attempt.pause;
  // The snapshot's rows stay what they are: as soon as sessions have none left to copy, others hash them.
  const hashing = new TableHashing({
    connect: () => connect(connection, { purpose: "gate", readOnly: true }),
    tables: tables.filter(({ kind }) => kind === "table"),
    snapshot,
    signal: run.exclusion.signal,
  });
  try {
    return await verify(run, attempt, hashing, await makeCopy(run, attempt, hashing));
  } finally {
    await hashing.stop();
  }
}

interface MadeCopy {
  readonly loaded: LoadReport;
  /** What the hook's sessions have in common with those of the load. */
  readonly loaderToken: string;
}

async function makeCopy(
  run: ExclusiveRun,
  { pause, schema }: StartedAttempt,
  hashing: TableHashing,
): Promise<MadeCopy> {
  const { inputs, world, reporter } = run;
  const { signal } = run.exclusion;
  reporter.step("Copy");
  const loaderToken = randomBytes(24).toString("base64url");
  // Nothing is defined before the fence stands.
  const ready = allOf([schemaToCopy(run, schema, pause), fenceForLoader(run, loaderToken)]).then(([dump]) => {
    reporter.detail(`schema read by pg_dump ${dump.client.version} (${dump.client.kind})`);
    return dump;
  });
  const loading = loadCopy({
    source: world.source.connection,
    target: world.target.connection,
    snapshot: pause.snapshot,
    dump: ready,
    tables: pause.tables.filter(({ kind }) => kind === "table"),
    schemas: inputs.schemas,
    loaderToken,
    withDefinitions: fenceNewTables(inputs.schemas),
    workers: inputs.copy.workers,
    onProgress: throttled(reporter, describeLoadProgress),
    onReaderEnded: () => hashing.addWorker(),
    signal,
  });
  const [, loaded] = await allOf([ready, loading]);
  await pause.heartbeat.assertAlive();
  return { loaded, loaderToken };
}

async function verify(
  run: ExclusiveRun,
  attempt: StartedAttempt,
  hashing: TableHashing,
  { loaded, loaderToken }: MadeCopy,
): Promise<VerifiedCopy> {
  const { inputs, world, reporter } = run;
  const { pause } = attempt;
  const { sequences } = loaded;
  let record = attempt.record;
  if (inputs.hooks.beforeSwitch !== null) {
    // Only the load has written yet: whatever rows are accepted to differ, it is not by that.
    const accept = inputs.accept.filter(({ code }) => code !== "CONTENT_DIFFERS");
    assertGreen(await compare(run, attempt, { record, hashing, sequences, accept }));
    reporter.step("Hook before the switch");
    record = await noteHook(run, attempt);
    await runBeforeSwitchHook({
      command: inputs.hooks.beforeSwitch,
      target: world.target.connection,
      schemas: inputs.schemas,
      createdSchemas: record.load.createdSchemas,
      loaderToken,
      reporter,
      signal: run.exclusion.signal,
    });
  }

  await fenceCopy(run);
  reporter.step("Gate");
  const gate = await compare(run, attempt, { record, hashing, sequences, accept: inputs.accept });
  assertGreen(gate);
  for (const { code, object } of gate.staleAcceptances) {
    reporter.detail(`accepted but not found any more: ${code} ${object}`);
  }
  await pause.heartbeat.assertAlive();
  reporter.detail(
    `green: ${gate.tables.length} tables equal in count and content, catalogue and protected schema as they were`,
  );
  return { record, gate, copiedBytes: loaded.bytes };
}

/** Before there is any table: those come with their fence, which lets the loader pass. */
function fenceForLoader({ inputs, world }: ExclusiveRun, loaderToken: string): Promise<void> {
  return withConnection(world.target.connection, { purpose: "fence" }, (client) =>
    closeTargetFence(client, { tables: [], schemas: inputs.schemas, loaderToken }),
  );
}

/** For everybody. */
function fenceCopy({ inputs: { schemas }, world }: ExclusiveRun): Promise<void> {
  return withConnection(world.target.connection, { purpose: "fence" }, async (client) =>
    closeTargetFence(client, { tables: await listTables(client, schemas), schemas }),
  );
}

async function compare(
  run: ExclusiveRun,
  { pause }: StartedAttempt,
  copied: {
    readonly record: RecordIn<"loading">;
    readonly hashing: TableHashing;
    /** Where the load put them. */
    readonly sequences: readonly SequenceState[];
    readonly accept: readonly Acceptance[];
  },
): Promise<GateReport> {
  const { inputs, world, exclusion, reporter } = run;
  return runGate({
    source: world.source.connection,
    snapshot: pause.snapshot,
    target: world.target.connection,
    schemas: inputs.schemas,
    protectedSchemas: inputs.protectedSchemas,
    sourceHashing: copied.hashing,
    protectedBefore: copied.record.load.protectedBefore,
    expectedSequences: copied.sequences,
    accept: copied.accept,
    workers: inputs.copy.workers,
    onProgress: throttled(reporter, describeGateProgress),
    signal: exclusion.signal,
  });
}

/** Noted before it begins: whatever relations are in the moved schemas then are ours to drop, wherever it ends. */
async function noteHook(run: ExclusiveRun, { owner, record }: StartedAttempt): Promise<RecordIn<"loading">> {
  const noted = { ...record, load: { ...record.load, hookStarted: true } };
  await transition(run.exclusion.target, owner, "loading", noted, "beforeSwitch hook begins");
  return noted;
}
