import { randomBytes } from "node:crypto";
import { json } from "node:stream/consumers";
import { allOf } from "../../components/all-of.ts";
import { describeError } from "../../components/errors.ts";
import { copyAndVerify } from "../../components/migration/copy/copy-and-verify.ts";
import { readSchemaEarly } from "../../components/migration/copy/schema-to-copy.ts";
import { excludeOtherRuns } from "../../components/migration/exclusion/exclusion.ts";
import type { ExclusiveRun } from "../../components/migration/exclusion/exclusive-run.ts";
import { ensureJournal } from "../../components/migration/journal/journal.ts";
import type { StartedAttempt } from "../../components/migration/pause/attempt.ts";
import { pauseWrites } from "../../components/migration/pause/write-pause.ts";
import { connect, endConnection, withConnection } from "../../components/postgres/connection.ts";
import { dumpSchema } from "../../components/postgres/dump.ts";
import { closeTargetFence, fenceNewTables } from "../../components/postgres/fence/fence.ts";
import { fingerprintProtected } from "../../components/postgres/fingerprint/fingerprint.ts";
import { loadCopy } from "../../components/postgres/load/load.ts";
import { listTables } from "../../components/postgres/relations.ts";
import { StepClock } from "../step-clock.ts";
import { type OurJob, type OurReport, ourJobSchema } from "./ours.ts";

const protectedSchemas = ["llm_assistant"];

const job = ourJobSchema.parse(await json(process.stdin));
try {
  const report = job.withGate ? await copyWithGate(job) : await copy(job);
  process.stdout.write(`${JSON.stringify(report)}\n`);
} catch (error) {
  process.stderr.write(`${describeError(error)}\n`);
  process.exitCode = 1;
}

/** What the cutover does from its snapshot to the gate, which it leaves out. */
async function copy({ source, target, schemas, workers }: OurJob): Promise<OurReport> {
  const { signal } = new AbortController();
  const holder = await connect(source, { purpose: "snapshot" });
  try {
    // It only holds the snapshot; the write pause of a real run gives it signs of life instead.
    await holder.query("set idle_in_transaction_session_timeout = 0");
    await holder.query("begin isolation level repeatable read read only");
    const { rows } = await holder.query<{ snapshot: string }>("select pg_export_snapshot() as snapshot");
    const snapshot = rows[0]?.snapshot ?? "";
    const tables = await listTables(holder, schemas);
    const began = performance.now();
    const loaderToken = randomBytes(24).toString("base64url");
    const reading = dumpSchema({
      source,
      schemas,
      snapshot,
      minimumMajor: 17,
      timeoutMs: 600_000,
      signal,
    });
    const fencing = withConnection(target, { purpose: "fence" }, async (client) => {
      await ensureJournal(client);
      await closeTargetFence(client, { tables: [], schemas, loaderToken });
    });
    let dumpMs = 0;
    const ready = allOf([reading, fencing]).then(([dump]) => {
      dumpMs = performance.now() - began;
      return dump;
    });
    const loading = loadCopy({
      source,
      target,
      snapshot,
      dump: ready,
      tables: tables.filter(({ kind }) => kind === "table"),
      schemas,
      loaderToken,
      withDefinitions: fenceNewTables(schemas),
      workers,
      onProgress: () => {},
      signal,
    });
    const [dump, { durationsMs }] = await allOf([ready, loading]);
    const { kind, version } = dump.client;
    const definitions = durationsMs.definitions - dumpMs;
    return {
      phasesMs: { "read schema": dumpMs, ...durationsMs, definitions },
      dumpClient: `${kind} ${version}`,
    };
  } finally {
    await endConnection(holder);
  }
}

/** What the cutover does from reading the schema to its green gate. */
async function copyWithGate({ source, target, schemas, workers }: OurJob): Promise<OurReport> {
  const steps = new StepClock();
  const exclusion = await excludeOtherRuns({ source, target });
  try {
    await ensureJournal(exclusion.target);
    const protectedBefore = await fingerprintProtected(exclusion.target, protectedSchemas);
    // What the copy looks at of a whole run; there is no Railway here, and no journal.
    const run = {
      inputs: { schemas, protectedSchemas, accept: [], copy: { workers }, hooks: { beforeSwitch: null } },
      world: { source: { connection: source }, target: { connection: target } },
      reporter: steps,
      exclusion,
    } as unknown as ExclusiveRun;
    steps.step("Read schema");
    const schema = await readSchemaEarly(run, 17);
    steps.step("Pause writes");
    const pause = await pauseWrites({
      source,
      lockSession: await connect(source, { purpose: "lock" }),
      schemas,
      lockTimeoutMs: 30_000,
      pauseLimitMs: 15 * 60_000,
      reporter: steps,
      isEngineAlive: async () => true,
    });
    try {
      const attempt = { pause, schema, record: { load: { protectedBefore } } };
      await copyAndVerify(run, attempt as unknown as StartedAttempt);
    } finally {
      await pause.release();
    }
    return { phasesMs: steps.finish(), dumpClient: steps.dumpClient };
  } finally {
    await exclusion.release();
  }
}
