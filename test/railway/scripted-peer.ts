import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** One request as the peer received it. */
export interface ReceivedRequest {
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly operation: string;
  readonly query: string;
  readonly variables: Record<string, unknown>;
}

export type Reply = (response: ServerResponse, request: ReceivedRequest) => void;

export interface ScriptedPeer extends AsyncDisposable {
  readonly endpoint: string;
  readonly requests: readonly ReceivedRequest[];
  /** The operations that arrived, in order. */
  operations(): string[];
}

/** An HTTP server on a free port that answers the n-th request with the n-th reply; the last one repeats. */
export async function startScriptedPeer(...replies: Reply[]): Promise<ScriptedPeer> {
  const requests: ReceivedRequest[] = [];
  const server = createServer(async (message, response) => {
    const request = await readRequest(message);
    requests.push(request);
    const reply = replies[Math.min(requests.length, replies.length) - 1];
    reply?.(response, request);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: `http://127.0.0.1:${port}/graphql/v2`,
    requests,
    operations: () => requests.map(({ operation }) => operation),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** HTTP 200 with these data. */
export function data(value: unknown, headers: Record<string, string> = {}): Reply {
  return json(200, { data: value }, headers);
}

/** A GraphQL error as Railway's resolvers send it. */
export function failure(message: string, code = "INTERNAL_SERVER_ERROR", status = 200): Reply {
  return json(status, { data: null, errors: [{ message, path: ["root"], extensions: { code } }] });
}

export function json(status: number, body: unknown, headers: Record<string, string> = {}): Reply {
  return (response) => {
    response.writeHead(status, { "Content-Type": "application/json", ...headers }).end(JSON.stringify(body));
  };
}

export function text(status: number, body: string, headers: Record<string, string> = {}): Reply {
  return (response) => {
    response.writeHead(status, { "Content-Type": "text/html", ...headers }).end(body);
  };
}

/** Accepts the request and never answers. */
export const silence: Reply = () => {};

/** Resets the connection after the request was received. */
export const reset: Reply = (response) => {
  response.socket?.resetAndDestroy();
};

/** Sends the head and half a body, then cuts the line. */
export const cut: Reply = (response) => {
  response.writeHead(200, { "Content-Type": "application/json", "Content-Length": "1000" });
  response.write('{"data":', () => response.socket?.destroy());
};

async function readRequest(message: IncomingMessage): Promise<ReceivedRequest> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  const body = JSON.parse(Buffer.concat(chunks).toString("utf8"));
  return {
    url: message.url ?? "",
    headers: message.headers,
    operation: body.operationName,
    query: body.query,
    variables: body.variables,
  };
}
