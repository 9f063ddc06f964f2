import type { ClientBase } from "pg";
import type { Finding } from "../../finding.ts";
import { findingsOf, listNames } from "../definitions.ts";

/** What runs on, feeds, or listens to a database beside the services' own sessions. Names only. */
export interface ActivityFacts {
  readonly preparedTransactions: readonly string[];
  readonly replicationSlots: readonly string[];
  readonly publications: readonly string[];
  readonly subscriptions: ReadonlyArray<{ readonly name: string; readonly enabled: boolean }>;
  /** Without those of extensions and of this project; `fires`: in ordinary sessions. */
  readonly eventTriggers: ReadonlyArray<{ readonly name: string; readonly fires: boolean }>;
  /** Sessions with a transaction open for long: application name and age in seconds. */
  readonly longTransactions: ReadonlyArray<{ readonly application: string; readonly seconds: number }>;
}

export const activityDefinitions = {
  PREPARED_TRANSACTION: {
    severity: "blocker",
    acceptable: false,
    remedy:
      "Commit or roll it back (COMMIT PREPARED, ROLLBACK PREPARED): it holds locks that no session can be ended for.",
  },
  REPLICATION_SLOT: {
    severity: "blocker",
    acceptable: true,
    remedy:
      "Point what reads the slot at the target, then drop the slot; or accept that it reads the old database only.",
  },
  PUBLICATION_NOT_MOVED: {
    severity: "blocker",
    acceptable: true,
    remedy: "Create the publication on the target after the cutover, or accept its loss.",
  },
  SUBSCRIPTION_NOT_MOVED: {
    severity: "blocker",
    acceptable: true,
    remedy: "Recreate the subscription on the target after the cutover, or accept its loss.",
  },
  SUBSCRIPTION_ENABLED: {
    severity: "blocker",
    acceptable: false,
    remedy:
      "Disable the subscription (ALTER SUBSCRIPTION … DISABLE): rows that replication applies pass locks and fence, and would be lost.",
  },
  EVENT_TRIGGER_NOT_MOVED: {
    severity: "blocker",
    acceptable: true,
    remedy: "Create the event trigger on the target after the cutover, or accept its loss.",
  },
  TARGET_EVENT_TRIGGER: {
    severity: "blocker",
    acceptable: true,
    remedy:
      "Disable it for the cutover (ALTER EVENT TRIGGER … DISABLE), or accept it once you know that it neither changes what is created nor writes into a protected schema.",
  },
  LONG_TRANSACTION: {
    severity: "warning",
    acceptable: false,
    remedy:
      "Let it finish before the cutover: one that wrote to a moved table delays the pause and is ended in the end.",
  },
} as const;

const found = findingsOf(activityDefinitions);

/** Shorter ones end by themselves before they are in the way. */
const longTransactionMs = 60_000;

/** @param longMs how long a transaction must have been open to be told */
export async function readActivity(client: ClientBase, longMs = longTransactionMs): Promise<ActivityFacts> {
  const { rows } = await client.query<ActivityFacts>(activityQuery, [longMs]);
  return rows[0] as ActivityFacts;
}

export function checkSourceActivity(source: ActivityFacts): Finding[] {
  const findings = [
    ...source.preparedTransactions.map(() =>
      found("PREPARED_TRANSACTION", "source", "A prepared transaction is waiting for its second phase."),
    ),
    ...source.replicationSlots.map((name) =>
      found(
        "REPLICATION_SLOT",
        name,
        "This replication slot follows the source and will not see the target.",
      ),
    ),
    ...source.publications.map((name) =>
      found(
        "PUBLICATION_NOT_MOVED",
        name,
        "This publication belongs to the database, not to a schema: it stays behind.",
      ),
    ),
    ...source.subscriptions.map(({ name, enabled }) =>
      enabled
        ? found(
            "SUBSCRIPTION_ENABLED",
            name,
            "Logical replication writes into the source from elsewhere, past the triggers of the fence.",
          )
        : found("SUBSCRIPTION_NOT_MOVED", name, "This disabled subscription of the source stays behind."),
    ),
    ...source.eventTriggers.map(({ name }) =>
      found(
        "EVENT_TRIGGER_NOT_MOVED",
        name,
        "This event trigger belongs to the database, not to a schema: it stays behind.",
      ),
    ),
  ];
  if (source.longTransactions.length > 0) {
    const names = source.longTransactions.map(({ application, seconds }) => `${application} (${seconds} s)`);
    findings.push(
      found(
        "LONG_TRANSACTION",
        "source",
        `Transactions have been open for over a minute: ${listNames(names, 4)}.`,
      ),
    );
  }
  return findings;
}

export function checkTargetActivity(target: ActivityFacts): Finding[] {
  return [
    ...target.preparedTransactions
      .slice(0, 1)
      .map(() =>
        found("PREPARED_TRANSACTION", "target", "A prepared transaction is waiting for its second phase."),
      ),
    ...target.eventTriggers
      .filter(({ fires }) => fires)
      .map(({ name }) =>
        found(
          "TARGET_EVENT_TRIGGER",
          name,
          "This event trigger of the target fires while the schema is created.",
        ),
      ),
  ];
}

const activityQuery = `
  SELECT ARRAY(SELECT gid FROM pg_prepared_xacts WHERE database = current_database() LIMIT 1) AS "preparedTransactions",
         ARRAY(SELECT slot_name::text FROM pg_replication_slots
                WHERE (database IS NULL OR database = current_database()) AND NOT temporary ORDER BY 1) AS "replicationSlots",
         ARRAY(SELECT pubname::text FROM pg_publication ORDER BY 1) AS publications,
         COALESCE((SELECT json_agg(json_build_object('name', subname, 'enabled', subenabled) ORDER BY subname)
                     FROM pg_subscription
                    WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())), '[]') AS subscriptions,
         COALESCE((SELECT json_agg(json_build_object('name', evtname, 'fires', evtenabled IN ('O', 'A')) ORDER BY evtname)
                     FROM pg_event_trigger t
                    WHERE evtname !~ '^pgvector_cutover'
                      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_event_trigger'::regclass
                                         AND d.objid = t.oid AND d.deptype = 'e')), '[]') AS "eventTriggers",
         COALESCE((SELECT json_agg(json_build_object('application', COALESCE(NULLIF(application_name, ''), 'unnamed'),
                                            'seconds', floor(extract(epoch FROM now() - xact_start))) ORDER BY xact_start)
                     FROM pg_stat_activity
                    WHERE datname = current_database() AND backend_type = 'client backend'
                      AND xact_start <= now() - make_interval(secs => $1::float8 / 1000) AND pid <> pg_backend_pid()), '[]') AS "longTransactions"`;
