import { beforeEach, describe, expect, it } from "vitest";
import type { ResolvedService, ResolvedWorld } from "../../../components/migration/decide/resolve.ts";
import type { PreviousValue } from "../../../components/migration/journal/record.ts";
import { recallValue } from "../../../components/migration/recover/previous-value.ts";
import { rememberServices, wavesOf } from "../../../components/migration/switch/move-services.ts";
import {
  applyVariables,
  deployWithVariables,
  proveDeployment,
  type ServiceSwitch,
  waitUntilAlone,
} from "../../../components/migration/switch/service-switch.ts";
import { FakeRailway } from "./fake-railway.ts";

const oldUrl = "postgresql://u:p@postgres.railway.internal:5432/railway";
const newUrl = "postgresql://u:p@pgvector.railway.internal:5432/railway";
const rotatedUrl = "postgresql://u:r0tated@pgvector.railway.internal:5432/railway";
const oldText = "${{Postgres.DATABASE_URL}}";
const newText = "${{pgvector.DATABASE_URL}}";

let railway: FakeRailway;
beforeEach(() => {
  railway = new FakeRailway({ [oldText]: oldUrl, [newText]: newUrl });
  railway.variables.set("DATABASE_URL", oldText);
  railway.deploy();
});

function move(changes: Partial<ServiceSwitch> = {}): ServiceSwitch {
  return {
    scope: { projectId: "p", environmentId: "e" } as ServiceSwitch["scope"],
    serviceId: "api",
    name: "api",
    desired: new Map([["DATABASE_URL", { text: newText, host: "pgvector.railway.internal" }]]),
    healthCheckUrl: null,
    deploymentTimeoutMs: 1_000,
    reporter: { step: () => {}, detail: () => {} },
    ...changes,
  };
}

const deploy = (wanted: ServiceSwitch, ongoing: string | null = null) =>
  deployWithVariables(railway.client(), wanted, ongoing, {});

