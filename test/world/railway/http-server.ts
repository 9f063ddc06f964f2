import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";

export interface HttpRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export type HttpAnswer =
  | {
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body: string | object;
    }
  /** The connection is cut without an answer. */
  | "reset"
  /** The connection stays, and no answer ever comes. */
  | "silence";

export interface HttpServer {
  /** `http://127.0.0.1:<port>`. */
  readonly origin: string;
  close(): Promise<void>;
}

/** A server on loopback with a port of the system's choice. A text body is sent as HTML, an object as JSON. */
export async function startHttpServer(
  answer: (request: HttpRequest) => Promise<HttpAnswer>,
): Promise<HttpServer> {
  const server: Server = createServer((request, response) => {
    void (async () => {
      const result = await answer(await readRequest(request));
      if (result === "reset") return request.socket.resetAndDestroy();
      if (result === "silence") return;
      const isText = typeof result.body === "string";
      response.writeHead(result.status, {
        "content-type": isText ? "text/html; charset=utf-8" : "application/json",
        ...result.headers,
      });
      response.end(isText ? result.body : JSON.stringify(result.body));
    })().catch(() => request.socket.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

async function readRequest(request: IncomingMessage): Promise<HttpRequest> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return {
    method: request.method ?? "GET",
    url: new URL(request.url ?? "/", "http://localhost"),
    headers: request.headers,
    body: Buffer.concat(chunks).toString("utf8"),
  };
}
