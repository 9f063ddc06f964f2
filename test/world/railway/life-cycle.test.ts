import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { expect, test } from "vitest";
import { eventually, startTestWorld, type TestWorld } from "./test-world.ts";

const deleteService = "mutation($id: String!, $e: String) { serviceDelete(id: $id, environmentId: $e) }";
const readService = "query($id: String!) { service(id: $id) { name deletedAt } }";
const createBackup =
  'mutation($id: String!) { volumeInstanceBackupCreate(volumeInstanceId: $id, name: "final") { workflowId } }';
const readWorkflow = "query($id: String!) { workflowStatus(workflowId: $id) { status error } }";
const listBackups = "query($id: String!) { volumeInstanceBackupList(volumeInstanceId: $id) { id name } }";

function volumeOf(world: TestWorld, service: string, environment = 0) {
  const volume = world.simulator
    .inspect()
    .volumeInstances.find(
      (one) =>
        one.serviceId === world.serviceId(service) &&
        one.environmentId === world.world.environments[environment]?.id,
    );
  if (volume === undefined) throw new Error("no such volume");
  return volume;
}

test("a service goes with its last instance; its volume stays, attached to nothing; references to it render empty", async () => {
  await using world = await startTestWorld();
  const id = world.serviceId("Postgres");
  const [production, staging] = world.world.environments;
  const volume = volumeOf(world, "Postgres");
  await world.query(deleteService, { id, e: production?.id });
  await world.simulator.settle();
  expect(world.serverCalls).toEqual(["stop Postgres"]);
  expect((await world.query(readService, { id })).service.deletedAt).toBeNull();
  await expect(world.query(deleteService, { id, e: production?.id })).rejects.toThrow("Service not found");

  await world.query(deleteService, { id, e: staging?.id });
  expect((await world.query(readService, { id })).service.deletedAt).not.toBeNull();
  const after = world.simulator.inspect().volumeInstances.find((one) => one.id === volume.id);
  expect(after).toMatchObject({ serviceId: null, isPendingDeletion: false });
  const { variables } = await world.query(
    "query($p: String!, $e: String!, $s: String) { variables(projectId: $p, environmentId: $e, serviceId: $s) }",
    { p: world.projectId, e: world.environmentId, s: world.serviceId("@healthcare/api") },
  );
  expect(variables).toEqual({ DATABASE_URL: "" });
});

test("without an environment a service goes everywhere, and after a while it cannot be read any more", async () => {
  await using world = await startTestWorld({ pace: { deletedVisibleMs: 30 } });
  const id = world.serviceId("Postgres");
  await world.query(deleteService, { id });
  await eventually(() =>
    world.query(readService, { id }).then(
      () => false,
      () => true,
    ),
  );
  await expect(world.query(readService, { id })).rejects.toThrow("Service not found");
});

test("a deleted volume is pending in every environment, and its backups are gone", async () => {
  await using world = await startTestWorld();
  const volume = volumeOf(world, "Postgres");
  const { volumeInstanceBackupCreate } = await world.query(createBackup, { id: volume.id });
  const id = volumeInstanceBackupCreate.workflowId;
  await eventually(
    async () => (await world.query(readWorkflow, { id })).workflowStatus.status === "Complete",
  );
  await world.query("mutation($id: String!) { volumeDelete(volumeId: $id) }", { id: volume.volumeId });
  expect(await world.query(listBackups, { id: volume.id })).toEqual({ volumeInstanceBackupList: [] });
  for (const environment of [0, 1]) {
    expect(volumeOf(world, "Postgres", environment)).toMatchObject({
      state: "DELETING",
      isPendingDeletion: true,
    });
  }
  await expect(world.query(createBackup, { id: volume.id })).rejects.toThrow("VolumeInstance not found");
});

test("a backup's workflow is unknown, then running, then complete, and the backup is listed", async () => {
  await using world = await startTestWorld({ pace: { workflowUnknownMs: 400, workflowRunningMs: 400 } });
  const volume = volumeOf(world, "Postgres");
  const { volumeInstanceBackupCreate } = await world.query(createBackup, { id: volume.id });
  const seen = new Set<string>();
  await eventually(async () => {
    const data = await world.query(readWorkflow, { id: volumeInstanceBackupCreate.workflowId });
    seen.add(data.workflowStatus.status);
    return seen.has("Complete");
  });
  expect([...seen]).toEqual(["NotFound", "Running", "Complete"]);
  expect((await world.query(listBackups, { id: volume.id })).volumeInstanceBackupList).toEqual([
    { id: expect.any(String), name: "final" },
  ]);
});

