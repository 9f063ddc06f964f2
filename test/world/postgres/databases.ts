import { randomBytes } from "node:crypto";
import { type ConnectionTarget, withConnection } from "../../../components/postgres/connection.ts";
import { quoteIdentifier } from "../../../components/postgres/identifiers.ts";

/** A database for one test or one test file. */
export interface TestDatabase {
  readonly connection: ConnectionTarget;
  /** Ends every session on it and drops it, sealed or not. */
  drop(): Promise<void>;
}

/** Creates a database of a fresh name on a running server, as a copy of `template` where one is given. */
export async function createDatabase(
  server: { connection(database?: string): ConnectionTarget },
  options: { template?: string } = {},
): Promise<TestDatabase> {
  const name = `test_${randomBytes(6).toString("hex")}`;
  // FILE_COPY does not write the template's content to the log: faster for filled ones.
  const from =
    options.template === undefined ? "" : ` TEMPLATE ${quoteIdentifier(options.template)} STRATEGY FILE_COPY`;
  const administrate = (statement: string) =>
    withConnection(server.connection("postgres"), { purpose: "world" }, (client) => client.query(statement));
  await administrate(`CREATE DATABASE ${quoteIdentifier(name)}${from}`);
  return {
    connection: server.connection(name),
    drop: async () => {
      await administrate(`DROP DATABASE IF EXISTS ${quoteIdentifier(name)} WITH (FORCE)`);
    },
  };
}
