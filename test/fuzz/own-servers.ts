import { type PostgresServer, startServer } from "../world/postgres/server.ts";

/** A source and a target that no other test uses: roles that those make on a shared one can be a reason to refuse. */
export async function startOwnServers(): Promise<{
  readonly source: PostgresServer;
  readonly target: PostgresServer;
  dispose(): Promise<void>;
}> {
  const source = await startServer({ role: "source" });
  const target = await startServer({ role: "target" });
  return {
    source,
    target,
    async dispose() {
      await Promise.all([source.dispose(), target.dispose()]);
    },
  };
}
