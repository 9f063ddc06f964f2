import type { RecordIn, ServiceRecord } from "../../components/migration/journal/record.ts";
import { makeReport, type Report } from "../../components/migration/report.ts";
import { loadingRecord, switchingRecord } from "../migration/records.ts";

/** Seconds after the first lock, as the journal writes times. */
export function at(seconds: number): string {
  return new Date(Date.UTC(2026, 10, 24, 2, 0, 0) + seconds * 1_000).toISOString();
}

const where = { project: "clinic", environment: "production" };

/** A name that would run a script, were it not escaped. */
export const hostileName = `<img src=x onerror="document.title='hacked'"><script>document.title='hacked'</script>`;

/** What a cutover that went well leaves in the journal: a pause of 40 s, in it 20 s for copy and comparison. */
export function promotedReport(): Report {
  const { context, load, fence } = switchingRecord({
    "@healthcare/public": service("old-1", "new-1", 21, 27),
    "@healthcare/api": {
      ...service("old-2", "new-2", 28, 36),
      previous: { DATABASE_URL: { kind: "literal", encrypted: "source:c2VjcmV0" } },
    },
  });
  const record: RecordIn<"finished"> = {
    state: "finished",
    context: {
      ...context,
      transport: { source: "with TLS, certificate 5A:0C", target: "IN CLEAR TEXT (made up)" },
    },
    load: {
      ...load,
      backups: {
        kind: "made",
        volumes: [
          {
            service: "Postgres",
            id: "b7c1",
            name: hostileName,
            volumeId: "v1",
            createdAt: at(-300),
            expiresAt: null,
            usedMB: 3,
            isReused: true,
          },
        ],
      },
    },
    fence: {
      ...fence,
      pausedAt: at(0),
      fencedAt: at(20),
      copiedBytes: 1_234_567,
      tables: [
        {
          schema: "public",
          name: "users",
          source: { rows: "9007199254740993", hash: "c0ffee" },
          target: { rows: "9007199254740993", hash: "c0ffee" },
        },
        { schema: "public", name: hostileName, source: { rows: "1", hash: "c0ffee" }, target: null },
      ],
      gate: {
        verdict: "green",
        compared: { tables: 2, catalogueObjects: 30, sequences: 3, protectedObjects: 12 },
        differences: [
          {
            code: "CONTENT_DIFFERS",
            object: `table public.${hostileName}`,
            aspect: "values",
            accepted: "the hook fills it anew",
          },
        ],
        writtenByOthers: ["table llm_assistant.chunk"],
      },
    },
    promotion: { promotedAt: at(40), writePauseMs: 40_000 },
  };
  return makeReport(
    { id: "592ecf8c-3493-4a97-b016-a6ae5a0f89de", epoch: 1, updatedAt: at(41), record },
    [
      { at: at(0.5), state: "loading", text: "begun" },
      { at: at(20), state: "switching", text: "both databases are being fenced" },
      { at: at(40), state: "promoted", text: "promoted" },
      { at: at(41), state: "finished", text: "finished" },
      { at: at(14 * 24 * 60 * 60), state: "finished", text: "the old database is stopped" },
    ],
    where,
  );
}

/** One that was put back before the copy was found equal. */
export function abortedReport(): Report {
  const { context, load } = loadingRecord();
  return makeReport(
    {
      id: "7bd33e28",
      epoch: 1,
      updatedAt: at(9),
      record: { state: "aborted", context, load, fence: null, reason: "GATE_RED: it differs." },
    },
    [
      { at: at(0), state: "loading", text: "begun" },
      { at: at(9), state: "aborted", text: "GATE_RED: it differs." },
    ],
    where,
  );
}

function service(old: string, deployed: string, askedAt: number, provenAt: number): ServiceRecord {
  return {
    serviceId: `id-${deployed}`,
    previous: { DATABASE_URL: { kind: "reference", text: "${{Postgres.DATABASE_URL}}" } },
    replaces: [old],
    startedAt: at(askedAt),
    askedAt: at(askedAt),
    deploymentId: deployed,
    provenAt: at(provenAt),
  };
}
