import type { ClientBase } from "pg";
import { answerWith, askBlock, isLookedAt } from "../../../postgres/answering-block.ts";
import { displayName } from "../../../postgres/catalogue/catalogue.ts";
import { quoteLiteral } from "../../../postgres/identifiers.ts";

/**
 * Foreign keys that rows came past, as `public.pet.has_owner`: what is loaded while triggers do not fire is never looked at
 * again. Best effort: the small tables first, the oldest rows of a large one, and no longer than a few seconds in all. Each
 * key is looked at for itself, so that none is in another's way, and no lock is kept.
 */
export async function readBrokenKeys(client: ClientBase, schemas: readonly string[]): Promise<string[]> {
  const found = await askBlock<string[][]>(client, brokenKeys(schemas), [
    "SET LOCAL lock_timeout = '100ms'; SET LOCAL statement_timeout = '5s'; SET LOCAL enable_nestloop = on",
  ]);
  return found.map(displayName);
}

function brokenKeys(schemas: readonly string[]): string {
  return `
    DECLARE
      key record;
      is_broken boolean;
      found json[] := '{}';
    BEGIN
      FOR key IN ${keysQuery(quoteLiteral(JSON.stringify(schemas)))} LOOP
        BEGIN
          EXECUTE key.look INTO is_broken;
          IF is_broken THEN found := found || key.path; END IF;
          -- Gives back locks.
          RAISE SQLSTATE '${isLookedAt}';
        EXCEPTION
          WHEN SQLSTATE '${isLookedAt}' THEN NULL;
          WHEN query_canceled THEN EXIT;
          WHEN OTHERS THEN NULL;
        END;
      END LOOP;
      ${answerWith("array_to_json(found)")}
    END`;
}

/** 64 MB: rows are mostly appended, so what was written long ago is at the beginning. */
const mostBlocks = 8192;

// As RI_Initial_Check (ri_triggers.c) looks. A key to a partitioned table has an entry more for each partition there; one over
// periods (18) is left to the load.
function keysQuery(schemas: string): string {
  return `
    SELECT json_build_array(n.nspname, c.relname, k.conname) AS path,
           format('SELECT EXISTS (SELECT FROM ONLY %I.%I WHERE ctid < ''(${mostBlocks},0)'' AND (%s) AND NOT EXISTS (SELECT FROM %s AS referenced WHERE %s))',
                  n.nspname, c.relname, parts.filled,
                  concat_ws(' ', CASE WHEN other.relkind = 'r' THEN 'ONLY' END, k.confrelid::regclass), parts.matched) AS look
      FROM pg_constraint k
      JOIN pg_class c ON c.oid = k.conrelid AND c.relkind = 'r'
      JOIN pg_am am ON am.oid = c.relam AND am.amname = 'heap'
      JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_class other ON other.oid = k.confrelid
      LEFT JOIN pg_constraint origin ON origin.oid = k.conparentid
     CROSS JOIN LATERAL (
       SELECT string_agg(format('%I IS NOT NULL', mine.attname),
                         CASE k.confmatchtype WHEN 'f' THEN ' OR ' ELSE ' AND ' END) AS filled,
              string_agg(format('referenced.%I OPERATOR(%I.%s) %I.%I.%I', theirs.attname, home.nspname, o.oprname,
                                n.nspname, c.relname, mine.attname), ' AND ') AS matched
         FROM ROWS FROM (unnest(k.conkey), unnest(k.confkey), unnest(k.conpfeqop)) AS part(mine, theirs, operator)
         JOIN pg_attribute mine ON mine.attrelid = k.conrelid AND mine.attnum = part.mine
         JOIN pg_attribute theirs ON theirs.attrelid = k.confrelid AND theirs.attnum = part.theirs
         JOIN pg_operator o ON o.oid = part.operator
         JOIN pg_namespace home ON home.oid = o.oprnamespace) AS parts
     WHERE k.contype = 'f' AND k.convalidated AND origin.conrelid IS DISTINCT FROM k.conrelid
       AND to_jsonb(k) ->> 'conperiod' IS DISTINCT FROM 'true'
       AND n.nspname IN (SELECT json_array_elements_text(${schemas}))
     ORDER BY pg_relation_size(k.conrelid) + pg_relation_size(k.confrelid), n.nspname, c.relname, k.conname`;
}
