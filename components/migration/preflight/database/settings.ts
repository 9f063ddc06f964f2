import type { ClientBase } from "pg";
import type { Finding } from "../../finding.ts";
import { findingsOf } from "../definitions.ts";
import { makesReadOnly } from "./read-only.ts";

/** A setting bound to a database, a role, or both. Its value is compared and never shown: it can be a key. */
export interface BoundSetting {
  /** `database`, `all roles`, `role app`, `role app in this database`. */
  readonly scope: string;
  readonly name: string;
  readonly value: string;
}

export const settingDefinitions = {
  SETTING_LOST: {
    severity: "blocker",
    acceptable: true,
    remedy:
      "Set it on the target (ALTER DATABASE or ALTER ROLE … SET), or accept that the applications run without it.",
  },
  SETTING_ADDED: {
    severity: "blocker",
    acceptable: true,
    remedy:
      "Reset it on the target (ALTER DATABASE or ALTER ROLE … RESET), or accept that the applications run with it.",
  },
} as const;

const found = findingsOf(settingDefinitions);

export async function readSettings(client: ClientBase): Promise<BoundSetting[]> {
  const { rows } = await client.query<BoundSetting>(settingsQuery);
  return rows;
}

/** @param sourceRoles a setting of a role that the source does not know is none of the applications' */
export function compareSettings(
  source: readonly BoundSetting[],
  target: readonly BoundSetting[],
  user: string,
  sourceRoles: readonly string[],
): Finding[] {
  const onSource = new Set(source.map(({ scope, name }) => `${scope}: ${name}`));
  const reaches = ({ scope }: BoundSetting) => {
    const role = /^role (.*?)( in this database)?$/s.exec(scope)?.[1];
    return role === undefined || sourceRoles.includes(role);
  };
  const added = target
    .filter((setting) => !makesReadOnly(setting, user) && reaches(setting))
    .filter(({ scope, name }) => !onSource.has(`${scope}: ${name}`) && !/^(hnsw|ivfflat)\./.test(name))
    .map(({ scope, name }) =>
      found(
        "SETTING_ADDED",
        `${scope}: ${name}`,
        "The target has this setting and the source has not: the applications would run under it.",
      ),
    );
  const lost = source
    .filter((setting) => !makesReadOnly(setting, user))
    .filter(
      (setting) =>
        !target.some(
          ({ scope, name, value }) =>
            scope === setting.scope && name === setting.name && value === setting.value,
        ),
    )
    .map(({ scope, name }) =>
      found(
        "SETTING_LOST",
        `${scope}: ${name}`,
        "The source has this setting and the target has not, or has another value; a dump of schemas does not carry it.",
      ),
    );
  return [...lost, ...added];
}

const settingsQuery = `
  SELECT CASE WHEN s.setrole = 0 AND s.setdatabase = 0 THEN 'all roles'
              WHEN s.setrole = 0 THEN 'database'
              WHEN s.setdatabase = 0 THEN 'role ' || r.rolname
              ELSE 'role ' || r.rolname || ' in this database' END AS scope,
         split_part(entry, '=', 1) AS name,
         substr(entry, strpos(entry, '=') + 1) AS value
    FROM pg_db_role_setting s
    LEFT JOIN pg_roles r ON r.oid = s.setrole
   CROSS JOIN LATERAL unnest(s.setconfig) entry
   WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
   ORDER BY 1, 2`;
