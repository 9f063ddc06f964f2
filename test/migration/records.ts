import type { RecordIn, ServiceRecord } from "../../components/migration/journal/record.ts";

/** Journal records for tests: complete, and of no real database. */
export function loadingRecord(changes: Partial<RecordIn<"loading">["load"]> = {}): RecordIn<"loading"> {
  return {
    state: "loading",
    context: {
      project: "p",
      environment: "e",
      source: { serviceName: "Postgres", serviceId: "s1", systemIdentifier: "1", database: "railway" },
      target: { serviceName: "pgvector", serviceId: "s2" },
      schemas: ["public"],
      protectedSchemas: ["llm_assistant"],
      startedAt: "2025-01-01T00:00:00.000Z",
    },
    load: {
      createdSchemas: [],
      expectedRelations: [],
      protectedBefore: { extension: null, structure: {}, identities: {}, tables: {}, sequences: {} },
      ...changes,
    },
  };
}

export function switchingRecord(services: Record<string, ServiceRecord> = {}): RecordIn<"switching"> {
  return {
    ...loadingRecord(),
    state: "switching",
    fence: {
      fencedAt: "2025-01-01T00:00:02.000Z",
      epoch: 1,
      pausedAt: "2025-01-01T00:00:01.000Z",
      tables: [],
      copiedBytes: 0,
      sourceCatalogue: "",
      services,
    },
  };
}

export function abortingRecord(fence: RecordIn<"aborting">["fence"] = null): RecordIn<"aborting"> {
  const { context, load } = loadingRecord();
  return { state: "aborting", context, load, fence, reason: "it failed" };
}
