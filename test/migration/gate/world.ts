import { runGate } from "../../../components/migration/gate/gate.ts";
import { type GateReport, gateReportSchema } from "../../../components/migration/gate/report.ts";
import type { Acceptance } from "../../../components/migration/inputs.ts";
import { withConnection } from "../../../components/postgres/connection.ts";
import {
  fingerprintProtected,
  type ProtectedFingerprint,
} from "../../../components/postgres/fingerprint/fingerprint.ts";
import { rolesDdl } from "../../postgres/catalogue/catalogue-ddl.ts";
import { createDatabase, type TestDatabase } from "../../world/postgres/databases.ts";
import { sharedServers } from "../../world/postgres/shared.ts";

export const protectedSchemas = ["llm_assistant"];

/** Owned and read by roles of its own, with large objects that are no affair of the move. */
export const protectedDdl = `
  ${rolesDdl}
  CREATE SCHEMA llm_assistant;
  CREATE TABLE llm_assistant.chunk(id serial PRIMARY KEY, body text);
  INSERT INTO llm_assistant.chunk(body) SELECT 'chunk ' || g FROM generate_series(1, 20) g;
  SELECT lo_from_bytea(0, '\\x01'), lo_from_bytea(0, '\\x02');
  GRANT USAGE ON SCHEMA llm_assistant TO clinic_reader;
  GRANT SELECT ON ALL TABLES IN SCHEMA llm_assistant TO clinic_reader;
  ALTER DEFAULT PRIVILEGES IN SCHEMA llm_assistant GRANT SELECT ON TABLES TO clinic_reader;
  ALTER SCHEMA llm_assistant OWNER TO clinic_owner;
  ALTER TABLE llm_assistant.chunk OWNER TO clinic_owner;
`;

export interface GateOptions {
  readonly accept?: Acceptance[];
  readonly snapshot?: string | undefined;
}

/** A source, and a target that was given the same definitions and rows: whatever differs is a test's doing. */
export interface GateWorld {
  readonly source: TestDatabase;
  /** A copy on which the tests may work. */
  createTarget(): Promise<TestDatabase>;
  gate(
    target: TestDatabase,
    protectedBefore: ProtectedFingerprint,
    options?: GateOptions,
  ): Promise<GateReport>;
  /** Gates a copy on which the statements were run by a session that has ended. */
  gateAfter(statements: string | readonly string[], options?: GateOptions): Promise<GateReport>;
  drop(): Promise<void>;
}

export async function createGateWorld(ddl: string, schemas: readonly string[]): Promise<GateWorld> {
  const servers = sharedServers();
  const [source, template] = await Promise.all([
    createDatabase(servers.source),
    createDatabase(servers.target),
  ]);
  await Promise.all([run(source, ddl), run(template, `${ddl} ${protectedDdl}`)]);
  const createTarget = () => createDatabase(servers.target, { template: template.connection.database });
  const gate: GateWorld["gate"] = async (target, protectedBefore, options = {}) => {
    const report = await runGate({
      source: source.connection,
      snapshot: options.snapshot,
      target: target.connection,
      schemas,
      protectedSchemas,
      protectedBefore,
      accept: options.accept ?? [],
      workers: 2,
    });
    return gateReportSchema.parse(JSON.parse(JSON.stringify(report)));
  };
  return {
    source,
    createTarget,
    gate,
    gateAfter: async (statements, options) => {
      const target = await createTarget();
      try {
        const protectedBefore = await fingerprint(target);
        await run(target, statements);
        return await gate(target, protectedBefore, options);
      } finally {
        await target.drop();
      }
    },
    drop: async () => {
      await Promise.all([source.drop(), template.drop()]);
    },
  };
}

export function fingerprint(database: TestDatabase): Promise<ProtectedFingerprint> {
  return withConnection(database.connection, { purpose: "test" }, (client) =>
    fingerprintProtected(client, protectedSchemas),
  );
}

export async function run(database: TestDatabase, statements: string | readonly string[]): Promise<void> {
  await withConnection(database.connection, { purpose: "test" }, async (client) => {
    for (const statement of [statements].flat()) await client.query(statement);
  });
}

/** `CODE object aspect` of every difference. */
export function shown({ differences }: GateReport): string[] {
  return differences.map(({ code, object, aspect }) =>
    [code, object, aspect].filter((part) => part).join(" "),
  );
}
