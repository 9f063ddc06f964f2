import { type ConnectionTarget, databaseUrl } from "../../../components/postgres/connection.ts";
import { type Container, startContainer } from "../railway/container.ts";
import { appCommand } from "./app-command.ts";
import { type WriterSettings, writerVariables } from "./writer-settings.ts";

export interface StraightJobOptions {
  /** Part of its sessions' application name and of its writers' names. */
  readonly name: string;
  readonly connection: ConnectionTarget;
  readonly ledgerFolder: string;
  readonly writers: Partial<WriterSettings>;
}

/**
 * Starts a job that is no service of the platform: it holds the host and port of one database and connects there for ever,
 * through outages, refusals and a seal, whatever is written in any variable.
 */
export function startStraightJob({
  name,
  connection,
  ledgerFolder,
  writers,
}: StraightJobOptions): Promise<Container> {
  return startContainer(appCommand, {
    ...writerVariables(writers),
    DATABASE_URL: databaseUrl(connection),
    SERVICE_NAME: name,
    DEPLOYMENT_ID: "by-hand",
    WORLD_PRIVATE_NETWORK: "{}",
    WORLD_LEDGER: `${ledgerFolder}/${name}.jsonl`,
  });
}
