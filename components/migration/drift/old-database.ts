import { connect, withConnection } from "../../postgres/connection.ts";
import { hashTables } from "../../postgres/content/hash-tables.ts";
import { isSealed, isWhole, readFence } from "../../postgres/fence/fence.ts";
import { listTables } from "../../postgres/relations.ts";
import { isRunning } from "../../railway/deployments.ts";
import type { EnvironmentScope, Railway, RailwayService } from "../../railway/railway.ts";
import { type ResolvedDatabase, resolveDatabase } from "../decide/resolve.ts";
import { maintenanceDatabase } from "../fence/maintenance.ts";
import { foreignSessions } from "../fence/source-sessions.ts";
import type { MigrationInputs } from "../inputs.ts";
import type { JournalEntry } from "../journal/journal.ts";
import type { PromotedRecord } from "../journal/record.ts";
import { listNames } from "../preflight/definitions.ts";
import type { RetirementRecord } from "../retirement/evidence.ts";
import { type DriftItem, drifted } from "./item.ts";
import { findPresence } from "./presence.ts";
import type { Authors } from "./who.ts";

/** What may have become of the old database without being drift. */
export type OldDatabaseFate = "running" | "stopped" | "removed";

type Inputs = Pick<MigrationInputs, "source" | "target" | "transport">;
type Migration = { readonly id: string; readonly record: PromotedRecord };

const resource = "source";

/**
 * The old database after the promotion: whether it is where it was left, sealed, fenced, unused and unwritten. Behind
 * the seal nothing can be written, so only one that stands open is looked into. Reads only; does not need it to exist.
 *
 * @param configured what may become of it by and by
 */
export async function readOldDatabaseDrift(
  look: { readonly railway: Railway; readonly scope: EnvironmentScope; readonly authors: Authors },
  services: readonly RailwayService[],
  inputs: Inputs,
  migration: Migration,
  configured: readonly OldDatabaseFate[],
): Promise<DriftItem[]> {
  const allowed = fatesSoFar(configured, migration.record);
  const { railway, scope, authors } = look;
  const { serviceId: id } = migration.record.context.source;
  const { service, items } = findPresence(services, resource, { name: inputs.source, id });
  if (service?.id !== id) return allowed.includes("removed") && service === undefined ? [] : items;
  const active = service.activeDeployments.find(isRunning);
  if (active === undefined) return [...items, ...(allowed.includes("running") ? down(service, allowed) : [])];
  if (!allowed.includes("running")) {
    items.push(
      drifted("OLD_DATABASE_RUNS_AGAIN", {
        ...{ resource, object: service.name, was: "stopped", is: `deployment ${active.id} runs` },
        who: await authors.deployer(active.id),
      }),
    );
  }
  const database = await resolveDatabase(railway, scope, { ...inputs, source: id }, "source");
  return [...items, ...(await lookAtServer(database, migration))];
}

/** What the configuration lets become of the old database by and by. */
export function fatesOf(legacyPostgres: "keep" | "stop" | "remove"): readonly OldDatabaseFate[] {
  switch (legacyPostgres) {
    case "keep":
      return ["running"];
    case "stop":
      return ["running", "stopped"];
    case "remove":
      return ["running", "stopped", "removed"];
    default:
      return legacyPostgres satisfies never;
  }
}

/** Before a promotion, and after an abort, the old database is the application's: nothing may be in its writers' way. */
export async function readClosedSource(
  database: ResolvedDatabase,
  entry: JournalEntry | undefined,
): Promise<DriftItem[]> {
  const { connection, service } = database;
  const closed = (is: string) => [
    drifted("OLD_DATABASE_CLOSED", { resource, object: service.name, was: "open to writers", is }),
  ];
  if (await readSeal(database)) return closed("sealed: it accepts no connections");
  const { witness } = await withConnection(connection, { purpose: "observe", readOnly: true }, (client) =>
    readFence(client, []),
  );
  if (witness === null) return [];
  return closed(
    witness.migrationId === entry?.id ? "fenced by the aborted migration" : "fenced by another migration",
  );
}

