import type { ClientBase } from "pg";
import { answerWith, askBlock } from "../../../postgres/answering-block.ts";
import { quoteLiteral } from "../../../postgres/identifiers.ts";
import type { Finding } from "../../finding.ts";
import { findingsOf, listNames } from "../definitions.ts";
import type { BoundSetting } from "./settings.ts";

/** A word that names a time zone, as far as definitions tell: behind AT TIME ZONE, or in quotes with a slash in it. */
export interface NamedZone {
  readonly zone: string;
  readonly usedBy: readonly string[];
}

export const timeZoneDefinitions = {
  TIME_ZONE_MISSING: {
    severity: "blocker",
    acceptable: true,
    remedy:
      "Write its present name on the source (`America/Los_Angeles` for `US/Pacific`), or use an image for the target that knows the old one (Debian: the package tzdata-legacy); accept it if it is no time zone there.",
  },
  TIME_ZONES_FEWER: {
    severity: "warning",
    acceptable: false,
    remedy:
      "Look whether the applications' queries or rows name such a time zone; if so, use an image for the target that knows it (Debian: the package tzdata-legacy).",
  },
} as const;

const found = findingsOf(timeZoneDefinitions);

export async function readNamedZones(client: ClientBase, schemas: readonly string[]): Promise<NamedZone[]> {
  const { rows } = await client.query<NamedZone>(namedQuery, [schemas]);
  return rows;
}

/** Old names that much is written with. Debian 13 has them in a package of their own. */
const oldNames = [
  ...[
    "US/Eastern",
    "US/Central",
    "US/Mountain",
    "US/Pacific",
    "Canada/Eastern",
    "Mexico/General",
    "Brazil/East",
  ],
  ...["America/Buenos_Aires", "Asia/Calcutta", "Asia/Saigon", "Australia/ACT", "Europe/Kiev", "GB", "Japan"],
];

/**
 * Names of time zones that the source knows and the target does not: they come with the operating system. A definition with
 * one is made without a word where nobody asks for its value yet, and ends the load where it is asked: in an index, a check,
 * a materialised view.
 *
 * @param named by definitions
 * @param settings of the source, among which may be its time zone
 */
export async function checkTimeZones(
  source: ClientBase,
  target: ClientBase,
  named: readonly NamedZone[],
  settings: readonly BoundSetting[],
): Promise<Finding[]> {
  const set = settings
    .filter(({ name }) => name.toLowerCase() === "timezone")
    .map(({ scope, value }) => ({ zone: value, usedBy: [`a setting of ${scope}`] }));
  const uses = Map.groupBy([...named, ...set], ({ zone }) => zone);
  const names = [...new Set([...uses.keys(), ...oldNames])];
  const [here, there] = await Promise.all([knownZones(source, names), knownZones(target, names)]);
  const missing = here.filter((name) => !there.includes(name));
  const old = oldNames.filter((name) => missing.includes(name));
  return [
    ...missing
      .filter((zone) => uses.has(zone))
      .map((zone) => {
        const users = uses.get(zone)?.flatMap(({ usedBy }) => usedBy) ?? [];
        return found(
          "TIME_ZONE_MISSING",
          zone,
          `The target's server does not know this time zone, and ${listNames(users, 4)} names it.`,
        );
      }),
    ...(old.length === 0
      ? []
      : [
          found(
            "TIME_ZONES_FEWER",
            "target",
            `Its server does not know time zones by their old names, as the source's does: ${listNames(old)}.`,
          ),
        ]),
  ];
}

/**
 * Those of the names that the server knows. They are tried one by one: it cannot list them where its folder of them holds a
 * link that leads nowhere.
 */
async function knownZones(client: ClientBase, names: readonly string[]): Promise<string[]> {
  return askBlock(
    client,
    `
    DECLARE
      name text;
      known text[] := '{}';
    BEGIN
      FOR name IN SELECT json_array_elements_text(${quoteLiteral(JSON.stringify(names))}) LOOP
        BEGIN
          PERFORM timezone(name, now());
          known := known || name;
        EXCEPTION WHEN OTHERS THEN NULL;
        END;
      END LOOP;
      ${answerWith("array_to_json(known)")}
    END`,
  );
}

// What a row holds is not looked at.
const namedQuery = `
  WITH scope AS MATERIALIZED (SELECT oid, nspname FROM pg_namespace WHERE nspname = ANY ($1::text[])),
  relation AS MATERIALIZED (
    SELECT c.oid, c.relkind, scope.nspname || '.' || c.relname AS name
      FROM pg_class c JOIN scope ON scope.oid = c.relnamespace
  ),
  definition (object, text) AS (
    SELECT 'view ' || name, pg_get_viewdef(oid) FROM relation WHERE relkind IN ('v', 'm')
    UNION ALL
    SELECT 'index ' || relation.name, pg_get_indexdef(relation.oid)
      FROM relation JOIN pg_index x ON x.indexrelid = relation.oid AND (x.indexprs IS NOT NULL OR x.indpred IS NOT NULL)
    UNION ALL
    SELECT 'column ' || relation.name || '.' || a.attname, pg_get_expr(d.adbin, d.adrelid)
      FROM pg_attrdef d
      JOIN relation ON relation.oid = d.adrelid
      JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
    UNION ALL
    SELECT 'constraint ' || k.conname, pg_get_constraintdef(k.oid)
      FROM pg_constraint k JOIN scope ON scope.oid = k.connamespace WHERE k.contype IN ('c', 'x')
    UNION ALL
    SELECT 'policy ' || p.polname || ' of ' || relation.name,
           concat_ws(' ', pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
      FROM pg_policy p JOIN relation ON relation.oid = p.polrelid
    UNION ALL
    SELECT 'trigger ' || t.tgname || ' of ' || relation.name, pg_get_triggerdef(t.oid)
      FROM pg_trigger t JOIN relation ON relation.oid = t.tgrelid WHERE t.tgqual IS NOT NULL
    UNION ALL
    SELECT 'rule ' || r.rulename || ' of ' || relation.name, pg_get_ruledef(r.oid)
      FROM pg_rewrite r JOIN relation ON relation.oid = r.ev_class WHERE r.rulename <> '_RETURN'
    UNION ALL
    SELECT 'function ' || scope.nspname || '.' || p.proname,
           concat_ws(' ', p.prosrc, pg_get_function_sqlbody(p.oid),
                     (SELECT string_agg('AT TIME ZONE ' || quote_literal(substr(entry, 10)), ' ')
                        FROM unnest(p.proconfig) AS entry WHERE entry ILIKE 'timezone=%'))
      FROM pg_proc p JOIN scope ON scope.oid = p.pronamespace
  )
  SELECT zone, array_agg(DISTINCT object ORDER BY object) AS "usedBy"
    FROM (SELECT object, COALESCE(word[1], word[2]) AS zone
            FROM definition
           CROSS JOIN LATERAL regexp_matches(text,
             'AT\\s+TIME\\s+ZONE\\s+\\(?''([^'']+)''|''([A-Za-z_]+/[A-Za-z0-9_/+-]+)''', 'gi') AS word) AS found
   GROUP BY 1
   ORDER BY zone COLLATE "C"`;
