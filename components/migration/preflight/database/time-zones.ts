import type { ClientBase } from "pg";
import type { Finding } from "../../finding.ts";
import { findingsOf, listNames } from "../definitions.ts";
import type { BoundSetting } from "./settings.ts";

/** Time zones come from the server's operating system: newer ones ship those with an old name apart, or not at all. */
export interface TimeZones {
  readonly known: readonly string[];
  /** Words in quotes that name one, as far as definitions tell: behind AT TIME ZONE, or with a slash in them. */
  readonly named: ReadonlyArray<{ readonly zone: string; readonly usedBy: readonly string[] }>;
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
      "Look whether the applications' queries or rows name one of them; if so, use an image for the target that knows it (Debian: the package tzdata-legacy).",
  },
} as const;

const found = findingsOf(timeZoneDefinitions);

export async function readTimeZones(client: ClientBase, schemas: readonly string[]): Promise<TimeZones> {
  const [known, named] = await Promise.all([
    client.query<{ name: string }>("SELECT name FROM pg_timezone_names ORDER BY 1"),
    client.query<TimeZones["named"][number]>(namedQuery, [schemas]),
  ]);
  return { known: known.rows.map(({ name }) => name), named: named.rows };
}

/**
 * A definition with a name that the target does not know is made there without a word where nobody asks for its value yet,
 * and ends the load where it is asked: in an index, a check, a materialised view.
 *
 * @param settings of the source, among which may be its time zone
 */
export function compareTimeZones(
  source: TimeZones,
  target: Pick<TimeZones, "known">,
  settings: readonly BoundSetting[],
): Finding[] {
  const fold = (name: string) => name.toLowerCase();
  const there = new Set(target.known.map(fold));
  const missing = source.known.filter((name) => !there.has(fold(name)));
  if (missing.length === 0) return [];
  const isMissing = new Set(missing.map(fold));
  const set = settings
    .filter(({ name }) => fold(name) === "timezone")
    .map(({ scope, value }) => ({ zone: value, usedBy: [`a setting of ${scope}`] }));
  const used = [...source.named, ...set].filter(({ zone }) => isMissing.has(fold(zone)));
  return [
    ...[...Map.groupBy(used, ({ zone }) => zone)].map(([zone, uses]) =>
      found(
        "TIME_ZONE_MISSING",
        zone,
        `The target's server does not know this time zone, and ${listNames(
          uses.flatMap(({ usedBy }) => usedBy),
          4,
        )} names it.`,
      ),
    ),
    found(
      "TIME_ZONES_FEWER",
      "target",
      `Its server does not know ${missing.length} time zones that the source's does: ${listNames(missing)}.`,
    ),
  ];
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
   ORDER BY 1`;
