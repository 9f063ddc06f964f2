import type pg from "pg";
import type { Catalogue } from "../../../postgres/catalogue/catalogue.ts";
import type { ConnectionTarget, connect as openSession } from "../../../postgres/connection.ts";
import { eventTriggersOff, type FenceState, readWitness } from "../../../postgres/fence/fence.ts";
import { lookAgainAtDropped } from "../../../postgres/look-again.ts";
import { listTables, type MovedTable } from "../../../postgres/relations.ts";
import type { Finding } from "../../finding.ts";
import type { MigrationInputs } from "../../inputs.ts";
import { attempt } from "../problems.ts";
import { type ActivityFacts, readActivity } from "./activity.ts";
import { type BoundColumn, readBoundColumns } from "./bound-values.ts";
import { type FamilyMember, readFamilies } from "./column-order.ts";
import { type ContentFacts, readContents } from "./contents.ts";
import { type DependencyFacts, readDependencies } from "./dependencies.ts";
import { readExistingObjects } from "./existing-objects.ts";
import { type ExtensionRows, readExtensionRows } from "./extension-rows.ts";
import { type ExtensionFacts, readExtensions } from "./extensions.ts";
import { readSplitFamilies, type SplitFamily } from "./inheritance.ts";
import { type LoadObstacles, readLoadObstacles } from "./load-obstacles.ts";
import { type LockNeeds, readLockNeeds } from "./locks.ts";
import { type NamedObject, readNamedObjects } from "./named-objects.ts";
import { type OutdatedRows, readOutdatedRows } from "./outdated-rows.ts";
import { readTextBodies, type TextBodies } from "./outside-names.ts";
import { readInvalidProtectedIndexes } from "./protected-indexes.ts";
import { readPublications } from "./publications.ts";
import { type RestrictedBuilds, readRestrictedBuilds } from "./restricted-builds.ts";
import { type RoleFacts, readRoles } from "./roles.ts";
import { readScheduledJobs, type ScheduledJobs } from "./scheduled-jobs.ts";
import { readSchemas, type SchemaFacts } from "./schemas.ts";
import { readServer, type ServerFacts } from "./server.ts";
import { readServerObjects, type ServerObjects } from "./server-objects.ts";
import { readServerSettings } from "./server-settings.ts";
import { type BoundSetting, readSettings } from "./settings.ts";
import { type HeldName, readHeldNames } from "./taken-names.ts";
import { type NamedZone, readNamedZones } from "./time-zones.ts";
import { readUnsaid, type UnsaidAspects } from "./unsaid.ts";

/** What one database was seen to be; a part is `undefined` where its look-up failed, which is a finding of its own. */
export interface DatabaseObservation {
  readonly server: ServerFacts | undefined;
  readonly schemas: SchemaFacts | undefined;
  readonly tables: readonly MovedTable[] | undefined;
  readonly sequences: number | undefined;
  readonly dependencies: DependencyFacts | undefined;
  readonly extensions: ExtensionFacts | undefined;
  readonly roles: RoleFacts | undefined;
  readonly settings: readonly BoundSetting[] | undefined;
  readonly serverObjects: ServerObjects | undefined;
  readonly serverSettings: Readonly<Record<string, string>> | undefined;
  readonly activity: ActivityFacts | undefined;
  readonly boundColumns: readonly BoundColumn[] | undefined;
  readonly contents: ContentFacts | undefined;
  readonly existingObjects: Catalogue["objects"] | undefined;
  readonly heldNames: readonly HeldName[] | undefined;
  readonly extensionRows: readonly ExtensionRows[] | undefined;
  readonly inheritingTables: readonly FamilyMember[] | undefined;
  readonly loadObstacles: LoadObstacles | undefined;
  readonly unsaid: UnsaidAspects | undefined;
  readonly lockNeeds: LockNeeds | undefined;
  readonly namedObjects: readonly NamedObject[] | undefined;
  readonly outdatedRows: readonly OutdatedRows[] | undefined;
  readonly restrictedBuilds: RestrictedBuilds | undefined;
  readonly scheduledJobs: ScheduledJobs | undefined;
  readonly splitFamilies: readonly SplitFamily[] | undefined;
  readonly publications: readonly string[] | undefined;
  readonly textBodies: TextBodies | undefined;
  readonly namedZones: readonly NamedZone[] | undefined;
  readonly invalidProtectedIndexes: readonly string[] | undefined;
  /** Where event triggers are switched off. */
  readonly eventTriggersOff: readonly string[] | undefined;
  /** What a migration left on the source; `null` when none did. */
  readonly witness: FenceState["witness"] | undefined;
}

