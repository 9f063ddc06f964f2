import type { ClientBase } from "pg";
import { extensionMembers } from "../../../postgres/catalogue/fragments.ts";
import type { Finding } from "../../finding.ts";
import { cutoverSchema } from "../../journal/journal.ts";
import { findingsOf, listNames } from "../definitions.ts";
import { objectsInScope, partsInScope } from "./objects-in-scope.ts";

/** How the moved schemas hang together with the rest of their database, as `pg_depend` records it. */
export interface DependencyFacts {
  /** Extensions whose objects the moved ones use; recorded dependencies only, not names inside function bodies. */
  readonly extensions: ReadonlyArray<{ readonly name: string; readonly usedBy: readonly string[] }>;
  /** Objects outside that moved objects need. */
  readonly needed: readonly OutsideObject[];
  /** Objects outside that need moved objects. */
  readonly dependents: readonly OutsideObject[];
}

export interface OutsideObject {
  readonly type: string;
  /** `null` for what lives in no schema, such as a cast or a foreign server. */
  readonly schema: string | null;
  readonly identity: string;
  /** The moved objects at the other end. */
  readonly partners: readonly string[];
}

export const dependencyDefinitions = {
  NEEDS_OUTSIDE_OBJECT: {
    severity: "blocker",
    acceptable: true,
    remedy:
      "Add its schema to `schemas`, create the object on the target beforehand, or remove the dependency.",
  },
  OUTSIDE_OBJECT_LEFT_BEHIND: {
    severity: "blocker",
    acceptable: true,
    remedy: "Add its schema to `schemas`, or accept that it stays on the old database.",
  },
  PROTECTED_DEPENDS_ON_MOVED: {
    severity: "blocker",
    acceptable: false,
    remedy:
      "Remove the dependency, and restore it after the cutover: loading the schema again would need a CASCADE through it.",
  },
} as const;

const found = findingsOf(dependencyDefinitions);

export async function readDependencies(
  client: ClientBase,
  schemas: readonly string[],
): Promise<DependencyFacts> {
  const { rows } = await client.query<DependencyRow>(dependenciesQuery, [schemas]);
  return {
    extensions: group(rows, "extension").map(({ identity, partners }) => ({
      name: identity,
      usedBy: partners,
    })),
    needed: group(rows, "needed"),
    dependents: group(rows, "dependent"),
  };
}

export function checkSourceDependencies(source: DependencyFacts): Finding[] {
  return [
    ...source.needed.map((object) =>
      found(
        "NEEDS_OUTSIDE_OBJECT",
        describe(object),
        `It is outside of the moved schemas, and needed there by ${listNames(object.partners, 4)}.`,
      ),
    ),
    ...source.dependents.map((object) =>
      found(
        "OUTSIDE_OBJECT_LEFT_BEHIND",
        describe(object),
        `It is outside of the moved schemas and uses ${listNames(object.partners, 4)}; it would stay on the old database.`,
      ),
    ),
  ];
}

export function checkTargetDependencies(
  target: DependencyFacts,
  protectedSchemas: readonly string[],
): Finding[] {
  return target.dependents
    .filter(({ schema }) => schema !== null && protectedSchemas.includes(schema))
    .map((object) =>
      found(
        "PROTECTED_DEPENDS_ON_MOVED",
        describe(object),
        `This object of a protected schema depends on ${listNames(object.partners, 4)}, which is in a schema to be moved.`,
      ),
    );
}

function describe({ type, identity }: OutsideObject): string {
  return `${type} ${identity}`;
}

interface DependencyRow {
  readonly role: "extension" | "needed" | "dependent";
  readonly type: string;
  readonly schema: string | null;
  readonly identity: string;
  readonly partner: string;
}

function group(rows: readonly DependencyRow[], role: DependencyRow["role"]): OutsideObject[] {
  const objects = new Map<
    string,
    { type: string; schema: string | null; identity: string; partners: string[] }
  >();
  for (const row of rows) {
    if (row.role !== role || row.schema === cutoverSchema) continue;
    const key = `${row.type} ${row.identity}`;
    const object = objects.get(key);
    if (object === undefined) {
      objects.set(key, {
        type: row.type,
        schema: row.schema,
        identity: row.identity,
        partners: [row.partner],
      });
    } else {
      object.partners.push(row.partner);
    }
  }
  return [...objects.values()];
}

