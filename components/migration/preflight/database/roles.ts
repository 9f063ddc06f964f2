import type { ClientBase } from "pg";
import type { Finding } from "../../finding.ts";
import { findingsOf, listNames } from "../definitions.ts";
import { objectsInScope } from "./objects-in-scope.ts";

export interface RoleFacts {
  /** Roles that own or are granted anything of the moved schemas, directly or as members of such a role. */
  readonly referenced: readonly string[];
  readonly roles: readonly string[];
  /** What each role may do and inherits: attributes, settings that it may change, roles it is a member of, as one line. */
  readonly powers: Readonly<Record<string, string>>;
  /** Tables of the moved schemas that our own role may not read. */
  readonly unreadable: readonly string[];
  /** Tables whose row level security would hide rows from our own role. */
  readonly hidden: readonly string[];
}

export const roleDefinitions = {
  ROLE_MISSING: {
    severity: "blocker",
    acceptable: false,
    remedy: "Create the role on the target (NOLOGIN is enough), or take its rights away on the source.",
  },
  ROLE_DIFFERS: {
    severity: "blocker",
    acceptable: true,
    remedy:
      "Make the role the same on the target (ALTER ROLE, GRANT, REVOKE), or accept it: SUPERUSER and BYPASSRLS pass every policy, a membership brings its privileges.",
  },
  TABLE_UNREADABLE: {
    severity: "blocker",
    acceptable: false,
    remedy: "Grant SELECT on them to the role of the source's DATABASE_URL, or use the superuser.",
  },
  ROWS_HIDDEN: {
    severity: "blocker",
    acceptable: false,
    remedy: "Use a role with BYPASSRLS: without it a copy misses rows and reports no error.",
  },
} as const;

const found = findingsOf(roleDefinitions);

export async function readRoles(client: ClientBase, schemas: readonly string[]): Promise<RoleFacts> {
  const { rows } = await client.query<RoleFacts>(rolesQuery, [schemas]);
  return rows[0] as RoleFacts;
}

export function checkSourceRoles(source: RoleFacts, bypassesRowSecurity: boolean): Finding[] {
  const findings: Finding[] = [];
  if (source.unreadable.length > 0) {
    findings.push(
      found("TABLE_UNREADABLE", "source", `Our role may not read ${listNames(source.unreadable)}.`),
    );
  }
  if (!bypassesRowSecurity && source.hidden.length > 0) {
    findings.push(
      found(
        "ROWS_HIDDEN",
        "source",
        `Row level security may hide rows of ${listNames(source.hidden)} from our role.`,
      ),
    );
  }
  return findings;
}

export function compareRoles(source: RoleFacts, target: RoleFacts): Finding[] {
  return source.referenced.flatMap((role) => compareRole(role, source, target));
}

function compareRole(role: string, source: RoleFacts, target: RoleFacts): Finding[] {
  if (!target.roles.includes(role)) {
    const why =
      "The role owns or is granted moved objects, itself or as a member, and the target does not have it.";
    return [found("ROLE_MISSING", role, why)];
  }
  if (source.powers[role] === target.powers[role]) return [];
  const why =
    "The role owns or is granted moved objects, and has other attributes or memberships on the target than on the source.";
  return [found("ROLE_DIFFERS", role, why)];
}

/** Of the role `r`; granted by several, together. Options of each membership came with 16, where a role's own were before. */
const memberships = `
  SELECT each.roleid,
         concat_ws(' ', CASE WHEN bool_or(each.admin_option) THEN 'admin' END,
                   CASE WHEN bool_or(COALESCE((to_jsonb(each) ->> 'inherit_option')::boolean, r.rolinherit)) THEN 'inherit' END,
                   CASE WHEN bool_or(COALESCE((to_jsonb(each) ->> 'set_option')::boolean, true)) THEN 'set' END) AS options
    FROM pg_auth_members each WHERE each.member = r.oid GROUP BY each.roleid`;

/** To the role `r` (15 and later). Whether it may set them or alter the system by them is not told apart. */
const settingsGranted = `
  SELECT string_agg(setting.identity, ',' ORDER BY setting.identity COLLATE "C")
    FROM pg_shdepend s CROSS JOIN LATERAL pg_identify_object(s.classid, s.objid, 0) AS setting
   WHERE s.classid = to_regclass('pg_catalog.pg_parameter_acl') AND s.refclassid = 'pg_authid'::regclass AND s.refobjid = r.oid`;

// pg_shdepend does not record the bootstrap superuser (oid 10), which is pinned; the owners are read beside it.
const rolesQuery = `
  WITH RECURSIVE scope AS MATERIALIZED (SELECT oid, nspowner FROM pg_namespace WHERE nspname = ANY ($1::text[])),
  relation AS MATERIALIZED (
    SELECT c.oid, c.relowner, c.relkind, c.relrowsecurity FROM pg_class c
     WHERE c.relnamespace IN (SELECT oid FROM scope)
       AND NOT EXISTS (SELECT FROM pg_depend d
                        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
  ),
  object AS (
    ${objectsInScope}
  ),
  referenced AS (
    SELECT s.refobjid AS role FROM pg_shdepend s JOIN object o ON o.classid = s.classid AND o.objid = s.objid
     WHERE s.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
       AND s.refclassid = 'pg_authid'::regclass
    UNION SELECT relowner FROM relation
    UNION SELECT nspowner FROM scope
    UNION SELECT proowner FROM pg_proc
     WHERE pronamespace IN (SELECT oid FROM scope)
       AND NOT EXISTS (SELECT FROM pg_depend d
                        WHERE d.classid = 'pg_proc'::regclass AND d.objid = pg_proc.oid AND d.deptype = 'e')
  ),
  concerned AS (
    SELECT role FROM referenced
    UNION SELECT m.member FROM pg_auth_members m JOIN concerned ON concerned.role = m.roleid
  )
  SELECT ARRAY(SELECT DISTINCT r.rolname::text FROM concerned JOIN pg_roles r ON r.oid = concerned.role
                WHERE r.rolname !~ '^pg_' ORDER BY 1) AS referenced,
         ARRAY(SELECT rolname::text FROM pg_roles ORDER BY 1) AS roles,
         (SELECT json_object_agg(r.rolname, concat_ws(' ',
                   CASE WHEN r.rolsuper THEN 'superuser' END, CASE WHEN r.rolinherit THEN 'inherit' END,
                   CASE WHEN r.rolcreaterole THEN 'createrole' END, CASE WHEN r.rolcreatedb THEN 'createdb' END,
                   CASE WHEN r.rolcanlogin THEN 'login' END, CASE WHEN r.rolreplication THEN 'replication' END,
                   CASE WHEN r.rolbypassrls THEN 'bypassrls' END, r.rolconnlimit,
                   (SELECT string_agg(concat_ws(' ', quote_ident(g.rolname), m.options), ',' ORDER BY g.rolname COLLATE "C")
                      FROM (${memberships}) AS m JOIN pg_roles g ON g.oid = m.roleid),
                   (${settingsGranted})))
            FROM pg_roles r) AS powers,
         ARRAY(SELECT oid::regclass::text FROM relation
                WHERE relkind IN ('r', 'p') AND NOT has_table_privilege(oid, 'SELECT') ORDER BY 1) AS unreadable,
         ARRAY(SELECT oid::regclass::text FROM relation
                WHERE relkind IN ('r', 'p') AND relrowsecurity ORDER BY 1) AS hidden`;
