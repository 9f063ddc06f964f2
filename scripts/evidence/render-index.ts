import type { Assembled } from "../../components/migration/evidence/assemble.ts";
import type { Evidence } from "../../components/migration/evidence/documents.ts";
import type { FingerprintDigest } from "../../components/migration/evidence/fingerprint-digest.ts";
import { findingSchema } from "../../components/migration/finding.ts";
import { backupsRecordSchema } from "../../components/migration/journal/backup-record.ts";
import { type Html, html, type Part } from "../html.ts";
import { lines, seconds, table } from "../render-report.ts";
import { reportHead } from "../report-style.ts";

/**
 * The bundle's first page: who, when, what and on what proof, and where each is written in full. One file without script
 * or request. Pure.
 *
 * @param sums the manifest's lines of the files that it leads to
 */
export function renderIndex(documents: Assembled["documents"], sums: string): string {
  const evidence = documents["evidence.json"];
  const title = `Evidence of a cutover of ${evidence.project.name} (${evidence.environment.name})`;
  return html`${reportHead(title)}
<body>
<header>
<p class="where">${title}</p>
<h1 class="${evidence.outcome === "promoted" ? "good" : "bad"}">${headline(evidence)}</h1>
<p>Migration <code>${evidence.migration}</code>. All times are UTC. <a href="report.html">The report</a> has the timeline.</p>
${evidence.reason === null ? null : html`<p class="reason">${evidence.reason}</p>`}
${
  evidence.notRecorded.length === 0
    ? null
    : html`<p class="bad">An older version of the program wrote the journal. It did not record ${evidence.notRecorded.join("; ")}.</p>`
}
</header>
${what(evidence)}
${when(evidence)}
${who(evidence)}
${findings(documents)}
${gate(documents)}
${protectedSchemas(evidence)}
${services(evidence)}
${afterwards(evidence)}
${history(documents)}
${files(sums)}
</body>
</html>
`.text;
}

function headline({ outcome, state, source, target }: Evidence): string {
  switch (outcome) {
    case "promoted":
      return `${target.serviceName} is the application's database`;
    case "put back":
      return `Put back: the application runs on ${source.serviceName}`;
    case "unfinished":
      return `Not finished (${state}): this bundle is a state on the way, make another one afterwards`;
    default:
      return outcome satisfies never;
  }
}

function what({
  source,
  target,
  project,
  environment,
  schemas,
  protectedSchemas: kept,
  dumpClient,
  backups,
}: Evidence): Html {
  return html`<section><h2>What</h2>${pairs([
    [
      "from",
      `${source.serviceName} (service ${source.serviceId}), PostgreSQL ${source.version ?? "unknown"}, database ${source.database} of system ${source.systemIdentifier}`,
    ],
    ["to", `${target.serviceName} (service ${target.serviceId}), PostgreSQL ${target.version ?? "unknown"}`],
    ["project, environment", `${project.name} (${project.id}), ${environment.name} (${environment.id})`],
    ["moved schemas", schemas.join(", ")],
    ["protected schemas", kept.join(", ") || "none"],
    ["schema read with", dumpClient ?? "not recorded"],
    ["volume backups", toldOfBackups(backups)],
  ])}</section>`;
}

function toldOfBackups(noted: Evidence["backups"]): string {
  if (noted === null) return "none noted";
  const backups = backupsRecordSchema.safeParse(noted);
  if (backups.data?.kind === "skipped") return `none was made: ${backups.data.reason}`;
  return "noted before the pause, see the report";
}

function when({ times, pause }: Evidence): Html {
  return html`<section><h2>When</h2>${pairs([
    ["journal begun", times.startedAt],
    ["writers paused", pause === null ? "not recorded" : pause.from],
    ["both databases fenced", times.fencedAt ?? "it did not come so far"],
    ["promoted", times.promotedAt ?? "it did not come so far"],
    ["writers let in again", pause?.to ?? "not recorded"],
    ["length of the pause", pause?.lengthMs == null ? "not recorded" : seconds(pause.lengthMs)],
  ])}</section>`;
}

function who({ runs }: Evidence): Html {
  if (runs.length === 0) return html`<section><h2>Who</h2><p>Not recorded.</p></section>`;
  return html`<section><h2>Who</h2>
${table(
  ["run", "started", "operator", "program", "configuration (SHA-256)"],
  runs.map(({ epoch, command, startedAt, operator, program, configuration }) => [
    `${epoch}: ${command}`,
    startedAt,
    lines(
      [
        `${operator.osUser ?? "unknown user"} on ${operator.host ?? "unknown machine"}`,
        operator.stated === null ? null : `as stated: ${operator.stated}`,
        operator.gitUser === null ? null : `git: ${operator.gitUser}`,
        operator.ci === null
          ? null
          : [operator.ci.service, operator.ci.actor, operator.ci.run]
              .filter((part) => part !== null)
              .join(", "),
        `Railway ${operator.railway.tokenKind} token: ${operator.railway.identity ?? "no name"}`,
      ].flatMap((text) => (text === null ? [] : [html`${text}`])),
    ),
    lines([
      html`${program.version}${program.commit === null ? null : html`, commit <code>${program.commit}</code>`}${program.hasLocalChanges === true ? " with local changes" : null}`,
      html`Node ${program.node}, ${program.platform}`,
      html`${program.engine ?? "no engine"}`,
    ]),
    html`<code>${configuration}</code>`,
  ]),
)}
<p>Names are what the machine, git, the CI service and Railway said; they identify nobody beyond doubt. The settings are in <a href="configuration.json">configuration.json</a>.</p>
</section>`;
}