/** Of what may become of it, what may have by now: no stop or removal leaves the journal without a word of it. */
function fatesSoFar(
  configured: readonly OldDatabaseFate[],
  record: PromotedRecord,
): readonly OldDatabaseFate[] {
  const noted = fatesNoted(record.state === "finished" ? record.retirement : undefined);
  const both = configured.filter((fate) => noted.includes(fate));
  // Deployed again after the configuration went back to keeping it, it is as it shall be.
  return both.length > 0 ? both : configured;
}

/** Between two notes of the journal the one that comes next may be done already. */
function fatesNoted(retirement: RetirementRecord | undefined): readonly OldDatabaseFate[] {
  if (retirement === undefined) return ["running"];
  if (retirement.removedAt !== null) return ["removed"];
  if (retirement.removalBegunAt !== null) return ["stopped", "removed"];
  return retirement.stoppedAt === null ? ["running", "stopped"] : ["stopped"];
}

function down(service: RailwayService, allowed: readonly OldDatabaseFate[]): DriftItem[] {
  if (allowed.includes("stopped")) return [];
  const is = `nothing runs; newest deployment: ${service.latestDeployment?.status ?? "none"}`;
  return [drifted("OLD_DATABASE_DOWN", { resource, object: service.name, was: "running, sealed", is })];
}

async function lookAtServer(database: ResolvedDatabase, migration: Migration): Promise<DriftItem[]> {
  const { connection, service } = database;
  const sessions = await withConnection(
    connection,
    { purpose: "observe", readOnly: true, database: maintenanceDatabase(connection) },
    (client) => foreignSessions(client, connection.database),
  );
  const used = sessions.map(({ name, address, kind }) =>
    drifted("OLD_DATABASE_SESSIONS", {
      ...{ resource, object: name || "unnamed", was: "nobody connected" },
      is: `a ${kind} from ${address ?? "a local socket"} is connected`,
    }),
  );
  if (await readSeal(database)) return used;
  const lifted = drifted("OLD_DATABASE_SEAL_LIFTED", {
    ...{ resource, object: service.name, was: "sealed", is: "it accepts connections" },
  });
  return [lifted, ...used, ...(await lookInside(database, migration))];
}

async function readSeal({ connection }: ResolvedDatabase): Promise<boolean> {
  return withConnection(
    connection,
    { purpose: "observe", readOnly: true, database: maintenanceDatabase(connection) },
    (client) => isSealed(client, connection.database),
  );
}

async function lookInside(
  { connection, service }: ResolvedDatabase,
  { id, record }: Migration,
): Promise<DriftItem[]> {
  const { schemas } = record.context;
  const session = { purpose: "observe", readOnly: true };
  const { fence, tables } = await withConnection(connection, session, async (client) => ({
    fence: await readFence(client, schemas),
    tables: await listTables(client, schemas),
  }));
  const isOurs = isWhole(fence) && fence.witness?.migrationId === id;
  const holes = fence.unfenced.map(({ schema, name }) => `${schema}.${name}`);
  const digests = await hashTables({
    connect: () => connect(connection, session),
    tables: tables.filter(({ kind }) => kind === "table"),
    workers: 2,
  });
  const found = new Map(digests.map(({ schema, name, rows, hash }) => [`${schema}.${name}`, { rows, hash }]));
  const written = record.fence.tables.filter(({ schema, name, source }) => {
    const now = found.get(`${schema}.${name}`);
    return now?.rows !== source.rows || now.hash !== source.hash;
  });
  return [
    ...(isOurs
      ? []
      : [
          drifted("OLD_DATABASE_FENCE_LIFTED", {
            ...{ resource, object: service.name, was: "fenced by this migration" },
            is: holes.length > 0 ? `without a fence on ${listNames(holes, 3)}` : "its fence is not whole",
          }),
        ]),
    ...written.map(({ schema, name, source }) =>
      drifted("OLD_DATABASE_WRITTEN", {
        ...{ resource, object: `table ${schema}.${name}`, was: `${source.rows} rows, as at the fence` },
        is: describeContent(found.get(`${schema}.${name}`)),
      }),
    ),
  ];
}

function describeContent(content: { readonly rows: string } | undefined): string {
  return content === undefined ? "gone" : `${content.rows} rows, not the same ones`;
}
