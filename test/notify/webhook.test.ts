import { describe, expect, test } from "vitest";
import { createWebhook, parseWebhookUrl } from "../../components/notify/webhook.ts";
import { closedPort } from "../migration/preflight/closed-port.ts";
import { startWebhookServer, webhookSecret } from "../world/chat/webhook-server.ts";

/** A webhook that loses no time, and what it reported. */
function webhookTo(url: URL, timeoutMs = 5_000) {
  const lines: string[] = [];
  const options = { report: (line: string) => void lines.push(line), timeoutMs, retryDelaysMs: [5, 5] };
  return { ...createWebhook(url, options), lines };
}

/** Long enough for whatever is under way. */
const patienceMs = 20_000;

describe("a webhook", () => {
  test("gets each message as Slack takes it, once and in order", async () => {
    await using chat = await startWebhookServer();
    const { send, end, lines } = webhookTo(chat.url);
    send("first");
    send('second "quoted"\nline');
    await end(patienceMs);
    expect(chat.texts()).toEqual(["first", 'second "quoted"\nline']);
    expect(chat.received[0]).toMatchObject({
      path: `/services/${webhookSecret}`,
      contentType: "application/json",
      body: '{"text":"first"}',
    });
    expect(lines).toEqual([]);
  });

  test.for([500, 503, 429])("that answers %i is asked again", async (status) => {
    await using chat = await startWebhookServer((number, _request, response) =>
      response.writeHead(number < 2 ? status : 200).end(),
    );
    const { send, end, lines } = webhookTo(chat.url);
    send("told");
    await end(patienceMs);
    expect(chat.texts()).toEqual(["told", "told", "told"]);
    expect(lines).toEqual([]);
  });

  test.for<[number, number]>([
    [500, 3],
    [404, 1],
    [403, 1],
  ])(
    "that goes on answering %i is asked %i times, and the next message all the same",
    async ([status, times]) => {
      await using chat = await startWebhookServer((number, _request, response) =>
        response.writeHead(number < times ? status : 200).end("no"),
      );
      const { send, end, lines } = webhookTo(chat.url);
      send("lost");
      send("told");
      await end(patienceMs);
      expect(chat.texts()).toEqual([...Array.from({ length: times }, () => "lost"), "told"]);
      expect(lines).toEqual([`a message to the webhook was not delivered: it answered with HTTP ${status}`]);
    },
  );

  test.for([301, 302, 307, 308])(
    "that answers with the redirect %i is not followed anywhere",
    async (status) => {
      await using elsewhere = await startWebhookServer();
      await using chat = await startWebhookServer((_number, _request, response) =>
        response.writeHead(status, { location: elsewhere.url.href }).end(),
      );
      const { send, end, lines } = webhookTo(chat.url);
      send("told");
      await end(patienceMs);
      expect(elsewhere.received).toEqual([]);
      expect(chat.received).toHaveLength(1);
      expect(lines).toEqual(["a message to the webhook was not delivered: it answered with a redirect"]);
    },
  );

  test("that does not answer in time is asked again, and then left", async () => {
    await using chat = await startWebhookServer(() => {});
    const { send, end, lines } = webhookTo(chat.url, 50);
    send("told");
    await end(patienceMs);
    expect(chat.texts()).toEqual(["told", "told", "told"]);
    expect(lines).toEqual(["a message to the webhook was not delivered: it did not answer in time"]);
  });

  test("that cuts its answer off is asked again", async () => {
    await using chat = await startWebhookServer((number, request, response) => {
      if (number === 0) request.socket.destroy();
      else response.end();
    });
    const { send, end, lines } = webhookTo(chat.url);
    send("told");
    await end(patienceMs);
    expect(chat.texts()).toEqual(["told", "told"]);
    expect(lines).toEqual([]);
  });

  test("that hangs keeps nobody waiting: sending returns at once, and the end comes in its time", async () => {
    await using chat = await startWebhookServer(() => {});
    const { send, end, lines } = webhookTo(chat.url, 600_000);
    send("first");
    send("second");
    await end(20);
    expect(lines).toEqual(["2 messages to the webhook were given up: it took too long"]);
    send("after the end");
    await end(20);
    expect(chat.received.length).toBeLessThan(2);
  });

  test("that nobody is behind is told in a line, without its address", async () => {
    const port = await closedPort();
    const { send, end, lines } = webhookTo(new URL(`http://127.0.0.1:${port}/services/${webhookSecret}`));
    send("told");
    await end(patienceMs);
    expect(lines).toEqual([
      "a message to the webhook was not delivered: it could not be reached (ECONNREFUSED)",
    ]);
  });
});

describe("the address of a webhook", () => {
  test.for([
    "https://hooks.slack.com/services/T0/B0/x",
    "http://127.0.0.1:8080/x",
    "http://[::1]:8080/x",
    "http://localhost/x",
  ])("may be %s", (text) => {
    expect(parseWebhookUrl(text).href).toBe(text);
  });

  test.for([
    `hooks.slack.com/services/${webhookSecret}`,
    `http://hooks.slack.com/services/${webhookSecret}`,
    `http://127.0.0.1.example.com/${webhookSecret}`,
    `ftp://127.0.0.1/${webhookSecret}`,
    `file:///${webhookSecret}`,
    `https://someone:${webhookSecret}@example.com/`,
    `https://exa mple/${webhookSecret}`,
  ])("may not be %s, which the error does not repeat", (text) => {
    const parse = () => parseWebhookUrl(text);
    expect(parse).toThrow(expect.objectContaining({ code: "WEBHOOK_INVALID" }));
    expect(parse).not.toThrow(/SECRET|Secret|example|hooks/);
  });
});
