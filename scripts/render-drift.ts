import { z } from "zod";
import type { DriftItem } from "../components/migration/drift/item.ts";
import { type DriftReport, driftReportSchema } from "../components/migration/drift.ts";

/** What `npm run drift -- --json` prints. */
export const driftDocumentSchema = driftReportSchema.extend({ stack: z.string() });

export type DriftDocument = z.infer<typeof driftDocumentSchema>;

/** The report for a stack, checked against its schema. */
export function driftDocument(report: DriftReport, stack: string): DriftDocument {
  return driftDocumentSchema.parse({ ...report, stack });
}

/** The report as text: what was compared, each item under its resource, and one line that says how it ends. */
export function renderDrift(report: DriftReport, stack: string): string {
  const { migration, compared, items } = report;
  const journal = migration === null ? "no migration" : `${migration.id}, ${migration.state}`;
  const resources = [...new Set(items.map(({ resource }) => resource))];
  const lines = [
    `stack      ${stack}`,
    `migration  ${journal}`,
    `compared   with ${compared}`,
    ...resources.flatMap((resource) => [
      "",
      resource,
      ...items.filter((item) => item.resource === resource).flatMap(renderItem),
    ]),
    "",
    conclusion(report),
  ];
  return `${lines.join("\n")}\n`;
}

/** Exit code of the script: 0 none, 2 drift, 1 could not tell. */
export function exitCodeOf({ verdict }: DriftReport): number {
  return { none: 0, drift: 2, unseen: 1 }[verdict];
}

function renderItem({ code, severity, object, was, is, who, remedy }: DriftItem): string[] {
  const mark = { drift: "", unseen: "NOT SEEN ", note: "NOTE " }[severity];
  return [
    `  ${mark}${code}  ${object}`,
    `    was  ${was}`,
    `    is   ${is}`,
    ...(who === null ? [] : [`    by   ${who}`]),
    `    do   ${remedy}`,
  ];
}

function conclusion({ verdict, items, complete }: DriftReport): string {
  const countOf = (wanted: DriftItem["severity"]) =>
    items.filter(({ severity }) => severity === wanted).length;
  const unseen = countOf("unseen");
  switch (verdict) {
    case "none":
      return "No drift.";
    case "unseen":
      return `No drift in what could be seen; ${unseen} could not be told.`;
    case "drift":
      return `Drift: ${countOf("drift")} found${complete ? "" : `; ${unseen} could not be told`}. docs/drift.md has a heading for each code.`;
    default:
      return verdict satisfies never;
  }
}
