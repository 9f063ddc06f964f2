import { z } from "zod";
import { hasCode } from "../errors.ts";
import type { EnvironmentScope, Railway, RailwayService } from "../railway/railway.ts";
import { reference } from "../railway/references.ts";
import { compareText } from "../text-order.ts";
import { type Primary, readPrimary } from "./decide/primary.ts";
import { resolveDatabase } from "./decide/resolve.ts";
import { readConsumers } from "./drift/consumers.ts";
import { type DriftItem, drifted, driftItemSchema, notSeen, seeing } from "./drift/item.ts";
import { compareProxies, readNewDatabaseDrift } from "./drift/new-database.ts";
import { type OldDatabaseFate, readClosedSource, readOldDatabaseDrift } from "./drift/old-database.ts";
import { findPresence } from "./drift/presence.ts";
import { readLeftCopy, readPrematureService } from "./drift/remains.ts";
import { readServiceDrift, type ServiceLook } from "./drift/service.ts";
import { readStagedEdits } from "./drift/staged.ts";
import { baselineOf, readStructureDrift } from "./drift/structure.ts";
import { readAuthors } from "./drift/who.ts";
import type { MigrationInputs, ServiceInputs } from "./inputs.ts";
import type { JournalEntry } from "./journal/journal.ts";
import { migrationStates, type PromotedRecord } from "./journal/record.ts";
import { addressesOf, type DatabaseAddresses } from "./preflight/railway/addresses.ts";
import type { AddressPair } from "./preflight/railway/variables.ts";

/** What differs from how a cutover left things. Plain data without a secret or row content. */
export const driftReportSchema = z.object({
  version: z.literal(1),
  /** When it was looked. */
  at: z.iso.datetime(),
  /**
   * - `none`: everything was looked at that can be, and it is as it was left.
   * - `drift`: something is not; `complete` says whether everything else was seen.
   * - `unseen`: what was seen is as it was left, but not everything could be told.
   */
  verdict: z.enum(["none", "drift", "unseen"]),
  complete: z.boolean(),
  /** The journal's newest migration; `null` where it holds none, or could not be read. */
  migration: z.object({ id: z.string(), state: z.enum(migrationStates), since: z.iso.datetime() }).nullable(),
  /** What it was compared with, in one sentence. */
  compared: z.string(),
  /** By resource, code and object. */
  items: z.array(driftItemSchema),
});

export type DriftReport = z.infer<typeof driftReportSchema>;

/** What looking for drift needs to know of the configuration. What was moved is the journal's to say. */
export type DriftInputs = Pick<
  MigrationInputs,
  "project" | "environment" | "source" | "target" | "transport" | "accept"
> & { readonly services: ReadonlyArray<Pick<ServiceInputs, "name" | "variables">> };

export interface DriftOptions {
  /** What may have become of the old database without being drift. */
  readonly oldDatabase: readonly OldDatabaseFate[];
  /** Look only at this resource: `source`, `target`, `migration`, or a service's name. */
  readonly only?: string;
  /** Ids of the two databases, where they are known: they find them whatever they are called by now. */
  readonly ids?: { readonly source?: string; readonly target?: string };
  /** The finished migration that the journal must know; default: whichever it knows. */
  readonly migrationId?: string;
}

/** Looks at everything that a cutover left. Reads only, and says of everything that it could not see why. */
export async function readDrift(
  railway: Railway,
  inputs: DriftInputs,
  options: DriftOptions,
): Promise<DriftReport> {
  const { entry, compared, items: found } = await look(railway, inputs, options);
  const items = found.filter(({ resource }) => options.only === undefined || resource === options.only);
  const complete = items.every(({ severity }) => severity !== "unseen");
  const hasDrift = items.some(({ severity }) => severity === "drift");
  return driftReportSchema.parse({
    version: 1,
    at: new Date().toISOString(),
    verdict: hasDrift ? "drift" : complete ? "none" : "unseen",
    complete,
    migration:
      entry === undefined ? null : { id: entry.id, state: entry.record.state, since: entry.updatedAt },
    compared,
    items: items.toSorted(
      (a, b) =>
        compareText(a.resource, b.resource) || compareText(a.code, b.code) || compareText(a.object, b.object),
    ),
  } satisfies DriftReport);
}

interface Looked {
  readonly entry: JournalEntry | undefined;
  readonly compared: string;
  readonly items: readonly DriftItem[];
}

