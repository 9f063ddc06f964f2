import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test, vi } from "vitest";
import { CutoverError } from "../../../components/errors.ts";
import {
  type MoveContext,
  moveServices,
  wavesOf,
} from "../../../components/migration/switch/move-services.ts";
import { waitUntilSteady } from "../../../components/migration/switch/steady-services.ts";
import { eventually } from "../../world/railway/test-world.ts";
import { apps, canary, type MoveWorld, startMoveWorld } from "./move-world.ts";

const oldText = "${{Postgres.DATABASE_URL}}";
const aLongTimeMs = 600_000;

/** All services moved and proven. */
async function startMoved(): Promise<MoveWorld> {
  const here = await startMoveWorld();
  await moveServices(here.context(), wavesOf(here.services, true));
  return here;
}

const steady = (here: MoveWorld, healthyForMs: number, changes: Partial<MoveContext> = {}) =>
  waitUntilSteady(here.context(changes), here.services, healthyForMs);

test("services that stay healthy are promoted after that time, with nothing changed", async () => {
  await using here = await startMoved();
  const before = new Map(here.journal);
  const requests = here.world.simulator.requests().length;
  const asked = () => here.world.simulator.requests().slice(requests);
  const waiting = steady(here, aLongTimeMs);
  await eventually(() => asked().length > 2 * apps.length);
  const now = performance.now.bind(performance);
  const clock = vi.spyOn(performance, "now").mockImplementation(() => now() + aLongTimeMs);
  await waiting.finally(() => clock.mockRestore());
  expect(here.journal).toEqual(before);
  expect(asked().every(({ kind }) => kind === "query")).toBe(true);
});

test("0 waits for nothing, and looks once at each", async () => {
  await using here = await startMoved();
  const requests = here.world.simulator.requests().length;
  await steady(here, 0);
  expect(here.world.simulator.requests().length - requests).toBe(apps.length);
});

test("a service that crashes some seconds after it was proven stops the promotion at once, by its name", async () => {
  await using here = await startMoved();
  const requests = here.world.simulator.requests().length;
  const waiting = steady(here, aLongTimeMs);
  void eventually(() => here.world.simulator.requests().length > requests + apps.length).then(() =>
    here.world.simulator.crash(canary),
  );
  await expect(waiting).rejects.toMatchObject({
    code: "DEPLOYMENT_FAILED",
    message: expect.stringContaining(
      `${canary} (${here.journal.get(canary)?.deploymentId}) ended as CRASHED`,
    ),
  });
});

test("one that keeps ending and is started again is found as well", async () => {
  await using here = await startMoved();
  const url = here.world.simulator.serviceUrl(apps[1]);
  let over = false;
  const crashing = (async () => {
    while (!over) {
      await fetch(url, { method: "POST" }).catch(() => {});
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  })();
  await expect(steady(here, aLongTimeMs)).rejects.toMatchObject({
    code: "DEPLOYMENT_FAILED",
    message: expect.stringContaining(apps[1]),
  });
  over = true;
  await crashing;
});

test("one that does not answer its health check any more is found, although Railway calls it healthy", async () => {
  let status = 200;
  const server = createServer((_request, response) => response.writeHead(status).end()).listen(
    0,
    "127.0.0.1",
  );
  await once(server, "listening");
  onTestFinished(() => void server.close());
  await using here = await startMoved();
  const healthCheckUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/health`;
  const services = here.services.map(({ inputs, service }) => ({
    inputs: { ...inputs, healthCheckUrl },
    service,
  }));
  await waitUntilSteady(here.context(), services, 0);
  status = 503;
  await expect(waitUntilSteady(here.context(), services, 0)).rejects.toMatchObject({
    code: "HEALTH_CHECK_FAILED",
    message: expect.stringContaining("HTTP status 503"),
  });
});

test("a push that takes the place of a proven deployment is proven in its place", async () => {
  await using here = await startMoved();
  const proven = here.journal.get(canary);
  const pushed = here.world.simulator.pushDeployment(canary);
  await here.world.simulator.settle();
  await steady(here, 200);
  const record = here.journal.get(canary);
  expect(record?.deploymentId).toBe(pushed);
  expect(record?.provenAt).not.toBe(proven?.provenAt);
  expect(here.serving(canary)).toBe(pushed);
  expect(here.lines.join("\n")).toContain(`somebody deployed it meanwhile; proving ${pushed}`);
});

test("a run that is killed while it proves the push goes on with the push", async () => {
  await using here = await startMoved();
  const pushed = here.world.simulator.pushDeployment(canary);
  await here.world.simulator.settle();
  const { save } = here.context();
  const dying: MoveContext["save"] = async (name, record) => {
    if (record.provenAt !== null) throw new Error("killed");
    await save(name, record);
  };
  await expect(steady(here, 0, { save: dying })).rejects.toThrow("killed");
  expect(here.journal.get(canary)).toMatchObject({ deploymentId: pushed, provenAt: null });
  await expect(steady(here, 0)).rejects.toThrow("was never proven");
  await moveServices(here.context(), wavesOf(here.services, true));
  await steady(here, 0);
  expect(here.journal.get(canary)).toMatchObject({ deploymentId: pushed, provenAt: expect.any(String) });
  expect(here.deployed(canary)).toBe(1);
});

test("a push that was given the old database is refused", async () => {
  await using here = await startMoved();
  const waiting = steady(here, aLongTimeMs);
  here.world.simulator.setVariableByHand(canary, "DATABASE_URL", oldText, { deploy: true });
  await expect(waiting).rejects.toMatchObject({ code: "DEPLOYMENT_HAS_OLD_VARIABLES" });
});

test("a push that fails, or hangs, is nothing to the deployment that serves", async () => {
  await using here = await startMoved();
  for (const fault of ["BUILD", "HANG_WAITING"] as const) {
    here.world.simulator.failNext(canary, fault);
    here.world.simulator.pushDeployment(canary);
    await here.world.simulator.settle();
    await steady(here, 0);
  }
  expect(here.journal.get(canary)?.deploymentId).toBe(here.serving(canary));
});

test("the end of the write pause ends it, and is the reason", async () => {
  await using here = await startMoved();
  const over = new AbortController();
  const limit = new CutoverError({ code: "WRITE_PAUSE_LIMIT", message: "It is over.", remedy: "None." });
  const requests = here.world.simulator.requests().length;
  const waiting = steady(here, aLongTimeMs, { signal: over.signal });
  void eventually(() => here.world.simulator.requests().length > requests).then(() => over.abort(limit));
  await expect(waiting).rejects.toBe(limit);
});
