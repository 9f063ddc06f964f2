import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

/** What a chat got. */
export interface Received {
  readonly path: string;
  readonly contentType: string | undefined;
  readonly body: string;
}

/** A chat's side of a webhook on this machine. */
export interface WebhookServer extends AsyncDisposable {
  /** With a secret in its path, as Slack's have. */
  readonly url: URL;
  readonly received: Received[];
  /** The texts of what it got, in order. */
  texts(): string[];
}

/** What stands in the path of its address, and must be found nowhere. */
export const webhookSecret = "T0SECRET/B0SECRET/xoxSecretOfTheChat";

/** @param answer how it answers each request, by its number from 0; by default all is well */
export async function startWebhookServer(
  answer: (number: number, ...parameters: Parameters<RequestListener>) => void = (
    _number,
    _request,
    response,
  ) => void response.end("ok"),
): Promise<WebhookServer> {
  const received: Received[] = [];
  const server = createServer(async (request, response) => {
    const { url: path = "", headers } = request;
    const number =
      received.push({ path, contentType: headers["content-type"], body: await text(request) }) - 1;
    answer(number, request, response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: new URL(`http://127.0.0.1:${port}/services/${webhookSecret}`),
    received,
    texts: () => received.map(({ body }) => (JSON.parse(body) as { text: string }).text),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
