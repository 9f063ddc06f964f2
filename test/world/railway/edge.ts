import { type HttpServer, startHttpServer } from "./http-server.ts";

/**
 * The public domain of a service: one stable address that leads to whichever container serves now, and answers 502
 * when none does.
 */
export function startEdge(servingUrl: () => string | undefined): Promise<HttpServer> {
  return startHttpServer(async ({ method, url }) => {
    const destination = servingUrl();
    if (destination === undefined) return applicationFailedToRespond;
    try {
      const answer = await fetch(destination + url.pathname, { method, signal: AbortSignal.timeout(5_000) });
      return { status: answer.status, body: await answer.text() };
    } catch {
      return applicationFailedToRespond;
    }
  });
}

const applicationFailedToRespond = { status: 502, body: "Application failed to respond" } as const;
