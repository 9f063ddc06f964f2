/**
 * To be joined: `inner_type (oid)`, what values of the type `t` of pg_type are made of: a domain's own type, elements of an
 * array, bounds of a range, attributes of a composite type.
 */
export const innerTypes = `CROSS JOIN LATERAL (
       SELECT t.typbasetype AS oid WHERE t.typtype = 'd'
       UNION ALL SELECT t.typelem WHERE t.typcategory = 'A'
       UNION ALL SELECT r.rngsubtype FROM pg_range r WHERE t.oid IN (r.rngtypid, r.rngmultitypid)
       UNION ALL SELECT a.atttypid FROM pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
     ) AS inner_type`;
