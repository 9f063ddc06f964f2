import type { ClientBase } from "pg";
import type { Finding } from "../../finding.ts";
import { findingsOf } from "../definitions.ts";

/** A moved and an unmoved table of which one is a partition or child of the other. */
export interface SplitFamily {
  readonly parent: string;
  readonly child: string;
  readonly parentMoves: boolean;
}

export const inheritanceDefinitions = {
  INHERITANCE_SPLIT: {
    severity: "blocker",
    acceptable: false,
    remedy:
      "Add the other table's schema to `schemas`, move the table into a moved one, or take them apart (DETACH PARTITION, NO INHERIT).",
  },
} as const;

const found = findingsOf(inheritanceDefinitions);

export async function readSplitFamilies(
  client: ClientBase,
  schemas: readonly string[],
): Promise<SplitFamily[]> {
  const { rows } = await client.query<SplitFamily>(splitQuery, [schemas]);
  return rows;
}

/** The other half would stay behind: rows go through a parent into a child that is neither locked nor fenced nor copied. */
export function checkInheritance(families: readonly SplitFamily[]): Finding[] {
  return families.map(({ parent, child, parentMoves }) =>
    found(
      "INHERITANCE_SPLIT",
      parentMoves ? parent : child,
      parentMoves
        ? `Its partition or child ${child} is in a schema that is not moved: the rows there would stay behind, and be written on.`
        : `It is a partition or child of ${parent} in a schema that is not moved: writes through that would miss the copy.`,
    ),
  );
}

// A temporary child ends with its session and is copied by nobody.
const splitQuery = `
  SELECT parent_schema.nspname || '.' || parent.relname AS parent,
         child_schema.nspname || '.' || child.relname AS child,
         parent_schema.nspname = ANY ($1::text[]) AS "parentMoves"
    FROM pg_inherits i
    JOIN pg_class parent ON parent.oid = i.inhparent
    JOIN pg_namespace parent_schema ON parent_schema.oid = parent.relnamespace
    JOIN pg_class child ON child.oid = i.inhrelid
    JOIN pg_namespace child_schema ON child_schema.oid = child.relnamespace
   WHERE parent.relkind IN ('r', 'p', 'f') AND child.relpersistence <> 't'
     AND (parent_schema.nspname = ANY ($1::text[])) <> (child_schema.nspname = ANY ($1::text[]))
   ORDER BY 1, 2`;