describe("moving one service", () => {
  it("writes, deploys once and proves it; again it does nothing", async () => {
    for (const expected of [[`set DATABASE_URL ${newText}`, "deploy"], []]) {
      railway.mutations.length = 0;
      await applyVariables(railway.client(), move());
      await proveDeployment(railway.client(), move(), await deploy(move()));
      expect(railway.mutations).toEqual(expected);
    }
  });

  it("takes a reference with other spaces for the same", async () => {
    railway.variables.set("DATABASE_URL", "${{ pgvector.DATABASE_URL }}");
    railway.rendered["${{ pgvector.DATABASE_URL }}"] = newUrl;
    await applyVariables(railway.client(), move());
    expect(railway.mutations).toEqual([]);
  });

  it("waits for a deployment that an interrupted run asked for", async () => {
    railway.variables.set("DATABASE_URL", newText);
    const ongoing = railway.deploy();
    expect(await deploy(move(), ongoing)).toBe(ongoing);
    expect(railway.mutations).toEqual([]);
  });

  it.each(["FAILED", "CRASHED", "REMOVED"])(
    "deploys anew when the deployment of an interrupted run is %s",
    async (status) => {
      railway.variables.set("DATABASE_URL", newText);
      const ongoing = railway.deploy(status);
      expect(await deploy(move(), ongoing)).not.toBe(ongoing);
      expect(railway.mutations).toEqual(["deploy"]);
    },
  );

  it("does not take a deployment with the old database for its own", async () => {
    const serving = railway.deployments[0]?.id;
    railway.variables.set("DATABASE_URL", newText);
    expect(await deploy(move())).not.toBe(serving);
  });

  it("does not take one with an older password of the new database for its own", async () => {
    railway.variables.set("DATABASE_URL", newText);
    const stale = railway.deploy();
    railway.rendered[newText] = rotatedUrl;
    await applyVariables(railway.client(), move());
    for (const ongoing of [null, stale]) expect(await deploy(move(), ongoing)).not.toBe(stale);
    expect(railway.deployments[0]?.variables.get("DATABASE_URL")).toBe(rotatedUrl);
    // The second time it finds the first one's.
    expect(railway.mutations).toEqual(["deploy"]);
    await expect(proveDeployment(railway.client(), move(), stale)).rejects.toMatchObject({
      code: "DEPLOYMENT_HAS_OLD_VARIABLES",
      message: expect.not.stringContaining("r0tated"),
    });
  });

  it("gives lagging reads the time to show the password that the deployment was given", async () => {
    railway.variables.set("DATABASE_URL", newText);
    railway.rendered[newText] = rotatedUrl;
    const id = await deploy(move());
    railway.rendered[newText] = newUrl;
    const client = railway.client();
    const serviceVariables: typeof client.serviceVariables = async (...where) => {
      const seen = await client.serviceVariables(...where);
      railway.rendered[newText] = rotatedUrl;
      return seen;
    };
    await expect(proveDeployment({ ...client, serviceVariables }, move(), id)).resolves.toEqual({
      givenTold: true,
    });
  });

  it("refuses its own deployment when somebody has changed the variable back since", async () => {
    await applyVariables(railway.client(), move());
    const id = await deploy(move());
    railway.variables.set("DATABASE_URL", oldText);
    await expect(proveDeployment(railway.client(), move(), id)).rejects.toMatchObject({
      code: "DEPLOYMENT_HAS_OLD_VARIABLES",
    });
  });

  it.each([
    ["the values of", () => new Map([["DATABASE_URL", null]])],
    ["anything about", () => undefined],
  ])("relies on the sessions where Railway does not tell %s what was given", async (_what, tell) => {
    const lines: string[] = [];
    await applyVariables(railway.client(), move());
    const id = await deploy(move());
    const client = { ...railway.client(), deploymentVariables: async () => tell() };
    const reporter = { step: () => {}, detail: (line: string) => void lines.push(line) };
    await proveDeployment(client, move({ reporter }), id);
    expect(lines).toEqual([expect.stringContaining("does not tell")]);
    expect(await deployWithVariables(client, move(), null, {})).not.toBe(id);
  });

  it("tells whose deployment serves when somebody's push takes the place of its own", async () => {
    await applyVariables(railway.client(), move());
    const told: string[] = [];
    const serving = await deployWithVariables(railway.client(), move(), null, {
      onDeploying: async (id) => {
        told.push(id);
        if (told.length > 1) return;
        railway.superseded.add(id);
        railway.deploy();
      },
    });
    expect(told).toEqual([railway.deployments[1]?.id, serving]);
    expect(serving).toBe(railway.deployments[0]?.id);
    await expect(proveDeployment(railway.client(), move(), serving)).resolves.toEqual({ givenTold: true });
  });

  it("waits until everything earlier is gone, not only what ran when the move began", async () => {
    const [noted] = railway.deployments;
    const pushed = railway.deploy();
    railway.variables.set("DATABASE_URL", newText);
    const [failed, superseded] = [railway.deploy("FAILED"), railway.deploy("REMOVING")];
    const serving = railway.deploy();
    const later = railway.deploy("BUILDING");
    await waitUntilAlone(railway.client(), move(), serving, [noted?.id ?? "", serving]);
    expect(railway.awaitedRemovals[0]?.toSorted()).toEqual([noted?.id, pushed, superseded].toSorted());
    for (const id of [failed, serving, later]) expect(railway.awaitedRemovals[0]).not.toContain(id);
  });

  it.each([
    [true, 0],
    [false, 1],
  ])(
    "looks again for a deployment that nobody noted, if there may be one: %s",
    async (mayHaveDeployed, more) => {
      await applyVariables(railway.client(), move());
      const client = railway.client();
      let looks = 0;
      // The reads of an interrupted run's deployment lag.
      const listDeployments: typeof client.listDeployments = async (...where) => {
        if (looks++ === 1) railway.deploy();
        return client.listDeployments(...where);
      };
      railway.mutations.length = 0;
      await deployWithVariables({ ...client, listDeployments }, move({ mayHaveDeployed }), null, {});
      expect(railway.mutations.filter((mutation) => mutation === "deploy")).toHaveLength(more);
    },
  );

  it("refuses a deployment that was given another database", async () => {
    const old = railway.deployments[0]?.id ?? "";
    await expect(proveDeployment(railway.client(), move(), old)).rejects.toMatchObject({
      code: "DEPLOYMENT_HAS_OLD_VARIABLES",
    });
  });
});

