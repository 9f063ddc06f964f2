import { randomBytes } from "node:crypto";
import { expect, onTestFinished, test } from "vitest";
import { runCutover } from "../../components/migration/cutover.ts";
import { withConnection } from "../../components/postgres/connection.ts";
import { createRailway } from "../../components/railway/railway.ts";
import { createRailwayToken } from "../../components/railway/token.ts";
import { inputsFor } from "../dynamic/quiet-world.ts";
import { notTls, type RecordingProxy, startRecordingProxy } from "../world/postgres/recording-proxy.ts";
import { sentinelMarker } from "../world/postgres/source-fixture.ts";
import { quickPace } from "../world/railway/pace.ts";
import { rehearse } from "../world/rehearsal.ts";
import { type Servers, startServers, startWorld } from "../world/world.ts";

const text = `WIRE${randomBytes(12).toString("hex")}`;
const binary = randomBytes(24);

/** Every form in which the two marked rows, or any patient's, could pass. */
const forms = [
  text,
  sentinelMarker,
  binary,
  binary.toString("hex"),
  binary.toString("hex").toUpperCase(),
  binary.toString("base64"),
];

/** Two servers with TLS and marked rows, and a way to each on which everything is kept. */
async function startMarkedServers() {
  const started: Array<() => Promise<void>> = [];
  onTestFinished(async () => {
    for (const end of started.reverse()) await end();
  });
  const servers: Servers = await startServers({ rows: 4_000, tls: true }, started);
  await withConnection(servers.source.connection(), { purpose: "world" }, (client) =>
    client.query(
      `with note as (update medical_records.clinical_notes set body = $1
                      where id = (select id from medical_records.clinical_notes limit 1))
       update medical_records.consents set signature = $2
        where id = (select id from medical_records.consents limit 1)`,
      [text, binary],
    ),
  );
  const proxies = {
    source: await startRecordingProxy(servers.source),
    target: await startRecordingProxy(servers.target),
  };
  started.push(proxies.source.close, proxies.target.close);
  const proxyPorts = { source: proxies.source.port, target: proxies.target.port };
  return { servers, proxies, proxyPorts };
}

/** Which of the forms are in what went over a way. */
function readOn({ connections }: RecordingProxy): (string | Buffer)[] {
  const streams = connections.flatMap(({ sent, received }) => [Buffer.concat(sent), Buffer.concat(received)]);
  return forms.filter((form) => streams.some((bytes) => bytes.includes(form)));
}

function bytesOn({ connections }: RecordingProxy): number {
  return connections
    .flatMap(({ sent, received }) => [...sent, ...received])
    .reduce((sum, { length }) => sum + length, 0);
}

test("with pinned certificates nothing of the whole life can be read on the way", {
  timeout: 900_000,
}, async () => {
  const { servers, proxies, proxyPorts } = await startMarkedServers();
  let printed = "";
  const report = await rehearse({
    engine: "mocks",
    world: {
      ...{ servers, proxyPorts, pace: quickPace },
      transport: {
        source: { via: "tls", fingerprint: servers.source.fingerprint },
        target: { via: "tls", fingerprint: servers.target.fingerprint },
      },
    },
    onChapter: () => {},
    onOutput: (output) => {
      printed += output;
    },
  });
  expect(
    report.observations.filter(({ kept }) => !kept),
    printed.slice(-6_000),
  ).toEqual([]);
  for (const side of ["source", "target"] as const) {
    const { connections } = proxies[side];
    expect(connections.map(notTls).filter(Boolean), side).toEqual([]);
    expect(readOn(proxies[side]), side).toEqual([]);
    // The data was there: all of it once on the way out and once on the way in.
    expect(bytesOn(proxies[side]), side).toBeGreaterThan(1_000_000);
  }
  // What was on the wire is what arrived: the marked rows are on the target.
  await withConnection(servers.target.connection(), { purpose: "test", readOnly: true }, async (client) => {
    const { rows } = await client.query(
      `select (select count(*)::int from medical_records.clinical_notes where body = $1) as notes,
              (select count(*)::int from medical_records.consents where signature = $2) as consents`,
      [text, binary],
    );
    expect(rows).toEqual([{ notes: 1, consents: 1 }]);
  });
  for (const form of [text, binary.toString("hex")]) expect(printed).not.toContain(form);
});

test("in clear text the same rows are read on both ways: the search finds them", async () => {
  const { servers, proxies, proxyPorts } = await startMarkedServers();
  const plaintext = { via: "plaintext", reason: "the rows are made up" } as const;
  const transport = { source: plaintext, target: plaintext };
  const world = await startWorld({ servers, proxyPorts, pace: quickPace, transport });
  onTestFinished(() => world.stop(), 60_000);
  const railway = createRailway({
    token: createRailwayToken("project", world.environment.RAILWAY_TOKEN ?? ""),
    endpoint: world.environment.RAILWAY_API_URL,
    pollIntervalMs: 50,
  });
  const lines: string[] = [];
  const report = (line: string) => void lines.push(line);
  await runCutover({
    railway,
    inputs: inputsFor(world).migration,
    reporter: { step: report, detail: report },
    isEngineAlive: async () => true,
  });
  for (const side of ["source", "target"] as const) {
    expect(proxies[side].connections.map(notTls).filter(Boolean).length, side).toBeGreaterThan(0);
    expect(readOn(proxies[side]), side).toEqual(expect.arrayContaining([text, sentinelMarker, binary]));
  }
});
