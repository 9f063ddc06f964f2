import { parseArgs } from "node:util";
import { recordBaseline } from "../components/migration/drift/baseline.ts";
import { fatesOf } from "../components/migration/drift/old-database.ts";
import { readDrift } from "../components/migration/drift.ts";
import { driftDocument, exitCodeOf, renderDrift } from "./render-drift.ts";
import { readStack, runScript } from "./stack.ts";

const help = `Says what is not as the cutover left it: variables, deployments, databases, definitions. Reads only, repairs nothing,
and needs neither Pulumi's state nor, once it is stopped or removed, the old database.

  npm run drift -- --stack prod [--json]
  npm run drift -- --stack prod --record-baseline

--json prints the same for other tooling, as driftDocumentSchema in scripts/render-drift.ts describes it.
--record-baseline takes how image, volume, extension, TCP proxies and definitions are now as right from now on, and notes
that in the journal. Wiring has no baseline: what the configuration says is right.
The Railway token is taken from RAILWAY_TOKEN (project) or RAILWAY_API_TOKEN (account, workspace).

Exit codes:
  0  no drift, and everything was looked at; with --record-baseline: recorded
  2  drift
  1  could not tell: nothing that was seen is drift, but not everything was seen; or an error, or wrong arguments
`;

await runScript(async () => {
  const { values } = parseArgs({
    options: {
      stack: { type: "string", default: "prod" },
      json: { type: "boolean", default: false },
      "record-baseline": { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return 0;
  }
  const { railway, inputs, settings } = await readStack(values.stack);
  if (values["record-baseline"]) {
    const { recordedAt, structure, protectedStructure } = await recordBaseline(railway, inputs);
    const count = Object.keys(structure).length + Object.keys(protectedStructure).length;
    process.stdout.write(
      `Recorded at ${recordedAt}: ${count} definitions, and what Railway says of the databases\n`,
    );
    return 0;
  }
  const report = await readDrift(railway, inputs, { oldDatabase: fatesOf(settings.legacyPostgres) });
  process.stdout.write(
    values.json
      ? `${JSON.stringify(driftDocument(report, values.stack), null, 2)}\n`
      : renderDrift(report, values.stack),
  );
  return exitCodeOf(report);
}, 1);