function findings(documents: Assembled["documents"]): Html {
  const found = findingSchema.array().safeParse(documents["plan.json"].preflight?.plan.findings);
  const told = found.success ? found.data : undefined;
  return html`<section><h2>Plan and preflight</h2>
${
  told === undefined
    ? html`<p>Not recorded.</p>`
    : told.length === 0
      ? html`<p>The preflight found nothing.</p>`
      : table(
          ["finding", "object", "severity", "accepted because"],
          told.map(({ code, object, severity, acceptedBecause }) => [
            html`<code>${code}</code>`,
            object,
            severity,
            acceptedBecause ?? "–",
          ]),
        )
}
<p>In full, with the versions of servers and extensions: <a href="plan.json">plan.json</a>.</p></section>`;
}

function gate(documents: Assembled["documents"]): Html {
  const { report, tables, sequences, sourceCatalogue } = documents["gate.json"];
  const rows = documents["evidence.json"].gate?.rows;
  return html`<section><h2>The gate's verdict: ${report?.verdict ?? "none recorded"}</h2>
<p>${tables.length} tables with rows and content hashes of both sides, ${sequences === null ? "no" : sequences.length} sequences with their positions: <a href="gate.json">gate.json</a>.${rows === undefined ? null : ` Rows: ${rows}.`}${sourceCatalogue === null ? null : html` Definitions of the source: <code>${sourceCatalogue}</code>.`}</p>
${
  report === null || report.differences.length === 0
    ? null
    : table(
        ["difference", "object", "accepted because"],
        report.differences.map(({ code, object, aspect, accepted }) => [
          html`<code>${code}</code>`,
          aspect === null ? object : `${object} (${aspect})`,
          accepted ?? html`<strong>not accepted</strong>`,
        ]),
      )
}</section>`;
}

function protectedSchemas({ protected: kept }: Evidence): Html {
  const { before, after, writtenByOthers } = kept;
  return html`<section><h2>Protected schemas, before and after</h2>
${table(
  ["", "before", "after"],
  [
    ["extension", before.extension ?? "none", after === null ? "not recorded" : (after.extension ?? "none")],
    ...(["objects", "structure", "identities"] as const).map((key): Part[] => [
      key,
      code(before[key]),
      after === null ? "not recorded" : code(after[key]),
    ]),
    ["rows", counted(before), after === null ? "not recorded" : counted(after)],
  ],
)}
<p>${writtenByOthers.length === 0 ? "Nobody was seen to write there meanwhile." : `Written meanwhile by its own users: ${writtenByOthers.join(", ")}.`} A hash for each table is in <a href="evidence.json">evidence.json</a>.</p></section>`;
}

function services({ services: all }: Evidence): Html | null {
  if (all.length === 0) return null;
  return html`<section><h2>Services</h2>
${table(
  ["service", "reference before", "reference after", "deployment", "proven", "on what"],
  all.map(({ name, serviceId, variables, replaces, deploymentId, provenAt, proof }) => [
    lines([html`${name}`, code(serviceId)]),
    lines(variables.map(({ name: variable, from }) => html`${variable}: <code>${from}</code>`)),
    lines(variables.map(({ to }) => code(to))),
    lines([code(deploymentId ?? "none"), html`in place of ${replaces.join(", ") || "none"}`]),
    provenAt ?? html`<strong>not proven</strong>`,
    proof === null
      ? "not recorded"
      : `${proof.givenTold ? "given the new reference" : "what it was given is not told"}, ${proof.healthy === null ? "no health check configured" : "health check 200"}, ${proof.sessions} sessions`,
  ]),
)}</section>`;
}

function afterwards({ restored, oldDatabase }: Evidence): Html | null {
  if (restored === null && oldDatabase.length === 0) return null;
  return html`<section><h2>${restored === null ? "The old database afterwards, and its backups" : "What was put back"}</h2>
${
  restored === null
    ? null
    : table(
        ["what", "how", "when"],
        [
          ["the old database accepts writes", "fence and seal opened", restored.sourceOpenedAt],
          ...restored.services.map(({ name, outcome, deploymentId }): Part[] => [
            name,
            deploymentId === null ? outcome : `${outcome}, deployment ${deploymentId}`,
            "",
          ]),
          ["the copy", "dropped", restored.copyDroppedAt],
        ],
      )
}
${oldDatabase.map((sentence) => html`<p>${sentence}</p>`)}</section>`;
}

function history(documents: Assembled["documents"]): Html {
  return html`<section><h2>Every step</h2>
${table(
  ["at", "run", "state", ""],
  documents["events.json"].events.map(({ at, epoch, state, text }) => [at, String(epoch), state, text]),
)}<p>By the new database's clock; all other times by the clock of the machine that ran it.</p></section>`;
}

function files(sums: string): Html {
  return html`<section><h2>Files</h2>
${table(
  ["file", "SHA-256"],
  sums
    .trimEnd()
    .split("\n")
    .map((line) => line.split("  "))
    .map(([sum = "", name = ""]) => [html`<a href="${name}">${name}</a>`, code(sum)]),
)}
<p><code>SHA256SUMS</code> has these, this page and <code>export.json</code>, which says who made the bundle and when. <code>sha256sum --check SHA256SUMS</code> compares; <code>npm run evidence -- --verify</code> looks at the schemas, too. That nobody altered files and list together shows only from the list's own digest, written down or signed elsewhere.</p></section>`;
}

function counted({ tables }: FingerprintDigest): string {
  const rows = Object.values(tables).reduce((total, table) => total + BigInt(table.rows), 0n);
  return `${rows} in ${Object.keys(tables).length} tables`;
}

function code(text: string | number): Html {
  return html`<code>${text}</code>`;
}

function pairs(list: readonly (readonly [string, string])[]): Html {
  return table(
    ["", ""],
    list.map(([name, value]) => [name, value]),
  );
}
