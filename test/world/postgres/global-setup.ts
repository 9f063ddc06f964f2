import type { TestProject } from "vitest/node";
import { type PostgresServer, type ServerFacts, startServer } from "./server.ts";

/** Starts one source and one target for the whole test run; returns what stops them. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const started = await Promise.allSettled(
    (["source", "target"] as const).map((role) =>
      startServer({ role, settings: { max_connections: "200" }, progress: console.log }),
    ),
  );
  const servers = started.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  const dispose = async () => {
    await Promise.all(servers.map((server) => server.dispose()));
  };
  const [source, target] = servers;
  if (source === undefined || target === undefined) {
    await dispose();
    throw started.find((result) => result.status === "rejected")?.reason;
  }
  for (const { role, origin } of servers) console.log(`${role}: ${origin}`);
  project.provide("postgresServers", { source: factsOf(source), target: factsOf(target) });
  return dispose;
}

/** The data without the functions, which cannot be sent to the test processes. */
function factsOf(server: PostgresServer): ServerFacts {
  const { role, majorVersion, hasPgvector, origin, host, port, user, password, offersTls, fingerprint } =
    server;
  return { role, majorVersion, hasPgvector, origin, host, port, user, password, offersTls, fingerprint };
}
