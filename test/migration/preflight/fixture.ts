import { type ConnectionTarget, withConnection } from "../../../components/postgres/connection.ts";
import { createDatabase, type TestDatabase } from "../../world/postgres/databases.ts";
import type { PreflightWorld } from "./world.ts";

interface Server {
  readonly hasPgvector: boolean;
  connection(database?: string): ConnectionTarget;
}

/** Filled once for a test file, copied for each of its tests. */
export interface PreflightFixture {
  /** A pair of fresh copies; `whenDone` gets what drops them. */
  createWorld(whenDone: (clean: () => Promise<void>) => unknown): Promise<FixtureWorld>;
  drop(): Promise<void>;
}

export interface FixtureWorld {
  readonly connections: PreflightWorld;
  /** Accepts what this machine lacks. */
  readonly accept: ReadonlyArray<{ code: string; object: string; reason: string }>;
}

/** A small source of three schemas and a target with a protected one: nothing speaks against the move. */
export async function createFixture(servers: { source: Server; target: Server }): Promise<PreflightFixture> {
  const createPair = async (templates?: { source: TestDatabase; target: TestDatabase }) => {
    const [source, target] = await Promise.all(
      (["source", "target"] as const).map((side) => {
        const template = templates?.[side].connection.database;
        return createDatabase(servers[side], template === undefined ? {} : { template });
      }),
    );
    return { source, target } as { source: TestDatabase; target: TestDatabase };
  };
  const dropPair = async ({ source, target }: { source: TestDatabase; target: TestDatabase }) => {
    await Promise.all([source.drop(), target.drop()]);
  };
  const templates = await createPair();
  await runSql(templates.source.connection, sourceContents);
  await runSql(templates.target.connection, targetContents(servers.target.hasPgvector));
  return {
    createWorld: async (whenDone) => {
      const pair = await createPair(templates);
      whenDone(() => dropPair(pair));
      return {
        connections: { source: pair.source.connection, target: pair.target.connection },
        accept: servers.target.hasPgvector
          ? []
          : [{ code: "VECTOR_MISSING", object: "target", reason: "no pgvector on this machine" }],
      };
    },
    drop: () => dropPair(templates),
  };
}

export async function runSql(connection: ConnectionTarget, sql: string): Promise<void> {
  await withConnection(connection, { purpose: "test" }, (client) => client.query(sql));
}

const sourceContents = `
  CREATE SCHEMA medical_records; CREATE SCHEMA practice_management;
  CREATE TABLE public.users (id serial PRIMARY KEY, email text UNIQUE);
  CREATE TABLE medical_records.patient (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_id int REFERENCES public.users, mrn text NOT NULL);
  CREATE TABLE practice_management.appointment (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), patient_id bigint REFERENCES medical_records.patient);
  INSERT INTO public.users (email) SELECT 'u' || g FROM generate_series(1, 100) g;
  INSERT INTO medical_records.patient (user_id, mrn) SELECT g, 'MRN' || g FROM generate_series(1, 100) g`;

function targetContents(hasPgvector: boolean): string {
  return `
    ${hasPgvector ? "CREATE EXTENSION vector SCHEMA public;" : ""}
    CREATE SCHEMA llm_assistant;
    CREATE TABLE llm_assistant.chunk (id bigserial PRIMARY KEY, body text);
    INSERT INTO llm_assistant.chunk (body) SELECT 'c' || g FROM generate_series(1, 50) g`;
}
