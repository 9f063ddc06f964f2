import { displayName } from "../../postgres/catalogue/catalogue.ts";
import type { ConnectionTarget } from "../../postgres/connection.ts";
import { compareText } from "../../text-order.ts";
import type { PromotedRecord, RecordIn } from "../journal/record.ts";
import { readStructures } from "./baseline.ts";
import type { DriftBaseline } from "./baseline-schema.ts";
import { type DriftItem, drifted } from "./item.ts";

type Structure = DriftBaseline["structure"];

const resource = "migration";

/**
 * What the moved and the protected schemas declare, against how they were left. The protected ones are known from before
 * the copy; the moved ones only from the baseline, and their tables' names from the fence.
 */
export async function readStructureDrift(
  connection: ConnectionTarget,
  record: PromotedRecord,
): Promise<DriftItem[]> {
  const now = await readStructures(connection, record.context);
  const baseline = baselineOf(record);
  const was = baseline?.protectedStructure ?? record.load.protectedBefore.structure;
  return [
    ...(baseline === undefined
      ? missingTables(record, now.structure)
      : compareStructures(baseline.structure, now.structure, "APP_STRUCTURE_CHANGED")),
    ...compareStructures(was, now.protectedStructure, "PROTECTED_STRUCTURE_CHANGED"),
  ];
}

/** Only a finished migration has one, and not every one of those. */
export function baselineOf(record: PromotedRecord): RecordIn<"finished">["baseline"] {
  return record.state === "finished" ? record.baseline : undefined;
}

/** What differs between two structures; the parts of a relation that is gone or new are told as one. Pure. */
export function compareStructures(
  was: Structure,
  is: Structure,
  code: "APP_STRUCTURE_CHANGED" | "PROTECTED_STRUCTURE_CHANGED",
): DriftItem[] {
  const changed = [...new Set([...Object.keys(was), ...Object.keys(is)])]
    .filter((key) => was[key] !== is[key])
    .sort(compareText);
  const relations = changed
    .filter((key) => was[key] === undefined || is[key] === undefined)
    .flatMap((key) => relationPattern.exec(key)?.[1] ?? []);
  const told = changed
    .filter((key) => {
      const part = partPattern.exec(key)?.[1];
      return part === undefined || !relations.some((name) => part.startsWith(`${name}.`));
    })
    // A table that is gone must not be one of those that are only counted.
    .toSorted((a, b) => Number(relationPattern.test(b)) - Number(relationPattern.test(a)));
  const items = told.slice(0, mostItems).map((object) => toItem(object));
  const more = told.length - items.length;
  if (more === 0) return items;
  return [
    ...items,
    drifted(code, { resource, object: `${more} more`, was: "as it was left", is: "changed" }),
  ];

  function toItem(object: string): DriftItem {
    const isGone = is[object] === undefined;
    if (isGone && code === "APP_STRUCTURE_CHANGED" && object.startsWith("table ")) {
      return drifted("TABLE_MISSING", { resource, object, was: "there", is: "gone" });
    }
    const facts = isGone
      ? { was: "there", is: "gone" }
      : was[object] === undefined
        ? { was: "not there", is: "added" }
        : { was: "as it was left", is: "defined otherwise" };
    return drifted(code, { resource, object, ...facts });
  }
}

const mostItems = 25;
const relationPattern = /^(?:table|view|materialized view|foreign table) (.+)$/;
const partPattern = /^(?:column|constraint|trigger|rule|policy) (.+)$/;

function missingTables({ fence }: PromotedRecord, now: Structure): DriftItem[] {
  return fence.tables
    .map(({ schema, name }) => `table ${displayName([schema, name])}`)
    .filter((key) => now[key] === undefined)
    .map((object) => drifted("TABLE_MISSING", { resource, object, was: "there", is: "gone" }));
}