test("a backup can fail", async () => {
  await using world = await startTestWorld();
  world.simulator.failNextWorkflow();
  const volume = volumeOf(world, "Postgres");
  const { volumeInstanceBackupCreate } = await world.query(createBackup, { id: volume.id });
  const id = volumeInstanceBackupCreate.workflowId;
  await eventually(async () => (await world.query(readWorkflow, { id })).workflowStatus.status === "Error");
  expect((await world.query(listBackups, { id: volume.id })).volumeInstanceBackupList).toEqual([]);
});

test("a created database service runs a real server, on a volume, behind a public port", async () => {
  const server = createServer((socket) => socket.end("PostgreSQL"));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const requests: object[] = [];
  await using world = await startTestWorld({
    world: {
      createDatabaseServer: async (request) => {
        requests.push(request);
        const { port } = server.address() as AddressInfo;
        return { host: "127.0.0.1", port, stop: async () => {}, start: async () => {} };
      },
    },
  });
  const create = (variables: object) =>
    world.query("mutation($input: ServiceCreateInput!) { serviceCreate(input: $input) { id name } }", {
      input: {
        projectId: world.projectId,
        environmentId: world.environmentId,
        name: "vectors",
        source: { image: "pgvector/pgvector:pg17" },
        variables,
      },
    });
  const { serviceCreate } = await create({ POSTGRES_PASSWORD: "s" });
  await expect(create({})).rejects.toThrow('A service named "vectors" already exists in this project');
  const place = { environmentId: world.environmentId, serviceId: serviceCreate.id };
  await world.query("mutation($input: VolumeCreateInput!) { volumeCreate(input: $input) { id } }", {
    input: { ...place, projectId: world.projectId, mountPath: "/var/lib/postgresql/data" },
  });
  const { tcpProxyCreate } = await world.query(
    "mutation($input: TCPProxyCreateInput!) { tcpProxyCreate(input: $input) { domain proxyPort } }",
    { input: { ...place, applicationPort: 5432 } },
  );
  await world.simulator.settle();
  expect(requests).toEqual([expect.objectContaining({ name: "vectors", image: "pgvector/pgvector:pg17" })]);
  expect(world.simulator.deployments("vectors").map((one) => one.status)).toEqual(["SUCCESS"]);
  const socket = connect(tcpProxyCreate.proxyPort, tcpProxyCreate.domain);
  const [greeting] = await once(socket, "data");
  expect(String(greeting)).toBe("PostgreSQL");
  socket.destroy();
  server.close();
});

test("a database image without a password crashes at once, as its entry point does", async () => {
  await using world = await startTestWorld();
  await world.query("mutation($input: ServiceCreateInput!) { serviceCreate(input: $input) { id } }", {
    input: {
      projectId: world.projectId,
      environmentId: world.environmentId,
      name: "vectors",
      source: { image: "pgvector/pgvector:pg17" },
    },
  });
  await world.simulator.settle();
  expect(world.simulator.deployments("vectors").map((one) => one.status)).toEqual(["CRASHED"]);
});

test("staged edits are seen in a count only", async () => {
  await using world = await startTestWorld();
  const count = async () =>
    (
      await world.query("query($id: String!) { environment(id: $id) { unmergedChangesCount } }", {
        id: world.environmentId,
      })
    ).environment.unmergedChangesCount;
  expect(await count()).toBe(0);
  world.simulator.stageEdit();
  expect(await count()).toBe(1);
  world.simulator.discardStagedEdits();
  expect(await count()).toBe(0);
});

test("a service without a TCP proxy has none of its variables", async () => {
  const server = { host: "127.0.0.1", port: 5403, stop: async () => {}, start: async () => {} };
  await using world = await startTestWorld({
    extraServices: [
      {
        kind: "database",
        id: randomUUID(),
        name: "hidden",
        image: "postgres:17",
        volumeMountPath: "/data",
        tcpProxy: false,
        variables: {
          PUBLIC: "postgresql://u:p@${{RAILWAY_TCP_PROXY_DOMAIN}}:${{RAILWAY_TCP_PROXY_PORT}}/railway",
        },
        server,
      },
    ],
  });
  const where = { e: world.environmentId, s: world.serviceId("hidden") };
  const proxies =
    "query($e: String!, $s: String!) { tcpProxies(environmentId: $e, serviceId: $s) { domain proxyPort } }";
  expect(await world.query(proxies, where)).toEqual({ tcpProxies: [] });
  expect(await world.query(proxies, { ...where, s: world.serviceId("Postgres") })).toEqual({
    tcpProxies: [{ domain: "127.0.0.1", proxyPort: 5401 }],
  });
  const { variables } = await world.query(
    "query($p: String!, $e: String!, $s: String) { variables(projectId: $p, environmentId: $e, serviceId: $s) }",
    { p: world.projectId, ...where },
  );
  expect(variables).toEqual({ PUBLIC: "postgresql://u:p@:/railway" });
});
