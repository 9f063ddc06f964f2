import { randomInt } from "node:crypto";
import type { ClientBase } from "pg";
import type { Finding } from "../../finding.ts";
import { findingsOf } from "../definitions.ts";
import type { SchemaFacts } from "./schemas.ts";
import type { ServerFacts } from "./server.ts";

export const identityDefinitions = {
  SAME_DATABASE: {
    severity: "blocker",
    acceptable: false,
    remedy: "Compare the two services' DATABASE_URL on Railway; they must name different servers.",
  },
  SAME_SERVER: {
    severity: "warning",
    acceptable: false,
    remedy:
      "Make sure that the target is a service of its own: removing the old service would remove both databases.",
  },
  SWAPPED_DATABASES: {
    severity: "blocker",
    acceptable: false,
    remedy: "Swap `source` and `target` in the configuration.",
  },
} as const;

const found = findingsOf(identityDefinitions);

/**
 * Whether two sessions are in one and the same database. Advisory locks are local to a database and, unlike the system
 * identifier, are not copied with a volume. They end with the session, need no xid, and a read-only one may take them.
 */
export async function isSameDatabase(source: ClientBase, target: ClientBase): Promise<boolean> {
  const key = randomInt(2 ** 47);
  await source.query("SELECT pg_catalog.pg_advisory_lock($1::bigint)", [key]);
  const { rows } = await target.query<{ taken: boolean }>(
    "SELECT pg_catalog.pg_try_advisory_lock($1::bigint) AS taken",
    [key],
  );
  return rows[0]?.taken === false;
}

export function checkIdentity(isSame: boolean, source: ServerFacts, target: ServerFacts): Finding[] {
  if (isSame) {
    return [
      found(
        "SAME_DATABASE",
        "target",
        "Source and target are one and the same database behind two addresses: a lock taken on one is held on the other.",
      ),
    ];
  }
  if (source.systemIdentifier === null || source.systemIdentifier !== target.systemIdentifier) return [];
  return [
    found(
      "SAME_SERVER",
      "target",
      "Source and target have the same system identifier: they are two databases of one server, or one was restored from the other's volume backup.",
    ),
  ];
}

/** Recognises a source and a target that were named the wrong way round. */
export function checkSwapped(
  source: SchemaFacts,
  target: SchemaFacts,
  schemas: readonly string[],
  protectedSchemas: readonly string[],
): Finding[] {
  const protectedOnSource = protectedSchemas.filter((schema) => source.schemas.includes(schema));
  const protectedOnTarget = protectedSchemas.filter((schema) => target.schemas.includes(schema));
  const filled = (facts: SchemaFacts) =>
    schemas.some((schema) => facts.objects.some((each) => each.schema === schema));
  const protectedSwapped = protectedOnSource.length > 0 && protectedOnTarget.length === 0;
  const dataSwapped = filled(target) && !filled(source);
  if (!protectedSwapped && !dataSwapped) return [];
  return [
    found(
      "SWAPPED_DATABASES",
      "source",
      protectedSwapped
        ? `The schema ${protectedOnSource.join(", ")}, which is to be protected on the target, is on the source and not on the target.`
        : "The schemas to move are filled on the target and empty on the source.",
    ),
  ];
}