// Objects below 16384 are PostgreSQL's own (FirstNormalObjectId, access/transam.h). What publishes or fences tables is
// reported by checks of its own, so are casts and transforms; temporary objects end with their session. A foreign key is one
// finding: what it needs an index and internal triggers for is left out. Objects are described only after the joins:
// describing costs a catalogue look-up each.
const dependenciesQuery = `
  WITH RECURSIVE scope AS MATERIALIZED (SELECT oid FROM pg_namespace WHERE nspname = ANY ($1::text[])),
  relation AS MATERIALIZED (SELECT oid FROM pg_class WHERE relnamespace IN (SELECT oid FROM scope)),
  ${extensionMembers},
  family_member AS MATERIALIZED (
    SELECT 'pg_amop'::regclass AS classid, oid AS objid, amopfamily AS family FROM pg_amop WHERE oid >= 16384
    UNION ALL SELECT 'pg_amproc'::regclass, oid, amprocfamily FROM pg_amproc WHERE oid >= 16384
  ),
  inside AS MATERIALIZED (
    ${objectsInScope}
    UNION ALL SELECT 'pg_ts_parser'::regclass, oid FROM pg_ts_parser WHERE prsnamespace IN (SELECT oid FROM scope)
    UNION ALL SELECT 'pg_ts_template'::regclass, oid FROM pg_ts_template WHERE tmplnamespace IN (SELECT oid FROM scope)
    ${partsInScope}
    UNION ALL SELECT member.classid, member.objid FROM family_member member
     WHERE member.family IN (SELECT oid FROM pg_opfamily WHERE opfnamespace IN (SELECT oid FROM scope))
        OR EXISTS (SELECT FROM pg_depend d
                    WHERE d.classid = member.classid AND d.objid = member.objid AND d.refclassid = 'pg_opclass'::regclass
                      AND d.refobjid IN (SELECT oid FROM pg_opclass WHERE opcnamespace IN (SELECT oid FROM scope)))
  ),
  moved AS MATERIALIZED (
    SELECT i.classid, i.objid FROM inside i
     WHERE NOT EXISTS (SELECT FROM extension_member e WHERE e.classid = i.classid AND e.objid = i.objid)
  ),
  toast AS MATERIALIZED (SELECT oid FROM pg_class WHERE relnamespace = 'pg_toast'::regnamespace),
  index AS MATERIALIZED (SELECT oid FROM pg_class WHERE relkind IN ('i', 'I')),
  internal_trigger AS MATERIALIZED (SELECT oid FROM pg_trigger WHERE tgisinternal),
  outgoing AS MATERIALIZED (
    SELECT d.refclassid, d.refobjid, e.extension, d.classid, d.objid
      FROM pg_depend d
      JOIN moved m ON m.classid = d.classid AND m.objid = d.objid
      LEFT JOIN extension_member e ON e.classid = d.refclassid AND e.objid = d.refobjid
     WHERE d.refobjid >= 16384 AND d.deptype <> 'e'
       AND NOT (d.refclassid = 'pg_class'::regclass AND d.refobjid IN (SELECT oid FROM index))
       AND NOT (d.classid = 'pg_trigger'::regclass AND d.objid IN (SELECT oid FROM internal_trigger))
       AND NOT EXISTS (SELECT FROM moved o WHERE o.classid = d.refclassid AND o.objid = d.refobjid)
  ),
  incoming AS MATERIALIZED (
    SELECT d.classid, d.objid, d.refclassid, d.refobjid
      FROM pg_depend d
      JOIN moved m ON m.classid = d.refclassid AND m.objid = d.refobjid
     WHERE d.objid >= 16384
       AND d.classid NOT IN ('pg_publication_rel'::regclass, 'pg_event_trigger'::regclass, 'pg_extension'::regclass,
                             'pg_cast'::regclass, 'pg_transform'::regclass)
       AND d.classid::regclass::text <> 'pg_publication_namespace'
       AND NOT (d.classid = 'pg_class'::regclass AND d.objid IN (SELECT oid FROM toast))
       AND NOT (d.classid = 'pg_trigger'::regclass AND d.objid IN (SELECT oid FROM internal_trigger))
       AND NOT EXISTS (SELECT FROM inside i WHERE i.classid = d.classid AND i.objid = d.objid)
       AND NOT EXISTS (SELECT FROM extension_member e WHERE e.classid = d.classid AND e.objid = d.objid)
  ),
  described AS (
    SELECT DISTINCT 'extension' AS role, 'extension' AS type, NULL AS schema, x.extname::text AS identity, o.classid, o.objid
      FROM outgoing o
      JOIN pg_extension x
        ON x.oid = o.extension OR (o.refclassid = 'pg_extension'::regclass AND x.oid = o.refobjid)
    UNION ALL
    SELECT DISTINCT 'needed', r.type, r.schema, r.identity, o.classid, o.objid
      FROM outgoing o CROSS JOIN LATERAL pg_identify_object(o.refclassid, o.refobjid, 0) r
     WHERE o.extension IS NULL AND o.refclassid <> 'pg_extension'::regclass
    UNION ALL
    SELECT DISTINCT 'dependent', r.type, r.schema, r.identity, i.refclassid, i.refobjid
      FROM incoming i
      CROSS JOIN LATERAL (
        SELECT described.type, COALESCE(described.schema, owner_schema.nspname::text) AS schema, described.identity
          FROM pg_identify_object(i.classid, i.objid, 0) described
          LEFT JOIN LATERAL (
            SELECT conrelid AS relid FROM pg_constraint WHERE i.classid = 'pg_constraint'::regclass AND oid = i.objid
            UNION ALL SELECT ev_class FROM pg_rewrite WHERE i.classid = 'pg_rewrite'::regclass AND oid = i.objid
            UNION ALL SELECT tgrelid FROM pg_trigger WHERE i.classid = 'pg_trigger'::regclass AND oid = i.objid
            UNION ALL SELECT adrelid FROM pg_attrdef WHERE i.classid = 'pg_attrdef'::regclass AND oid = i.objid
            UNION ALL SELECT polrelid FROM pg_policy WHERE i.classid = 'pg_policy'::regclass AND oid = i.objid
          ) part ON true
          LEFT JOIN pg_class owner ON owner.oid = part.relid
          LEFT JOIN pg_namespace owner_schema ON owner_schema.oid = owner.relnamespace
      ) r
     WHERE r.schema IS NULL OR r.schema !~ '^pg_temp_'
  )
  SELECT described.role, described.type, described.schema, described.identity, partner.identity AS partner
    FROM described CROSS JOIN LATERAL pg_identify_object(described.classid, described.objid, 0) partner
   ORDER BY 1, 2, 4, 5`;
