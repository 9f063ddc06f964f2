import type pg from "pg";
import { quoteQualified } from "../identifiers.ts";
import { withApplicationSettings } from "./application-settings.ts";
import { loadFailed } from "./errors.ts";

export interface ViewName {
  readonly schema: string;
  readonly name: string;
}

/** The materialised views of the source that are populated. */
export async function listPopulatedViews(
  source: pg.ClientBase,
  schemas: readonly string[],
): Promise<ViewName[]> {
  const { rows } = await source.query<ViewName>(populatedQuery, [schemas]);
  return rows;
}

/**
 * Populates, on the target, exactly the given materialised views; one that reads another comes after it.
 *
 * @throws CutoverError `LOAD_FAILED`
 */
export async function populateMaterializedViews(
  target: pg.ClientBase,
  populated: readonly ViewName[],
  schemas: readonly string[],
): Promise<void> {
  if (populated.length === 0) return;
  const { rows: views } = await target.query<ViewName & { oid: number }>(viewsQuery, [schemas]);
  const { rows: edges } = await target.query<{ view: number; reads: number }>(edgesQuery);
  const wanted = new Set(populated.map(({ schema, name }) => quoteQualified(schema, name)));
  const ordered = orderByDependency(
    views.map(({ oid }) => oid),
    edges,
  );
  const byOid = new Map(views.map((view) => [view.oid, view]));
  await withApplicationSettings(target, async () => {
    for (const oid of ordered) {
      const view = byOid.get(oid);
      if (view === undefined || !wanted.has(quoteQualified(view.schema, view.name))) continue;
      await refresh(target, view);
    }
  });
}

/** Every given view after all that it reads, directly or through other views. */
export function orderByDependency(
  views: readonly number[],
  edges: ReadonlyArray<{ readonly view: number; readonly reads: number }>,
): number[] {
  const reads = Map.groupBy(edges, ({ view }) => view);
  const ordered = new Set<number>();
  const entered = new Set<number>();
  const visit = (view: number) => {
    if (entered.has(view)) return;
    entered.add(view);
    for (const edge of reads.get(view) ?? []) visit(edge.reads);
    ordered.add(view);
  };
  for (const view of views) visit(view);
  return [...ordered];
}

async function refresh(target: pg.ClientBase, { schema, name }: ViewName): Promise<void> {
  try {
    await target.query(`REFRESH MATERIALIZED VIEW ${quoteQualified(schema, name)}`);
  } catch (error) {
    throw loadFailed(`Populating MATERIALIZED VIEW ${schema}.${name}`, error);
  }
}

const populatedQuery = `
  SELECT n.nspname::text AS schema, c.relname::text AS name
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE c.relkind = 'm' AND c.relispopulated AND n.nspname = ANY($1::text[])`;

const viewsQuery = `
  SELECT c.oid, n.nspname::text AS schema, c.relname::text AS name
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE c.relkind = 'm' AND n.nspname = ANY($1::text[])
   ORDER BY 2, 3`;

const edgesQuery = `
  SELECT DISTINCT r.ev_class AS view, d.refobjid AS reads
    FROM pg_catalog.pg_rewrite r
    JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = r.oid
   WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid <> r.ev_class`;
