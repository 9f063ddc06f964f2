import { inject } from "vitest";
import type { ConnectionTarget } from "../../../components/postgres/connection.ts";
import { connectionTo, type ServerFacts } from "./server.ts";

/** A server that all test files of a run share: they take databases from it (`createDatabase`), and leave it running. */
export interface SharedServer extends ServerFacts {
  connection(database?: string): ConnectionTarget;
}

declare module "vitest" {
  interface ProvidedContext {
    postgresServers: { readonly source: ServerFacts; readonly target: ServerFacts };
  }
}

/** The pair of servers that `global-setup.ts` started for this run. */
export function sharedServers(): { readonly source: SharedServer; readonly target: SharedServer } {
  const { source, target } = inject("postgresServers");
  return { source: withConnections(source), target: withConnections(target) };
}

function withConnections(facts: ServerFacts): SharedServer {
  return { ...facts, connection: (database) => connectionTo(facts, database) };
}
