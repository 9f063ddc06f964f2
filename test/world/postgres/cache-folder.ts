import { homedir } from "node:os";
import { join } from "node:path";

/** Where the local world keeps what it downloads once and no checkout brings along. */
export function cacheFolder(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "railway-pgvector-cutover");
}
