import { formatBytes, formatCount } from "../components/migration/plan/format.ts";
import { isPromoted, type Report } from "../components/migration/report.ts";
import { type Html, html, type Part } from "./html.ts";
import { reportHead } from "./report-style.ts";
import { type Lane, type Timeline, timelineOf } from "./report-timeline.ts";

/** The report as one page that needs nothing beside itself: no script, no font, no request. */
export function renderReport(report: Report): string {
  const title = `Cutover of ${report.project} (${report.environment})`;
  const page = html`${reportHead(title)}
<body>
<header>
<p class="where">${title}</p>
<h1 class="${isPromoted(report.state) ? "good" : "bad"}">${headline(report)}</h1>
<p>Migration <code>${report.id}</code>, ${report.schemas.join(", ")}: from ${report.source} to ${report.target}.</p>
${report.transport === null ? null : html`<p>Reached: ${report.source} ${report.transport.source}; ${report.target} ${report.transport.target}.</p>`}
${report.reason === null ? null : html`<p class="reason">${report.reason}</p>`}
</header>
${figures(report)}
${timeline(report)}
${gate(report)}
${services(report)}
${backups(report)}
${moved(report)}
${history(report)}
</body>
</html>
`;
  return page.text;
}

function headline({ state, source, target }: Report): string {
  switch (state) {
    case "finished":
      return `${target} is the application's database`;
    case "promoted":
      return `${target} is the application's database; the clean-up is not finished`;
    case "aborted":
      return `Put back: the application runs on ${source}`;
    case "aborting":
      return `Being put back to ${source}, and not there yet`;
    case "loading":
      return "Not finished: the copy was being made or compared";
    case "switching":
      return "Not finished: both databases are fenced, services were moving";
    default:
      return state satisfies never;
  }
}

function figures(report: Report): Html {
  const { writePauseMs, moved: copied, gate: verdict, services: all, protectedSchemas } = report;
  const proven = all.filter(({ provenAt }) => provenAt !== null).length;
  const list: [string, string][] = [
    ["writes were paused for", writePauseMs === null ? "not promoted" : seconds(writePauseMs)],
    [
      "tables",
      copied === null
        ? "none proven equal"
        : String(copied.tables.length || (verdict?.compared.tables ?? "–")),
    ],
    ["rows", copied === null ? "–" : BigInt(copied.rows).toLocaleString("en")],
    ["copied", copied === null ? "–" : formatBytes(copied.copiedBytes)],
    ["the gate said", verdict?.verdict ?? (copied === null ? "nothing" : "green")],
    ["services proven", `${proven} of ${all.length}`],
    ...protectedSchemas.map((schema): [string, string] => [schema, describeProtected(report)]),
  ];
  return html`<dl class="figures">${list.map(([label, value]) => html`<div><dt>${label}</dt><dd>${value}</dd></div>\n`)}</dl>`;
}

/** Checked once more before the promotion: without that the switch stops. */
function describeProtected({ state }: Report): string {
  return isPromoted(state) ? "not touched, compared before and after" : "not touched";
}

function timeline(report: Report): Html | null {
  const drawn = timelineOf(report);
  if (drawn === undefined) return null;
  const total = seconds(drawn.endMs - drawn.startMs);
  return html`<section>
<h2>Timeline</h2>
<div class="lanes">${drawn.lanes.map((lane) => renderLane(lane, drawn))}</div>
<p class="axis"><time>${iso(drawn.startMs)}</time><span>${total}</span><time>${iso(drawn.endMs)}</time></p>
</section>`;
}

function renderLane({ label, kind, startMs, endMs, isOpen }: Lane, drawn: Timeline): Html {
  const total = Math.max(1, drawn.endMs - drawn.startMs);
  const percent = (ms: number) => ((ms / total) * 100).toFixed(3);
  const told = isOpen ? "no end in the journal" : seconds(endMs - startMs);
  return html`<div class="lane"><span class="label">${label}</span><span class="track"><span class="bar ${kind}${isOpen ? " open" : ""}" style="left:${percent(startMs - drawn.startMs)}%;width:${percent(endMs - startMs)}%"></span></span><span class="length">${told}</span></div>\n`;
}