async function look(railway: Railway, inputs: DriftInputs, options: DriftOptions): Promise<Looked> {
  const resource = options.only ?? "migration";
  const wanted = { ...inputs, target: options.ids?.target ?? inputs.target };
  let primary: Primary;
  try {
    primary = await readPrimary(railway, wanted);
  } catch (error) {
    // By its id it is surely the one that was there.
    const isGone = options.ids?.target !== undefined && hasCode(error, "SERVICE_NOT_FOUND");
    const items = isGone ? [vanished(resource, inputs.target)] : [notSeen(resource, "journal", error)];
    return { entry: undefined, compared: "nothing: the journal could not be read", items };
  }
  const { entry } = primary;
  const record = entry?.record;
  const seen = (compared: string, see: () => Promise<DriftItem[]>) =>
    seeing(resource, "Railway", see).then((items) => ({ entry, compared, items }));
  if (options.migrationId !== undefined && !knows(entry, options.migrationId)) {
    return seen("the migration that this stack made", async () => [unknownJournal(resource, entry)]);
  }
  switch (record?.state) {
    case undefined:
      return seen(`an application on ${inputs.source}: no cutover was begun`, () =>
        lookBefore(railway, inputs, primary, options),
      );
    case "aborted":
      return seen(`an application on ${inputs.source}: the last cutover was put back`, () =>
        lookBefore(railway, inputs, primary, options),
      );
    case "loading":
    case "switching":
    case "aborting":
      return seen("nothing: a cutover is under way", async () => [underWay(resource, entry as JournalEntry)]);
    case "promoted":
    case "finished":
      return seen(`what the cutover left, promoted at ${record.promotion.promotedAt}`, () =>
        lookAfter(railway, inputs, primary, { id: (entry as JournalEntry).id, record }, options),
      );
    default:
      return record satisfies never;
  }
}

/** One look of its own: what it cannot see says nothing about the others. */
interface Part {
  readonly resource: string;
  readonly object: string;
  see(): Promise<DriftItem[]>;
}

async function seeAll(parts: readonly Part[], { only }: DriftOptions): Promise<DriftItem[]> {
  const chosen = parts.filter(
    // A staged edit may be anybody's.
    ({ resource, object }) => only === undefined || resource === only || object === stagedEdits,
  );
  // What is not seen is missing in the look at that one resource, whoever's it would have been.
  const found = await Promise.all(
    chosen.map(({ resource, object, see }) => seeing(only ?? resource, object, see)),
  );
  return found.flat();
}

const stagedEdits = "staged edits";

/** Everything that was left by the promotion. */
async function lookAfter(
  railway: Railway,
  inputs: DriftInputs,
  { scope, target }: Primary,
  migration: { readonly id: string; readonly record: PromotedRecord },
  options: DriftOptions,
): Promise<DriftItem[]> {
  const { record } = migration;
  const { context } = record;
  const services = await railway.listServices(scope);
  const common: ServiceLook = {
    railway,
    scope,
    authors: readAuthors(railway, scope),
    addresses: {
      source: await ownAddresses(railway, scope, services, inputs.source, context.source.serviceId),
      target: await ownAddresses(railway, scope, services, inputs.target, target.service.id),
    },
  };
  const baseline = baselineOf(record);
  const proxies = (side: "source" | "target"): Part => ({
    resource: side,
    object: "TCP proxies",
    async see() {
      const { serviceId: id } = context[side];
      if (baseline === undefined || !services.some((one) => one.id === id)) return [];
      return compareProxies(side, inputs[side], await railway.tcpProxies(scope, id), baseline);
    },
  });
  return seeAll(
    [
      ...inputs.services.map(
        (service): Part => ({
          resource: service.name,
          object: service.name,
          see: () => lookAtService(common, services, service, inputs.target, record),
        }),
      ),
      stagedPart(railway, scope, services, inputs, record),
      {
        resource: "source",
        object: inputs.source,
        see: () => readOldDatabaseDrift(common, services, inputs, migration, options.oldDatabase),
      },
      {
        resource: "source",
        object: "variables",
        see: () => readConsumers(common, services, inputs, context.source.serviceId),
      },
      proxies("source"),
      {
        resource: "target",
        object: inputs.target,
        async see() {
          const expected = { name: inputs.target, id: context.target.serviceId };
          const { items } = findPresence(services, "target", expected);
          return [
            ...items,
            ...(await readNewDatabaseDrift(common.authors, target, context.schemas, baseline)),
          ];
        },
      },
      proxies("target"),
      { resource: "migration", object: "journal", see: async () => judgeRecord(record) },
      {
        resource: "migration",
        object: "structure",
        see: () => readStructureDrift(target.connection, record),
      },
    ],
    options,
  );
}

function lookAtService(
  common: ServiceLook,
  services: readonly RailwayService[],
  { name, variables }: DriftInputs["services"][number],
  target: string,
  { fence }: PromotedRecord,
): Promise<DriftItem[]> {
  const expected = { name, id: fence.services[name]?.serviceId ?? null };
  const text = reference(target, "DATABASE_URL");
  const wiring = { resource: name, variables: Object.fromEntries(variables.map((one) => [one, text])) };
  return readServiceDrift(common, findPresence(services, name, expected), wiring);
}

