import type { ClientBase } from "pg";
import { answerWith, askBlock, isLookedAt } from "../../../postgres/answering-block.ts";
import { quoteIdentifier, quoteLiteral } from "../../../postgres/identifiers.ts";
import { readApplicationSettings } from "../../../postgres/load/application-settings.ts";
import { refusesValue } from "./outdated-rows.ts";

/** A populated materialised view that could not be refreshed today. */
export interface FailingView {
  readonly view: string;
  /** The SQLSTATE that its query fails with; 23505 where two of its rows would have the same unique key. */
  readonly state: string;
}

/**
 * Runs the queries of populated materialised views, as REFRESH does: in the role of the owner, under the application's
 * settings, and looks for rows that its unique indexes would refuse. What was right when a view was refreshed can have
 * changed with its rows or its owner's rights. Best effort: the small views first, and no longer than a few seconds in all;
 * what depends on the search path is another check's affair.
 */
export async function readFailingViews(
  client: ClientBase,
  schemas: readonly string[],
): Promise<FailingView[]> {
  const settings = await readApplicationSettings(client);
  return askBlock(client, failingViews(schemas), [
    "SET LOCAL statement_timeout = '5s'; SET LOCAL lock_timeout = '100ms'; SET LOCAL row_security = on",
    ...settings.map(({ name, value }) => `SET LOCAL ${quoteIdentifier(name)} = ${quoteLiteral(value)}`),
    "SET LOCAL enable_nestloop = on",
  ]);
}

/**
 * A question for rows of the view's query with the same key of a unique index; keys with a NULL are never the same, unless the
 * index says so. What compares in a way of its own is left out: `GROUP BY` would compare otherwise.
 */
const doubleKeys = `
  SELECT format('SELECT %s', string_agg(
           format('EXISTS (SELECT FROM (%s) AS query WHERE %s GROUP BY %s HAVING count(*) > 1)',
                  definition, concat_ws(' AND ', COALESCE(pg_get_expr(i.indpred, i.indrelid), 'true'), key.are_given), key.list),
           ' OR '))
    FROM pg_index i
   CROSS JOIN LATERAL (
     SELECT string_agg(pg_get_indexdef(i.indexrelid, number, false), ', ') AS list,
            CASE WHEN NOT COALESCE((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false)
                 THEN string_agg(format('(%s) IS NOT NULL', pg_get_indexdef(i.indexrelid, number, false)), ' AND ') END AS are_given
       FROM generate_series(1, i.indnkeyatts) AS number) AS key
   WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid
     AND NOT EXISTS (SELECT FROM pg_opclass o WHERE o.oid = ANY (i.indclass) AND NOT o.opcdefault)
     AND NOT EXISTS (SELECT FROM pg_collation l WHERE l.oid = ANY (i.indcollation) AND NOT l.collisdeterministic)
     AND NOT EXISTS (SELECT FROM pg_attribute a JOIN pg_collation l ON l.oid = a.attcollation
                      WHERE a.attrelid = c.oid AND NOT l.collisdeterministic)`;

/** What an error raises inside of the block is in no log. */
function failingViews(schemas: readonly string[]): string {
  return `
    DECLARE
      populated record;
      is_double boolean;
      found json[] := '{}';
    BEGIN
      FOR populated IN
        SELECT n.nspname || '.' || c.relname AS name, pg_get_userbyid(c.relowner) AS owner,
               format('SELECT count(shown) FROM (SELECT * FROM (%s) AS query OFFSET 0) AS shown',
                      definition) AS look,
               (${doubleKeys}) AS "doubleKeys"
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         CROSS JOIN LATERAL rtrim(pg_get_viewdef(c.oid), ';') AS definition
         WHERE c.relkind = 'm' AND c.relispopulated
           AND n.nspname IN (SELECT json_array_elements_text(${quoteLiteral(JSON.stringify(schemas))}))
         ORDER BY pg_relation_size(c.oid), 1
      LOOP
        BEGIN
          PERFORM set_config('role', populated.owner, true);
          EXECUTE populated.look;
          IF populated."doubleKeys" IS NOT NULL THEN
            EXECUTE populated."doubleKeys" INTO is_double;
            IF is_double THEN RAISE unique_violation; END IF;
          END IF;
          -- Gives back locks and the role.
          RAISE SQLSTATE '${isLookedAt}';
        EXCEPTION
          WHEN SQLSTATE '${isLookedAt}' THEN NULL;
          WHEN query_canceled THEN EXIT;
          WHEN OTHERS THEN
            IF SQLSTATE ~ '${refusesValue.source}' OR SQLSTATE = '42501' THEN
              found := found || json_build_object('view', populated.name, 'state', SQLSTATE);
            END IF;
        END;
      END LOOP;
      ${answerWith("array_to_json(found)")}
    END`;
}
