import { aclLines } from "./fragments.ts";

/**
 * What the database as a whole grants, now and by default. A dump of schemas carries none of it, and default privileges
 * of the whole database work on everything that is created there, the copy included.
 */
export const databaseQueries: readonly string[] = [
  `SELECT 'database' AS kind, ARRAY[]::text[] AS path, 'privileges' AS suffix, NULL AS parent,
          json_build_object('acl', ${aclLines("d.datacl", "d", "d.datdba")}) AS aspects
     FROM pg_database d
    WHERE d.datname = current_database()`,

  // Held against what PostgreSQL grants by itself: a default that was taken away is an entry, too.
  `SELECT 'database' AS kind, ARRAY[]::text[] AS path, 'default privileges' AS suffix, NULL AS parent,
          json_build_object('acl', (
            SELECT string_agg(entry COLLATE "C", E'\n' ORDER BY entry COLLATE "C")
              FROM pg_default_acl d
             CROSS JOIN LATERAL (VALUES (CASE d.defaclobjtype WHEN 'S' THEN 's' ELSE d.defaclobjtype END)) AS kind(letter)
             CROSS JOIN LATERAL (
               SELECT NULL AS sign, g.* FROM aclexplode(d.defaclacl) g
                WHERE NOT EXISTS (SELECT FROM aclexplode(acldefault(kind.letter, d.defaclrole)) h
                                   WHERE (h.grantee, h.privilege_type, h.is_grantable) = (g.grantee, g.privilege_type, g.is_grantable))
               UNION ALL
               SELECT 'without', h.* FROM aclexplode(acldefault(kind.letter, d.defaclrole)) h
                WHERE NOT EXISTS (SELECT FROM aclexplode(d.defaclacl) g
                                   WHERE (h.grantee, h.privilege_type, h.is_grantable) = (g.grantee, g.privilege_type, g.is_grantable))
             ) AS item
             CROSS JOIN LATERAL concat_ws(' ', item.sign, quote_ident(pg_get_userbyid(d.defaclrole)), d.defaclobjtype,
               CASE WHEN item.grantee = 0 THEN '(public)' WHEN item.grantee = d.defaclrole THEN '(owner)'
                    ELSE quote_ident(pg_get_userbyid(item.grantee)) END,
               item.privilege_type, CASE WHEN item.is_grantable THEN 'WITH GRANT OPTION' END) AS entry
             WHERE d.defaclnamespace = 0)) AS aspects`,
];
