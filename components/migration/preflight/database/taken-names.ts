import type { ClientBase } from "pg";
import { extensionMembers } from "../../../postgres/catalogue/fragments.ts";
import type { Finding } from "../../finding.ts";
import { findingsOf } from "../definitions.ts";

/** A name in a moved schema that no second object of the kind can have. */
export interface HeldName {
  /** `type public.vector`, `function public.digest(text, text)`. */
  readonly name: string;
  /** The extension that brings what has the name; `null` where it is the application's own. */
  readonly extension: string | null;
}

export const takenNameDefinitions = {
  NAME_TAKEN: {
    severity: "blocker",
    acceptable: false,
    remedy:
      "Rename it on the source, or move the target's extension into a schema that is not moved (ALTER EXTENSION … SET SCHEMA) where nothing names it by its present one.",
  },
} as const;

const found = findingsOf(takenNameDefinitions);

export async function readHeldNames(client: ClientBase, schemas: readonly string[]): Promise<HeldName[]> {
  const { rows } = await client.query<HeldName>(heldNamesQuery, [schemas]);
  return rows;
}

/** What an extension has put into a moved schema on the target is in the way of what the load makes there. */
export function checkTakenNames(source: readonly HeldName[], target: readonly HeldName[]): Finding[] {
  const own = new Set(source.filter(({ extension }) => extension === null).map(({ name }) => name));
  return target
    .filter(({ name, extension }) => extension !== null && own.has(name))
    .map(({ name, extension }) =>
      found(
        "NAME_TAKEN",
        name,
        `On the target the extension ${extension} has one of this name in the same schema: the source's could not be made.`,
      ),
    );
}

// A table's row type is in the way of a type; array types get out of the way by themselves.
const heldNamesQuery = `
  WITH RECURSIVE ${extensionMembers},
  scope AS MATERIALIZED (SELECT oid, nspname::text AS schema FROM pg_namespace WHERE nspname = ANY ($1::text[])),
  object AS (
    SELECT 'pg_class'::regclass AS classid, c.oid, 'relation ' || scope.schema || '.' || c.relname AS name
      FROM pg_class c JOIN scope ON scope.oid = c.relnamespace
    UNION ALL
    SELECT 'pg_type'::regclass, t.oid, 'type ' || scope.schema || '.' || t.typname
      FROM pg_type t JOIN scope ON scope.oid = t.typnamespace
     WHERE t.oid NOT IN (SELECT element.typarray FROM pg_type element)
    UNION ALL
    SELECT 'pg_proc'::regclass, p.oid, 'function ' || scope.schema || '.' || p.proname || '(' || oidvectortypes(p.proargtypes) || ')'
      FROM pg_proc p JOIN scope ON scope.oid = p.pronamespace
    UNION ALL
    SELECT 'pg_operator'::regclass, o.oid,
           'operator ' || scope.schema || '.' || o.oprname || '(' || o.oprleft::regtype || ', ' || o.oprright::regtype || ')'
      FROM pg_operator o JOIN scope ON scope.oid = o.oprnamespace
    UNION ALL
    SELECT rare.classid, rare.oid, rare.kind || ' ' || scope.schema || '.' || rare.name || COALESCE(' using ' || am.amname, '')
      FROM (SELECT 'pg_opclass'::regclass AS classid, oid, opcnamespace AS namespace, 'operator class' AS kind, opcname AS name, opcmethod AS method FROM pg_opclass
            UNION ALL SELECT 'pg_opfamily'::regclass, oid, opfnamespace, 'operator family', opfname, opfmethod FROM pg_opfamily
            UNION ALL SELECT 'pg_collation'::regclass, oid, collnamespace, 'collation', collname, NULL FROM pg_collation
            UNION ALL SELECT 'pg_conversion'::regclass, oid, connamespace, 'conversion', conname, NULL FROM pg_conversion
            UNION ALL SELECT 'pg_ts_config'::regclass, oid, cfgnamespace, 'text search configuration', cfgname, NULL FROM pg_ts_config
            UNION ALL SELECT 'pg_ts_dict'::regclass, oid, dictnamespace, 'text search dictionary', dictname, NULL FROM pg_ts_dict
            UNION ALL SELECT 'pg_ts_parser'::regclass, oid, prsnamespace, 'text search parser', prsname, NULL FROM pg_ts_parser
            UNION ALL SELECT 'pg_ts_template'::regclass, oid, tmplnamespace, 'text search template', tmplname, NULL FROM pg_ts_template) AS rare
      JOIN scope ON scope.oid = rare.namespace
      LEFT JOIN pg_am am ON am.oid = rare.method
  )
  SELECT object.name, x.extname::text AS extension
    FROM object
    LEFT JOIN extension_member member ON member.classid = object.classid AND member.objid = object.oid
    LEFT JOIN pg_extension x ON x.oid = member.extension
   ORDER BY 1`;
