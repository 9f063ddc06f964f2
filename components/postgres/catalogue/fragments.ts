/**
 * SQL for an access control list as sorted lines `grantee PRIVILEGE`. A missing list is written out as the default
 * it stands for, and the owner's own entries name no role, so that neither the way of storing it nor a mapped owner
 * shows as a change of privileges. Who granted is left out: a restore grants everything anew.
 *
 * @param kind the object class as `acldefault` takes it
 */
export function aclLines(acl: string, kind: string, owner: string): string {
  return `(SELECT string_agg(DISTINCT entry COLLATE "C", E'\\n' ORDER BY entry COLLATE "C") FROM (
    SELECT CASE WHEN item.grantee = 0 THEN '(public)' WHEN item.grantee = ${owner} THEN '(owner)'
                ELSE quote_ident(pg_get_userbyid(item.grantee)) END
           || ' ' || item.privilege_type || CASE WHEN item.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END AS entry
      FROM aclexplode(COALESCE(${acl}, acldefault('${kind}', ${owner}))) AS item) AS entries)`;
}

/**
 * SQL of a recursive `WITH extension_member (classid, objid, extension)`. What comes with an extension's object (the array of
 * a type, the rows of a view, the checks of a domain) belongs to the extension, too, though it is recorded as a member from
 * 17 on only (commit e5bc9454e) or never.
 */
export const extensionMembers = `extension_member (classid, objid, extension) AS MATERIALIZED (
    SELECT classid, objid, refobjid FROM pg_depend
     WHERE deptype = 'e' AND refclassid = 'pg_extension'::regclass
    UNION
    SELECT d.classid, d.objid, member.extension
      FROM extension_member member
      JOIN pg_depend d ON d.refclassid = member.classid AND d.refobjid = member.objid
     WHERE d.deptype = 'i'
        OR d.deptype = 'a' AND d.classid IN ('pg_amop'::regclass, 'pg_amproc'::regclass,
                                             'pg_constraint'::regclass, 'pg_attrdef'::regclass)
  )`;

/** SQL condition: the object is no member of an extension. */
export function notOfExtension(catalogue: string, oid: string): string {
  return `NOT EXISTS (SELECT 1 FROM pg_depend membership
    WHERE membership.classid = '${catalogue}'::regclass AND membership.objid = ${oid} AND membership.deptype = 'e')`;
}

/**
 * SQL for storage or column options in a fixed order. `pg_attver` is left out: a stamp that some builds keep on each
 * column (seen on Debian's 17.12, documented nowhere we know of). It differs for every column made or rewritten,
 * cannot be set, and that build's own `pg_dump` leaves it out.
 */
export function sortedOptions(options: string): string {
  return `(SELECT string_agg(entry, ', ' ORDER BY entry COLLATE "C") FROM unnest(${options}) AS entry
    WHERE entry NOT LIKE 'pg\\_attver=%')`;
}

/** SQL for an object's comment. */
export function comment(catalogue: string, oid: string): string {
  return `obj_description(${oid}, '${catalogue}')`;
}

/** SQL for the hash of a text that may be long. */
export function textHash(text: string): string {
  return `encode(sha256(convert_to(${text}, 'UTF8')), 'hex')`;
}