describe("moving one service back", () => {
  const back = (text: string) => move({ desired: new Map([["DATABASE_URL", { text, host: null }]]) });

  it.each([
    ["a reference", oldText],
    ["a literal", oldUrl],
  ])("deploys it again when what serves was given the new database: %s", async (_what, text) => {
    railway.variables.set("DATABASE_URL", newText);
    const moved = railway.deploy();
    await applyVariables(railway.client(), back(text));
    expect(await deploy(back(text))).not.toBe(moved);
    expect(railway.deployments[0]?.variables.get("DATABASE_URL")).toBe(oldUrl);
  });
});

describe("remembering", () => {
  it("remembers the source where a variable names the target already, but the service runs on the source", async () => {
    railway.variables.set("DATABASE_URL", newText);
    const world = {
      services: [service("api")],
      source: { connection: { password: "p" }, reference: oldText, privateHost: new URL(oldUrl).hostname },
      target: { reference: newText },
    } as unknown as ResolvedWorld;
    const client = {
      ...railway.client(),
      deploymentVariables: async () => new Map([["DATABASE_URL", oldUrl]]),
    };
    const { api } = await rememberServices(client, world);
    expect(api?.previous.DATABASE_URL).toEqual({ kind: "reference", text: oldText });
  });

  const service = (name: string, wave = 0, startsReadOnly = true) =>
    ({
      inputs: { name, variables: ["DATABASE_URL", "LLM_DATABASE_URL"], wave, startsReadOnly },
      service: { id: name, name, activeDeployments: [{ id: "d1" }] },
    }) as unknown as ResolvedService;

  it("keeps references and absence, and hides literals", async () => {
    railway.variables.set("LLM_DATABASE_URL", oldUrl);
    const world = {
      services: [service("api")],
      source: { connection: { password: "p" }, service: { id: "postgres", name: "Postgres" } },
      target: { reference: newText },
    } as unknown as ResolvedWorld;
    const { api } = await rememberServices(railway.client(), world);
    expect(api).toMatchObject({
      replaces: ["d1"],
      previous: { DATABASE_URL: { kind: "reference", text: oldText }, LLM_DATABASE_URL: { kind: "literal" } },
    });
    expect(JSON.stringify(api)).not.toContain(oldUrl);
    railway.variables.delete("LLM_DATABASE_URL");
    expect((await rememberServices(railway.client(), world)).api?.previous.LLM_DATABASE_URL).toEqual({
      kind: "absent",
    });
  });

  it.each([
    ["its private host", oldUrl, true],
    ["a reference within a text", "${{Postgres.DATABASE_URL}}?connection_limit=5", true],
    ["another database", "postgresql://u:p@elsewhere.example:5432/railway", false],
  ])("knows of a literal whether it leads to the source: %s", async (_what, text, namesSource) => {
    railway.variables.set("LLM_DATABASE_URL", text);
    const world = {
      services: [service("api")],
      source: { connection: { password: "p" }, service: { id: "postgres", name: "Postgres" } },
      target: { reference: newText },
    } as unknown as ResolvedWorld;
    const client = railway.client();
    const renderedVariables: typeof client.renderedVariables = async (where, id) =>
      id === "postgres" ? new Map([["DATABASE_URL", oldUrl]]) : client.renderedVariables(where, id);
    const { api } = await rememberServices({ ...client, renderedVariables }, world);
    const remembered = api?.previous.LLM_DATABASE_URL as PreviousValue;
    expect(recallValue(remembered, "rotated")).toEqual({ kind: "unreadable", namesSource });
  });

  it("does not take a sealed variable for an absent one: putting it back would delete it", async () => {
    railway.variables.set("LLM_DATABASE_URL", null);
    const world = {
      services: [service("api")],
      source: { connection: { password: "p" }, service: { id: "postgres", name: "Postgres" } },
      target: { reference: newText },
    } as unknown as ResolvedWorld;
    await expect(rememberServices(railway.client(), world)).rejects.toMatchObject({
      code: "VARIABLE_SEALED",
    });
  });

  it("groups services by wave, canaries first, and leaves writers at start for later", () => {
    const services = [
      service("c", 2),
      service("late", 0, false),
      service("a", 0),
      service("b", 2),
      service("d", 10),
    ];
    const names = (waves: ResolvedService[][]) => waves.map((wave) => wave.map((one) => one.service.name));
    expect(names(wavesOf(services, true))).toEqual([["a"], ["c", "b"], ["d"]]);
    expect(names(wavesOf(services, false))).toEqual([["late"]]);
  });
});