function gate({ gate: verdict, moved: copied }: Report): Html {
  if (verdict === null) {
    const why =
      copied === null
        ? "The journal holds no green verdict: it did not come so far."
        : "The copy was found equal; the version that wrote this journal kept no more of it.";
    return html`<section><h2>The gate's verdict</h2><p>${why}</p></section>`;
  }
  const { compared, differences, writtenByOthers } = verdict;
  return html`<section>
<h2>The gate's verdict: ${verdict.verdict}</h2>
<p>Compared: ${formatCount(compared.tables, "table")} by count and content, ${formatCount(compared.catalogueObjects, "definition")}, ${formatCount(compared.sequences, "sequence")}, ${formatCount(compared.protectedObjects, "object")} of the protected schemas.</p>
${
  differences.length === 0
    ? html`<p>Nothing differed.</p>`
    : table(
        ["difference", "object", "accepted because"],
        differences.map(({ code, object, aspect, accepted }) => [
          html`<code>${code}</code>`,
          aspect === null ? object : `${object} (${aspect})`,
          accepted ?? html`<strong>not accepted</strong>`,
        ]),
      )
}
${writtenByOthers.length === 0 ? null : html`<p>Written meanwhile by the protected schemas' own users: ${writtenByOthers.join(", ")}.</p>`}
</section>`;
}

function services(report: Report): Html | null {
  if (report.services.length === 0) return null;
  return html`<section>
<h2>Services</h2>
${table(
  ["service", "variable", "before", "after", "deployment", "proven at"],
  report.services.map(({ name, variables, replaces, deploymentId, provenAt }) => [
    name,
    lines(variables.map((variable) => html`<code>${variable.name}</code>`)),
    lines(variables.map(({ from }) => html`<code>${from}</code>`)),
    lines(variables.map(({ to }) => html`<code>${to}</code>`)),
    html`${deploymentId === null ? "none" : html`<code>${deploymentId}</code>`}${replaces.length === 0 ? null : html`<br>in place of ${replaces.map((id) => html`<code>${id}</code> `)}`}`,
    provenAt ?? html`<strong>not proven</strong>`,
  ]),
)}
<p>Proven: its deployment was given the new database, its sessions were seen there, and what it replaced was gone.</p>
</section>`;
}

function backups({ backups: told }: Report): Html | null {
  if (told === null) return null;
  if (told.kind === "skipped") {
    return html`<section><h2>Backups of the volumes</h2><p>None was made: ${told.reason}</p></section>`;
  }
  return html`<section>
<h2>Backups of the volumes, from before the pause</h2>
${table(
  ["volume of", "backup", "name", "made at", "expires", "size beside the volume"],
  told.volumes.map(({ service, id, name, createdAt, expiresAt, usedMB, isReused }) => [
    service,
    html`<code>${id}</code>`,
    name ?? "–",
    isReused ? `${createdAt}, before this run` : createdAt,
    expiresAt ?? "no date",
    usedMB === null ? "not told" : formatBytes(usedMB * 1_000_000),
  ]),
)}
<p>They are Railway's own, and are deleted with their volume.</p>
</section>`;
}

function moved({ moved: copied }: Report): Html | null {
  if (copied === null || copied.tables.length === 0) return null;
  return html`<section>
<h2>What moved</h2>
<details><summary>${formatCount(copied.tables.length, "table")}, each compared by count and content</summary>
${table(
  ["table", "rows", "compared"],
  copied.tables.map(({ schema, name, rows, equal }) => [
    `${schema}.${name}`,
    BigInt(rows).toLocaleString("en"),
    equal ? "equal" : "changed by the hook, accepted",
  ]),
)}</details>
</section>`;
}

function history({ events }: Report): Html {
  const start = Date.parse(events[0]?.at ?? "");
  return html`<section>
<h2>The journal's history</h2>
${table(
  ["at", "since its first line", "state", ""],
  events.map(({ at, state, text }) => [at, `+${seconds(Date.parse(at) - start)}`, state, text]),
)}
<p>This table's times are of the new database's clock, all others of the clock of the machine that ran the cutover.</p>
</section>`;
}

export function table(heading: readonly string[], rows: readonly (readonly Part[])[]): Html {
  return html`<div class="wide"><table><thead><tr>${heading.map((cell) => html`<th scope="col">${cell}</th>`)}</tr></thead>
<tbody>${rows.map((row) => html`<tr>${row.map((cell) => html`<td>${cell}</td>`)}</tr>\n`)}</tbody></table></div>`;
}

export function lines(parts: readonly Html[]): Part {
  return parts.map((part, index) => (index === 0 ? part : html`<br>${part}`));
}

export function seconds(ms: number): string {
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  const minutes = Math.floor(ms / 60_000);
  const rest = `${Math.floor((ms % 60_000) / 1_000)} s`;
  return minutes < 60 ? `${minutes} min ${rest}` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
