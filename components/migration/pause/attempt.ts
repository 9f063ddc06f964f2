import { allOf } from "../../all-of.ts";
import { CutoverError } from "../../errors.ts";
import { connect, endConnection } from "../../postgres/connection.ts";
import { fingerprintProtected } from "../../postgres/fingerprint/fingerprint.ts";
import { inTurn } from "../../postgres/in-turn.ts";
import { listRelationNames } from "../../postgres/load/drop-copy.ts";
import { listObjectNames } from "../../postgres/load/drop-copy-objects.ts";
import { listSchemas } from "../../postgres/relations.ts";
import { type EarlySchema, readSchemaEarly } from "../copy/schema-to-copy.ts";
import { notePreflight } from "../evidence/note-preflight.ts";
import { noteRun } from "../evidence/note-run.ts";
import type { PreflightNote } from "../evidence/run-note.ts";
import type { ExclusiveRun } from "../exclusion/exclusive-run.ts";
import { describeFinding } from "../finding.ts";
import { beginMigration, ensureJournal, type JournalOwner } from "../journal/journal.ts";
import type { RecordIn } from "../journal/record.ts";
import { listNames } from "../preflight/definitions.ts";
import { runPreflight } from "../preflight/run-preflight.ts";
import { backUpFirst } from "../prepare/back-up-first.ts";
import { describeTransport } from "../transport.ts";
import { pauseWrites, type WritePause } from "./write-pause.ts";

/** An attempt whose writes are paused and whose journal row stands. */
export interface StartedAttempt {
  readonly owner: JournalOwner;
  readonly record: RecordIn<"loading">;
  readonly pause: WritePause;
  readonly schema: EarlySchema;
}

/**
 * Preflight, backups of both volumes, the write pause and the journal's intent to load. Nothing is left behind when it throws.
 *
 * @throws CutoverError `PREFLIGHT_BLOCKED` with every finding, `BACKUP_FAILED`, `BACKUP_TIMEOUT`, `LOCKS_NOT_GRANTED`
 */
export async function startAttempt(run: ExclusiveRun, id: string): Promise<StartedAttempt> {
  const { inputs, world, reporter, exclusion } = run;
  reporter.step("Preflight");
  const [lookedAt, note] = await Promise.all([assertReady(run), noteRun(run, "up")]);
  const backups = await backUpFirst(run);
  const { newestMajor, preflight } = backups.tookTime ? await lookAgain(run, lookedAt) : lookedAt;
  await ensureJournal(exclusion.target);
  const protectedBefore = await fingerprintProtected(exclusion.target, inputs.protectedSchemas);
  const existing = await listSchemas(exclusion.target, inputs.schemas);
  const identity = await exclusion.source.query(
    "select system_identifier::text as identifier from pg_control_system()",
  );
  const schema = await readSchemaEarly(run, newestMajor);

  reporter.step("Pause writes");
  const lockSession = await connect(world.source.connection, { purpose: "lock" });
  try {
    const pause = await pauseWrites({
      source: world.source.connection,
      lockSession,
      schemas: inputs.schemas,
      lockTimeoutMs: inputs.limits.lockTimeoutMs,
      pauseLimitMs: inputs.limits.writePauseMs,
      reporter,
      isEngineAlive: run.isEngineAlive,
    });
    try {
      // Without the locks nothing that is under way is worth anything.
      const { signal } = pause.heartbeat;
      const giveUp = () => exclusion.giveUp(signal.reason);
      signal.addEventListener("abort", giveUp);
      if (signal.aborted) giveUp();
      reporter.detail(`${pause.tables.length} tables locked; readers go on`);
      const { snapshotSession } = pause;
      const [[expectedRelations, expectedObjects]] = await allOf([
        inTurn(snapshotSession, [
          () => listRelationNames(snapshotSession, inputs.schemas),
          () => listObjectNames(snapshotSession, inputs.schemas),
        ]),
        assertTargetEmpty(run),
      ]);
      const record: RecordIn<"loading"> = {
        state: "loading",
        context: {
          project: world.scope.projectId,
          environment: world.scope.environmentId,
          source: {
            serviceName: world.source.service.name,
            serviceId: world.source.service.id,
            systemIdentifier: identity.rows[0].identifier,
            database: world.source.connection.database,
          },
          target: { serviceName: world.target.service.name, serviceId: world.target.service.id },
          schemas: inputs.schemas,
          protectedSchemas: inputs.protectedSchemas,
          startedAt: new Date().toISOString(),
          transport: {
            source: describeTransport(inputs.transport.source),
            target: describeTransport(inputs.transport.target),
          },
          runs: [{ ...note, epoch: 1 }],
          preflight,
        },
        load: {
          createdSchemas: inputs.schemas.filter((schema) => !existing.includes(schema)),
          expectedRelations,
          expectedObjects,
          protectedBefore,
          pausedAt: pause.pausedAt.toISOString(),
          backups: backups.record,
        },
      };
      return { owner: await beginMigration(exclusion.target, id, record), record, pause, schema };
    } catch (error) {
      await pause.release();
      throw error;
    }
  } catch (error) {
    await endConnection(lockSession);
    throw error;
  }
}

/** Once the journal says that a load has begun, what is in the schemas counts as its work. */
async function assertTargetEmpty({ exclusion, inputs }: ExclusiveRun): Promise<void> {
  const appeared = await listObjectNames(exclusion.target, inputs.schemas);
  if (appeared.length === 0) return;
  throw new CutoverError({
    code: "PREFLIGHT_BLOCKED",
    message: `Since the preflight somebody has begun to fill the target's moved schemas: ${listNames(appeared)}. Nothing was changed.`,
    remedy: "Find out who did, move or drop it yourself if it is not needed, then run again.",
  });
}

interface Readiness {
  /** The higher one of both servers' major versions. */
  readonly newestMajor: number;
  readonly preflight: PreflightNote;
  /** The findings that were told. */
  readonly told: ReadonlySet<string>;
}

/** The backups took minutes, in which somebody may have deployed, staged or defined something. */
async function lookAgain(run: ExclusiveRun, { told }: Readiness): Promise<Readiness> {
  run.reporter.step("Preflight again");
  return assertReady(run, told);
}

async function assertReady(
  { railway, inputs, reporter }: ExclusiveRun,
  toldBefore: ReadonlySet<string> = new Set(),
): Promise<Readiness> {
  const result = await runPreflight({ railway, inputs, mode: "run" });
  const { findings, facts } = result;
  const blockers = findings.filter(({ severity }) => severity !== "warning");
  const told = new Set(findings.map(describeFinding));
  for (const line of told) if (!toldBefore.has(line)) reporter.detail(line);
  const source = facts.source?.server?.major;
  const target = facts.target?.server?.major;
  if (blockers.length > 0 || source === undefined || target === undefined) {
    throw new CutoverError({
      code: "PREFLIGHT_BLOCKED",
      message: `${blockers.length} findings block the cutover; nothing was changed. ${blockers.map(describeFinding).join(" | ")}`,
      remedy: "Mend each finding (docs/findings.md explains every code), then run again.",
    });
  }
  return { newestMajor: Math.max(source, target), preflight: notePreflight(result), told };
}