function judgeRecord(record: PromotedRecord): DriftItem[] {
  if (record.state === "promoted") {
    return [
      drifted("MIGRATION_UNFINISHED", {
        ...{ resource: "migration", object: "journal", was: "finished" },
        is: `promoted at ${record.promotion.promotedAt}, and not finished`,
      }),
    ];
  }
  if (record.baseline !== undefined) return [];
  return [
    drifted("BASELINE_MISSING", {
      ...{ resource: "migration", object: "journal", was: "recorded by the finish" },
      is: "not recorded: image, volume and extension, TCP proxies and the structure of the moved tables cannot be compared",
    }),
  ];
}

/** Before a promotion the old database is the application's, and only what a cutover may have left can be told. */
async function lookBefore(
  railway: Railway,
  inputs: DriftInputs,
  { scope, target, entry }: Primary,
  options: DriftOptions,
): Promise<DriftItem[]> {
  const services = await railway.listServices(scope);
  const addresses: AddressPair = {
    target: await ownAddresses(railway, scope, services, inputs.target, target.service.id),
  };
  const record = entry?.record.state === "aborted" ? entry.record : undefined;
  const source = findPresence(services, "source", {
    name: inputs.source,
    id: options.ids?.source ?? record?.context.source.serviceId ?? null,
  });
  const newDatabase = findPresence(services, "target", { name: inputs.target, id: target.service.id });
  return seeAll(
    [
      ...inputs.services.map(
        (service): Part => ({
          resource: service.name,
          object: service.name,
          see: () => readPrematureService(railway, scope, services, service, addresses, record),
        }),
      ),
      stagedPart(railway, scope, services, inputs, undefined),
      {
        resource: "source",
        object: inputs.source,
        async see() {
          if (source.service === undefined) return source.items;
          const here = { ...inputs, source: source.service.id };
          const database = await resolveDatabase(railway, scope, here, "source");
          return [...source.items, ...(await readClosedSource(database, entry))];
        },
      },
      { resource: "target", object: inputs.target, see: async () => newDatabase.items },
      {
        resource: "migration",
        object: inputs.target,
        see: async () => (record === undefined ? [] : readLeftCopy(target.connection, record)),
      },
    ],
    options,
  );
}

function stagedPart(
  railway: Railway,
  scope: EnvironmentScope,
  services: readonly RailwayService[],
  inputs: DriftInputs,
  record: PromotedRecord | undefined,
): Part {
  const named = [
    [inputs.source, "source", record?.context.source.serviceId],
    [inputs.target, "target", record?.context.target.serviceId],
    ...inputs.services.map(({ name }) => [name, name, record?.fence.services[name]?.serviceId] as const),
  ] as const;
  const resources = named.flatMap(([name, resource, known]) => {
    const id = known ?? services.find((one) => one.name === name)?.id;
    return id === undefined ? [] : [[id, resource] as const];
  });
  return {
    resource: "migration",
    object: stagedEdits,
    see: () => readStagedEdits(railway, scope, services, new Map(resources)),
  };
}

/**
 * A database's addresses as Railway itself gives them: what its other variables hold may have been changed, too. Of one that
 * is removed only the name is left to be found.
 */
async function ownAddresses(
  railway: Railway,
  scope: EnvironmentScope,
  services: readonly RailwayService[],
  name: string,
  id: string,
): Promise<DatabaseAddresses> {
  if (!services.some((one) => one.id === id)) return addressesOf(name, new Map());
  const rendered = [...(await railway.renderedVariables(scope, id))];
  return addressesOf(name, new Map(rendered.filter(([variable]) => variable.startsWith("RAILWAY_"))));
}

function vanished(resource: string, object: string): DriftItem {
  return drifted("SERVICE_VANISHED", { resource, object, was: "on Railway", is: "not on Railway any more" });
}

function knows(entry: JournalEntry | undefined, migrationId: string): boolean {
  const state = entry?.record.state;
  return entry?.id === migrationId && (state === "promoted" || state === "finished");
}

function unknownJournal(resource: string, entry: JournalEntry | undefined): DriftItem {
  return drifted("JOURNAL_UNKNOWN", {
    ...{ resource, object: "journal", was: "this migration, finished" },
    is: entry === undefined ? "no migration" : `migration ${entry.id}, ${entry.record.state}`,
  });
}

function underWay(resource: string, { record, updatedAt }: JournalEntry): DriftItem {
  return drifted("MIGRATION_UNDER_WAY", {
    ...{ resource, object: "journal", was: "finished or put back" },
    is: `${record.state} since ${updatedAt}`,
  });
}