/**
 * Opens the session in which one database is looked at. The server itself refuses every write in it. Its statements are
 * sent without waiting for one another's answers: each is a transaction of its own, so a failed one does not end the
 * others. Without nested loops, because the planner knows nothing about how many rows the catalogue queries' inner
 * parts have: with 2,000 tables it chose them, and one query took 39 s instead of 0.1 s.
 */
export async function openObservation(
  target: ConnectionTarget,
  connect: typeof openSession,
): Promise<pg.Client> {
  const client = await connect(target, { purpose: "preflight", readOnly: true, pipeline: true });
  await client.query("SET enable_nestloop = off");
  return client;
}

/** Reads everything about one database with a fixed number of set-based queries, in a few round trips. */
export async function observeDatabase(
  client: pg.Client,
  side: "source" | "target",
  { schemas, protectedSchemas }: Pick<MigrationInputs, "schemas" | "protectedSchemas">,
  findings: Finding[],
): Promise<DatabaseObservation> {
  const read = <Result>(topic: string, query: () => Promise<Result>) =>
    attempt(findings, `${side} ${topic}`, () => lookAgainAtDropped(query));
  return allOf<DatabaseObservation>({
    server: read("server", () => readServer(client)),
    schemas: read("schemas", () => readSchemas(client, schemas)),
    tables: read("tables", () => listTables(client, schemas)),
    sequences: read("sequences", () => countSequences(client, schemas)),
    dependencies: read("dependencies", () => readDependencies(client, schemas)),
    extensions: read("extensions", () => readExtensions(client)),
    roles: read("roles", () => readRoles(client, schemas)),
    settings: read("settings", () => readSettings(client)),
    serverObjects: read("server objects", () => readServerObjects(client, schemas)),
    serverSettings: read("server settings", () => readServerSettings(client)),
    activity: read("activity", () => readActivity(client)),
    boundColumns: read("columns", () => readBoundColumns(client, schemas)),
    contents: read("contents", () => readContents(client, schemas)),
    existingObjects: read("existing objects", () => readExistingObjects(client, schemas)),
    heldNames: read("names", () => readHeldNames(client, schemas)),
    extensionRows: read("rows of extensions", () => readExtensionRows(client, schemas)),
    inheritingTables: read("inheritance of columns", () => readFamilies(client, schemas)),
    loadObstacles: read("history", () => readLoadObstacles(client, schemas)),
    unsaid: read("what no dump says", () => readUnsaid(client, schemas)),
    lockNeeds: read("locks", () => readLockNeeds(client, schemas)),
    namedObjects: read("names in rows", () => readNamedObjects(client, schemas)),
    outdatedRows: read("rows", () => readOutdatedRows(client, schemas)),
    restrictedBuilds: read("functions", () => readRestrictedBuilds(client, schemas)),
    scheduledJobs: read("scheduled jobs", () => readScheduledJobs(client)),
    splitFamilies: read("inheritance", () => readSplitFamilies(client, schemas)),
    publications: read("publications", () => readPublications(client, schemas)),
    textBodies: read("function bodies", () => readTextBodies(client, schemas)),
    namedZones: read("time zones", () => readNamedZones(client, schemas)),
    invalidProtectedIndexes: read("protected indexes", () =>
      readInvalidProtectedIndexes(client, protectedSchemas),
    ),
    eventTriggersOff: read("event triggers", () => eventTriggersOff(client)),
    witness: read("witness", () => readWitness(client)),
  });
}

/** Waits for all parts of an object at once. */
async function allOf<Whole extends object>(
  parts: { [Part in keyof Whole]: Promise<Whole[Part]> },
): Promise<Whole> {
  const entries = Object.entries<Promise<unknown>>(parts).map(
    async ([name, part]) => [name, await part] as const,
  );
  return Object.fromEntries(await Promise.all(entries)) as Whole;
}

async function countSequences(client: pg.Client, schemas: readonly string[]): Promise<number> {
  const { rows } = await client.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relkind = 'S' AND n.nspname = ANY ($1::text[])
        AND NOT EXISTS (SELECT FROM pg_depend d
                         WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')`,
    [schemas],
  );
  return rows[0]?.count ?? 0;
}
