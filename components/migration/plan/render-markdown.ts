import type { Finding } from "../finding.ts";
import type { Plan } from "../plan.ts";
import { describeTransport } from "../transport.ts";
import { describeBackups } from "./backups.ts";
import {
  describeEstimates,
  describeGuarantees,
  describeSteps,
  describeTurn,
  describeVerdict,
  describeVersion,
  sortFindings,
} from "./describe.ts";
import { formatBytes, formatCount } from "./format.ts";
import { code, prose, table } from "./markdown.ts";
import { type FindingGroup, groupFindings } from "./render-findings.ts";

/** The plan as Markdown for a comment of a pull request: the verdict first, then what a reviewer decides about. */
export function renderPlanAsMarkdown(plan: Plan): string {
  const { blockers, unchecked, accepted, warnings } = sortFindings(plan.findings);
  const sections = [
    [`**${describeVerdict(plan)}** ${describeGuarantees(plan, code)}`],
    findings("Blockers", blockers),
    findings("Not checked", unchecked),
    databases(plan),
    contents(plan),
    variables(plan),
    heading("What happens, in this order", [
      ...describeSteps(plan, code).map((step, index) => `${index + 1}. ${step}`),
    ]),
    backups(plan),
    heading("How long it should take (estimates)", [`${capitalised(describeEstimates(plan))}.`]),
    acceptedRisks(plan, accepted),
    findings("Warnings", warnings),
  ];
  return `${sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join("\n"))
    .join("\n\n")}\n`;
}

function heading(title: string, lines: readonly string[]): string[] {
  return [`#### ${title}`, "", ...lines];
}

function databases({ source, target }: Plan): string[] {
  const row = (role: string, database: Plan["source"]) => {
    const { service, host, transport } = database;
    const way = prose(describeTransport(transport));
    return [
      role,
      code(service),
      describeVersion(database),
      host === null ? `not checked, ${way}` : `${code(host)} ${way}`,
    ];
  };
  return table(["", "service", "server", "reached at"], [row("from", source), row("to", target)]);
}

function contents({ contents: moved, schemas }: Plan): string[] {
  if (moved === null) return heading("What moves", [`${schemas.map(code).join(", ")}: not checked`]);
  const { tables, sequences, estimatedRows, dataBytes, indexBytes } = moved;
  const largest = moved.largestTables.map(({ name, bytes }) => `${code(name)} ${formatBytes(bytes)}`);
  return heading("What moves", [
    `${formatCount(tables, "table")}, ${formatCount(sequences, "sequence")}, about ${formatCount(estimatedRows, "row")}, ${formatBytes(dataBytes)} of data and ${formatBytes(indexBytes)} of indexes${largest.length === 0 ? "" : `; largest: ${largest.join(", ")}`}`,
    "",
    ...table(
      ["schema", "tables", "rows, about", "size"],
      moved.schemas.map((schema) => [
        code(schema.name),
        String(schema.tables),
        schema.estimatedRows.toLocaleString("en"),
        formatBytes(schema.bytes),
      ]),
    ),
  ]);
}

function variables({ services }: Plan): string[] {
  const rows = services.flatMap((service) =>
    service.variables.map(({ name, from, to }) => [
      code(service.name),
      describeTurn(service),
      code(name),
      prose(from),
      code(to),
    ]),
  );
  return heading("What changes on Railway", table(["service", "turn", "variable", "now", "becomes"], rows));
}

function backups({ backups: planned }: Plan): string[] {
  const told = describeBackups(planned, code);
  return told === null ? [] : heading(told.heading, [prose(told.sentence)]);
}

function findings(title: string, list: readonly Finding[]): string[] {
  if (list.length === 0) return [];
  return heading(`${title} (${list.length})`, limited(groupFindings(list).flatMap(renderGroup)));
}

function renderGroup({ code: name, why, remedy, findings: members }: FindingGroup): string[] {
  const objects = members.map(({ object }) => code(object)).join(", ");
  const lines =
    why === null
      ? [`- **${name}**`, ...members.map((each) => `  - ${code(each.object)}: ${prose(each.why)}`)]
      : [`- **${name}** ${objects}: ${prose(why)}`];
  return [...lines, `  - → ${prose(remedy)}`];
}

function acceptedRisks({ acceptedDifferences }: Plan, accepted: readonly Finding[]): string[] {
  const rows = [
    ...accepted.map(({ code: name, object, why, acceptedBecause = "" }) => [
      `**${name}**`,
      code(object),
      prose(why),
      prose(acceptedBecause),
    ]),
    ...acceptedDifferences.map(({ code: name, object, reason }) => [
      `**${name}**`,
      code(object),
      "should the comparison find it",
      prose(reason),
    ]),
  ];
  if (rows.length === 0) return [];
  return heading(
    `Accepted risks (${rows.length})`,
    limited(table(["finding", "object", "what it is", "accepted because"], rows)),
  );
}

/** GitHub takes 65,536 characters a comment; whoever has more findings than fit reads them elsewhere. */
function limited(lines: readonly string[]): string[] {
  const kept: string[] = [];
  let length = 0;
  for (const line of lines) {
    length += line.length;
    if (length > sectionCharacters) break;
    kept.push(line);
  }
  const left = lines.length - kept.length;
  return left === 0
    ? kept
    : [...kept, "", `… and ${formatCount(left, "line")} more: ${code("npm run plan")}`];
}

const sectionCharacters = 12_000;

function capitalised(sentence: string): string {
  return sentence.charAt(0).toUpperCase() + sentence.slice(1);
}
