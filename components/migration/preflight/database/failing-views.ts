import type { ClientBase } from "pg";
import { answerWith, askBlock, isLookedAt } from "../../../postgres/answering-block.ts";
import { quoteIdentifier, quoteLiteral } from "../../../postgres/identifiers.ts";
import { readApplicationSettings } from "../../../postgres/load/application-settings.ts";
import { refusesValue } from "./outdated-rows.ts";

/** A populated materialised view whose query fails today. */
export interface FailingView {
  readonly view: string;
  /** The SQLSTATE that it fails with. */
  readonly state: string;
}

/**
 * Runs the queries of populated materialised views, as REFRESH does: in the role of the owner, under the application's
 * settings. What was right when a view was refreshed can have changed with its rows or its owner's rights. Best effort: the
 * small views first, and no longer than a few seconds in all; what depends on the search path is another check's affair.
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

/** What an error raises inside of the block is in no log. */
function failingViews(schemas: readonly string[]): string {
  return `
    DECLARE
      populated record;
      found json[] := '{}';
    BEGIN
      FOR populated IN
        SELECT n.nspname || '.' || c.relname AS name, pg_get_userbyid(c.relowner) AS owner,
               format('SELECT count(shown) FROM (SELECT * FROM (%s) AS query OFFSET 0) AS shown',
                      rtrim(pg_get_viewdef(c.oid), ';')) AS look
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind = 'm' AND c.relispopulated
           AND n.nspname IN (SELECT json_array_elements_text(${quoteLiteral(JSON.stringify(schemas))}))
         ORDER BY pg_relation_size(c.oid), 1
      LOOP
        BEGIN
          PERFORM set_config('role', populated.owner, true);
          EXECUTE populated.look;
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
