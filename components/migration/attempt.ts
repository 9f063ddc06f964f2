import { CutoverError } from "../errors.ts";
import { connect } from "../postgres/connection.ts";
import { listRelationNames } from "../postgres/drop-copy.ts";
import { fingerprintProtected } from "../postgres/fingerprint.ts";
import { listSchemas } from "../postgres/relations.ts";
import type { ExclusiveRun } from "./exclusive-run.ts";
import { describeFinding } from "./finding.ts";
import { beginMigration, ensureJournal, type JournalOwner } from "./journal.ts";
import { runPreflight } from "./preflight/run-preflight.ts";
import type { RecordIn } from "./record.ts";
import { pauseWrites, type WritePause } from "./write-pause.ts";

/** An attempt whose writes are paused and whose journal row stands. */
export interface StartedAttempt {
  readonly owner: JournalOwner;
  readonly record: RecordIn<"loading">;
  readonly pause: WritePause;
  readonly majors: { readonly source: number; readonly target: number };
}

/**
 * Preflight, the write pause and the journal's intent to load. Nothing is left behind when it throws.
 *
 * @throws CutoverError `PREFLIGHT_BLOCKED` with every finding, `LOCKS_NOT_GRANTED`
 */
export async function startAttempt(run: ExclusiveRun, id: string): Promise<StartedAttempt> {
  const { inputs, world, reporter, exclusion } = run;
  reporter.step("Preflight");
  const majors = await assertReady(run);
  await ensureJournal(exclusion.target);
  const protectedBefore = await fingerprintProtected(exclusion.target, inputs.protectedSchemas);
  const existing = await listSchemas(exclusion.target, inputs.schemas);
  const identity = await exclusion.source.query(
    "select system_identifier::text as identifier from pg_control_system()",
  );

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
    // Without the locks nothing that is under way is worth anything.
    const { signal } = pause.heartbeat;
    signal.addEventListener("abort", () => exclusion.giveUp(signal.reason));
    reporter.detail(`${pause.tables.length} tables locked; readers go on`);
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
      },
      load: {
        createdSchemas: inputs.schemas.filter((schema) => !existing.includes(schema)),
        expectedRelations: await listRelationNames(pause.snapshotSession, inputs.schemas),
        protectedBefore,
      },
    };
    try {
      return { owner: await beginMigration(exclusion.target, id, record), record, pause, majors };
    } catch (error) {
      await pause.release();
      throw error;
    }
  } catch (error) {
    await lockSession.end().catch(() => {});
    throw error;
  }
}

async function assertReady({ railway, inputs, reporter }: ExclusiveRun): Promise<StartedAttempt["majors"]> {
  const { findings, facts } = await runPreflight({ railway, inputs, mode: "run" });
  const blockers = findings.filter(({ severity }) => severity !== "warning");
  for (const finding of findings) reporter.detail(describeFinding(finding));
  const source = facts.source?.server?.major;
  const target = facts.target?.server?.major;
  if (blockers.length > 0 || source === undefined || target === undefined) {
    throw new CutoverError({
      code: "PREFLIGHT_BLOCKED",
      message: `${blockers.length} findings block the cutover; nothing was changed. ${blockers.map(describeFinding).join(" | ")}`,
      remedy: "Mend each finding (docs/findings.md explains every code), then run again.",
    });
  }
  return { source, target };
}
