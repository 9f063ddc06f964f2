import type { ConnectionTarget } from "../../postgres/connection.ts";

/**
 * Another database of the same server, for what cannot be done from inside: ALTER DATABASE … ALLOW_CONNECTIONS is
 * refused for the current one (22023). `postgres` and `template1` exist on every server that initdb made.
 */
export function maintenanceDatabase(connection: ConnectionTarget): string {
  return connection.database === "postgres" ? "template1" : "postgres";
}
