import { setTimeout as delay } from "node:timers/promises";
import { CutoverError } from "../errors.ts";

/** Where people are told, by messages that are sent beside the work. Its address is a secret: whoever has it can post. */
export interface Webhook {
  /** Queues a message and returns at once. Never throws: what could not be delivered is a line of the report. */
  send(text: string): void;
  /** Gives what is still under way so long, then drops it. Nothing is sent afterwards. */
  end(withinMs: number): Promise<void>;
}

export interface WebhookOptions {
  /** Gets one line for each message that was not delivered; without the address. */
  readonly report: (line: string) => void;
  /** For one request. Default 5 s. */
  readonly timeoutMs?: number;
  /** Before each further try of the same message. Default 1 s, then 5 s. */
  readonly retryDelaysMs?: readonly number[];
}

/**
 * Parses the address of a webhook.
 *
 * @throws CutoverError `WEBHOOK_INVALID`, which does not quote it
 */
export function parseWebhookUrl(text: string): URL {
  const url = URL.parse(text);
  if (url === null) throw invalid("it is no URL");
  const isLocal = ["127.0.0.1", "[::1]", "localhost"].includes(url.hostname);
  if (url.protocol !== "https:" && !(url.protocol === "http:" && isLocal)) throw invalid("it is not https");
  if (url.username !== "" || url.password !== "") throw invalid("it has a user name or password in it");
  return url;
}

/**
 * A webhook that takes `{"text": …}` by POST, as Slack's incoming webhooks do and what is compatible with them. Messages go one
 * after the other. One that was not answered is sent again, so it may arrive twice.
 */
export function createWebhook(
  url: URL,
  { report, timeoutMs = 5_000, retryDelaysMs = [1_000, 5_000] }: WebhookOptions,
): Webhook {
  const ending = new AbortController();
  let waiting = 0;
  let last = Promise.resolve();

  const deliver = async (text: string) => {
    for (const delayMs of [...retryDelaysMs, null]) {
      const failure = await post(url, text, timeoutMs, ending.signal);
      if (ending.signal.aborted) return;
      if (failure === undefined) break;
      if (!failure.mayPass || delayMs === null) {
        report(`a message to the webhook was not delivered: ${failure.why}`);
        break;
      }
      await delay(delayMs, undefined, { signal: ending.signal, ref: false }).catch(() => {});
    }
    waiting -= 1;
  };

  return {
    send(text) {
      if (ending.signal.aborted) return;
      waiting += 1;
      last = last.then(() => deliver(text));
    },
    async end(withinMs) {
      const isOver = new AbortController();
      await Promise.race([last, delay(withinMs, undefined, { signal: isOver.signal }).catch(() => {})]);
      isOver.abort();
      if (waiting > 0) report(`${waiting} messages to the webhook were given up: it took too long`);
      ending.abort();
    },
  };
}

interface Failure {
  readonly why: string;
  /** Whether the same request may succeed later. */
  readonly mayPass: boolean;
}

/** Without the text of any error: `fetch` quotes addresses in some. */
async function post(
  url: URL,
  text: string,
  timeoutMs: number,
  ending: AbortSignal,
): Promise<Failure | undefined> {
  const timeout = AbortSignal.timeout(timeoutMs);
  try {
    const response = await fetch(url, {
      method: "POST",
      // Followed, it would carry the message to whatever host the answer names.
      redirect: "manual",
      headers: { "content-type": "application/json", "user-agent": "railway-pgvector-cutover" },
      body: JSON.stringify({ text }),
      signal: AbortSignal.any([timeout, ending]),
    });
    await response.body?.cancel();
    const { status, ok } = response;
    if (ok) return undefined;
    if (status >= 300 && status < 400) return { why: "it answered with a redirect", mayPass: false };
    return { why: `it answered with HTTP ${status}`, mayPass: status === 429 || status >= 500 };
  } catch (error) {
    if (timeout.aborted) return { why: "it did not answer in time", mayPass: true };
    const { code } = (error as { cause?: { code?: unknown } }).cause ?? {};
    const named = typeof code === "string" && /^[A-Z_]+$/.test(code) ? ` (${code})` : "";
    return { why: `it could not be reached${named}`, mayPass: true };
  }
}

function invalid(why: string): CutoverError {
  return new CutoverError({
    code: "WEBHOOK_INVALID",
    message: `The webhook's address cannot be used: ${why}.`,
    remedy:
      "Set CUTOVER_WEBHOOK_URL, or the stack's secret webhookUrl, to the https address that your chat gave you, or take it away.",
  });
}
