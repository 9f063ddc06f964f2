import type pg from "pg";
import { answerWith, askBlock, isLookedAt } from "../answering-block.ts";
import { quoteLiteral } from "../identifiers.ts";

export interface UnresolvedBody {
  /** `function public.ask(integer)`. */
  readonly object: string;
  /** Its text, which is looked through and never shown. */
  readonly body: string;
}

/**
 * Functions and procedures of the schemas whose SQL text the server cannot resolve: it names what is not there, or
 * calls it with arguments that it does not take. PostgreSQL records no dependency for such a text and looks at it again
 * when it is called, so a move breaks it in silence. PL/pgSQL cannot be asked: its statements are resolved when they are
 * reached.
 *
 * Each is looked at by PostgreSQL's own validator (`fmgr_sql_validator`, which executes nothing), under its own search
 * path or one of the schemas and those with extensions. That locks what the text names, as every reader does: no lock is
 * kept, and a function is passed over where somebody has locked that for himself.
 */
export async function readUnresolvedBodies(
  client: pg.ClientBase,
  schemas: readonly string[],
): Promise<UnresolvedBody[]> {
  return askBlock(client, unresolvedBodies(schemas));
}

function unresolvedBodies(schemas: readonly string[]): string {
  const moved = `ARRAY(SELECT json_array_elements_text(${quoteLiteral(JSON.stringify(schemas))}))`;
  // What is sorted is read to its end before the first is looked at: its names do not depend on the paths set then.
  return `
    DECLARE
      routine record;
      common text := (SELECT string_agg(quote_ident(schema), ', ' ORDER BY place)
                        FROM unnest(${moved}) WITH ORDINALITY AS named (schema, place));
      extended text := (SELECT string_agg(DISTINCT ', ' || quote_ident(nspname), '')
                          FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
                         WHERE n.nspname <> ALL (${moved}));
      found json[] := '{}';
    BEGIN
      FOR routine IN
        SELECT CASE p.prokind WHEN 'p' THEN 'procedure' ELSE 'function' END || ' ' || n.nspname || '.' || p.proname
                 || '(' || oidvectortypes(p.proargtypes) || ')' AS object,
               p.oid, p.prosrc,
               (SELECT substr(entry, strpos(entry, '=') + 1) FROM unnest(p.proconfig) entry
                 WHERE entry LIKE 'search\\_path=%') AS path
          FROM pg_proc p
          JOIN pg_namespace n ON n.oid = p.pronamespace
          JOIN pg_language l ON l.oid = p.prolang
         WHERE n.nspname = ANY (${moved}) AND l.lanname = 'sql' AND p.prosqlbody IS NULL
           AND NOT EXISTS (SELECT FROM pg_depend e
                            WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid AND e.deptype = 'e')
         ORDER BY 1
      LOOP
        BEGIN
          PERFORM set_config('check_function_bodies', 'on', true), set_config('lock_timeout', '100ms', true),
                  set_config('search_path', COALESCE(routine.path, common || COALESCE(extended, '')), true);
          PERFORM fmgr_sql_validator(routine.oid);
          -- Gives back locks and settings.
          RAISE SQLSTATE '${isLookedAt}';
        EXCEPTION
          WHEN SQLSTATE '${isLookedAt}' OR lock_not_available THEN NULL;
          WHEN OTHERS THEN
            found := found || json_build_object('object', routine.object, 'body', routine.prosrc);
        END;
      END LOOP;
      ${answerWith("array_to_json(found)")}
    END`;
}
