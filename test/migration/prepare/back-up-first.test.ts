import { afterEach, describe, expect, test } from "vitest";
import type { ExclusiveRun } from "../../../components/migration/exclusion/exclusive-run.ts";
import { backupInputsSchema } from "../../../components/migration/inputs.ts";
import { backUpFirst } from "../../../components/migration/prepare/back-up-first.ts";
import { createRailway } from "../../../components/railway/railway.ts";
import { createRailwayToken } from "../../../components/railway/token.ts";
import { startTestWorld, type TestWorld } from "../../world/railway/test-world.ts";

let here: TestWorld | undefined;

afterEach(async () => {
  await here?.[Symbol.asyncDispose]();
  here = undefined;
});

/** Two volumes on a simulated Railway, and one run's view of them. */
async function world(options: Parameters<typeof startTestWorld>[0] = {}) {
  here = await startTestWorld(options);
  const { simulator } = here;
  const railway = createRailway({
    token: createRailwayToken("project", simulator.tokens.project),
    endpoint: simulator.url,
    pollIntervalMs: 10,
    settleTimeoutMs: 1_000,
    limits: { retryDelayMs: 5, attempts: 3, requestTimeoutMs: 5_000 },
  });
  const scope = await railway.resolveEnvironment({ project: "clinic", environment: "production" });
  const lines: string[] = [];
  const lost = new AbortController();
  return {
    simulator,
    lines,
    lost,
    made: () => simulator.mutations().filter((name) => name === "volumeInstanceBackupCreate").length,
    async backUp(changes: object = {}) {
      const report = (line: string) => void lines.push(line);
      const service = async (name: string) => ({ service: await railway.findService(scope, name) });
      return backUpFirst({
        railway,
        inputs: {
          source: "Postgres",
          target: "pgvector",
          backups: backupInputsSchema.parse({ timeoutMs: 60_000, ...changes }),
        },
        world: { scope, source: await service("Postgres"), target: await service("pgvector") },
        exclusion: { signal: lost.signal },
        reporter: { step: report, detail: report },
      } as unknown as ExclusiveRun);
    },
  };
}

describe("backups before the pause", () => {
  test("are made of both volumes, awaited and listed", async () => {
    const { backUp, simulator, lines, made } = await world();
    const { record, tookTime } = await backUp();
    const { backups, volumeInstances } = simulator.inspect();
    expect(tookTime).toBe(true);
    expect(made()).toBe(2);
    expect(record).toMatchObject({
      kind: "made",
      volumes: [
        { service: "Postgres", name: "before-cutover-Postgres-pgvector", isReused: false, expiresAt: null },
        { service: "pgvector", name: "before-cutover-Postgres-pgvector", isReused: false, expiresAt: null },
      ],
    });
    for (const { id, volumeId } of record.kind === "made" ? record.volumes : []) {
      const instance = backups.find((backup) => backup.id === id)?.volumeInstanceId;
      expect(volumeInstances.find((one) => one.id === instance)?.volumeId).toBe(volumeId);
    }
    expect(lines[0]).toBe("Back up both volumes");
    expect(lines.slice(1).toSorted()).toEqual([
      expect.stringMatching(
        /^Postgres: volume backup \S+ made and listed after \d+ s, 1 MB beside the volume, has no/,
      ),
      expect.stringMatching(/^pgvector: volume backup \S+ made and listed after/),
    ]);
  });

  test("are not made again by the next run, unless they are too old for it", async () => {
    const { backUp, made } = await world();
    const first = await backUp();
    const second = await backUp();
    expect(second.tookTime).toBe(false);
    const ids = ({ record }: typeof first) =>
      record.kind === "made" ? record.volumes.map(({ id }) => id) : [];
    expect(ids(second)).toEqual(ids(first));
    expect(second.record).toMatchObject({ volumes: [{ isReused: true }, { isReused: true }] });
    expect(made()).toBe(2);
    expect((await backUp({ reuseForMs: 0 })).tookTime).toBe(true);
    expect(made()).toBe(4);
  });

  test("one that fails ends it with Railway's reason, and the other is not waited for", async () => {
    const { backUp, simulator } = await world({ pace: { workflowUnknownMs: 20, workflowRunningMs: 40 } });
    simulator.failNextWorkflow();
    await expect(backUp()).rejects.toMatchObject({
      code: "BACKUP_FAILED",
      message: expect.stringContaining("the snapshot failed"),
      remedy: expect.stringContaining("`backups.beforeCutover: skip`"),
    });
  });

  test("one that hangs ends it after its time", async () => {
    const { backUp } = await world({ pace: { workflowRunningMs: 60_000 } });
    await expect(backUp({ timeoutMs: 1_000 })).rejects.toMatchObject({ code: "BACKUP_TIMEOUT" });
  });

  test("end at once when the run loses its locks, with that reason", async () => {
    const { backUp, lost } = await world({ pace: { workflowRunningMs: 60_000 } });
    const ended = expect(backUp({ timeoutMs: 60_000 })).rejects.toThrow("the locks are lost");
    setTimeout(() => lost.abort(new Error("the locks are lost")), 200);
    await ended;
  });

  test("that the token may not make say so, and what a human can do", async () => {
    const { backUp } = await world({ quirks: { projectTokenMayBackUp: false } });
    await expect(backUp()).rejects.toMatchObject({
      code: "BACKUP_NOT_PERMITTED",
      remedy: expect.stringMatching(/dashboard.*`backups\.beforeCutover: skip`/),
    });
  });

  test("survive an answer that is lost after Railway has begun", async () => {
    const { backUp, simulator, made } = await world();
    simulator.failRequests({ mode: "reset-after-apply", times: 1, kind: "mutation" });
    expect((await backUp()).record).toMatchObject({ volumes: [{ isReused: false }, { isReused: false }] });
    expect(made()).toBe(2);
  });

  test("may be skipped for a reason, which the record keeps", async () => {
    const { backUp, made } = await world();
    const { record, tookTime } = await backUp({ beforeCutover: "skip", reason: "the volumes are mirrored" });
    expect({ record, tookTime }).toEqual({
      record: { kind: "skipped", reason: "the volumes are mirrored" },
      tookTime: false,
    });
    expect(made()).toBe(0);
  });
});
