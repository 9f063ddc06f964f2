import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { isPromoted, readReport, totalsOf } from "../components/migration/report.ts";
import { renderReport } from "./render-report.ts";
import { readStack, runScript, wrongArguments } from "./stack.ts";

const help = `Writes one HTML page about the newest cutover, from the journal in the target: the timeline with the write pause, what
moved, the gate's verdict, the evidence for each service. No secret and no row content is in it, and opening it asks
for nothing else. Reads only.

  npm run report -- --stack prod [--out FILE] [--json] [--totals]

--out     where the page goes; default: cutover-report-STACK.html in this folder
--json    prints the same for other tooling instead, as reportSchema in components/migration/report.ts describes it
--totals  leaves out how many rows each table has
The Railway token is taken from RAILWAY_TOKEN (project) or RAILWAY_API_TOKEN (account, workspace).

Exit codes:
  0  written: the cutover is promoted
  1  written, but the cutover is put back or not finished; or nothing to write: the error says why
  2  wrong arguments
`;

await runScript(async () => {
  const { values } = parseArgs({
    options: {
      stack: { type: "string", default: "prod" },
      out: { type: "string" },
      json: { type: "boolean", default: false },
      totals: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return 0;
  }
  if (values.json && values.out !== undefined) throw wrongArguments("Choose one of --json and --out");
  const { railway, inputs } = await readStack(values.stack);
  const whole = await readReport(railway, inputs);
  const report = values.totals ? totalsOf(whole) : whole;
  if (values.json) {
    process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
  } else {
    const file = values.out ?? `cutover-report-${values.stack}.html`;
    await writeFile(file, renderReport(report));
    process.stdout.write(`${file}: migration ${report.id}, ${report.state}\n`);
  }
  return isPromoted(report.state) ? 0 : 1;
});
