import { afterEach, expect, test, vi } from "vitest";
import { configure, railwayOptions, webhook, webhookUrl } from "../../components/dynamic/session.ts";
import { createRailway } from "../../components/railway/railway.ts";
import { silence, startScriptedPeer } from "../railway/scripted-peer.ts";

afterEach(() => void vi.unstubAllEnvs());

const fallback = { kind: "project", secret: "token-of-the-stack" };

test("the client waits as long as Railway's own CLI does, unless a rehearsal says otherwise", () => {
  expect(railwayOptions(fallback)).toMatchObject({
    pollIntervalMs: 3_000,
    settleTimeoutMs: 15_000,
    limits: { requestTimeoutMs: 90_000 },
  });
  vi.stubEnv("RAILWAY_POLL_INTERVAL_MS", "50");
  vi.stubEnv("RAILWAY_SETTLE_TIMEOUT_MS", "400");
  vi.stubEnv("RAILWAY_REQUEST_TIMEOUT_MS", "30");
  expect(railwayOptions(fallback)).toMatchObject({
    pollIntervalMs: 50,
    settleTimeoutMs: 400,
    limits: { requestTimeoutMs: 30 },
  });
  vi.stubEnv("RAILWAY_REQUEST_TIMEOUT_MS", "0");
  expect(() => railwayOptions(fallback)).toThrow();
});

test("its time limit ends a mutation that gets no answer, which is not sent again unseen", async () => {
  await using peer = await startScriptedPeer(silence);
  vi.stubEnv("RAILWAY_API_URL", peer.endpoint);
  vi.stubEnv("RAILWAY_REQUEST_TIMEOUT_MS", "500");
  vi.stubEnv("RAILWAY_SETTLE_TIMEOUT_MS", "60");
  const options = railwayOptions(fallback);
  const railway = createRailway({ ...options, limits: { ...options.limits, attempts: 1 } });
  const scope = { projectId: "p", projectName: "p", environmentId: "e", environmentName: "e" };
  await expect(railway.setVariable(scope, "s", "GREETING", "hello")).rejects.toMatchObject({
    code: "RAILWAY_UNREACHABLE",
  });
  expect(peer.operations().filter((name) => name === "CutoverVariableUpsert")).toHaveLength(1);
});

test("the webhook's address comes from the environment, or else from the stack's secret", async () => {
  expect(webhookUrl(undefined)).toBeUndefined();
  expect(webhookUrl("https://chat.example/of-the-stack")?.href).toBe("https://chat.example/of-the-stack");
  vi.stubEnv("CUTOVER_WEBHOOK_URL", "");
  expect(webhookUrl("https://chat.example/of-the-stack")?.href).toBe("https://chat.example/of-the-stack");
  vi.stubEnv("CUTOVER_WEBHOOK_URL", "https://chat.example/of-the-shell");
  expect(webhookUrl("https://chat.example/of-the-stack")?.href).toBe("https://chat.example/of-the-shell");
});

test("a webhook that cannot be used is a line, and keeps no provider from its work", async () => {
  const lines: string[] = [];
  await configure({
    config: { get: (key) => (key === "webhookUrl" ? "http://chat.example/xoxSecret" : undefined) },
  });
  expect(webhook((line) => void lines.push(line))).toBeUndefined();
  expect(lines).toEqual([expect.stringContaining("WEBHOOK_INVALID")]);
  expect(lines.join()).not.toMatch(/xoxSecret|chat\.example/);
  await configure({
    config: { get: (key) => (key === "webhookUrl" ? "https://chat.example/x" : undefined) },
  });
  expect(webhook(() => {})).toBeDefined();
  await configure({ config: { get: () => undefined } });
  expect(webhook(() => {})).toBeUndefined();
});
