import { parseArgs } from "node:util";
import { readStatus } from "../components/migration/status.ts";
import { renderStatus, statusDocument } from "./render-status.ts";
import { readStack, runScript } from "./stack.ts";

const help = `Says in one screen what state the cutover is in, who can write and since when, what is going on, and the exact next
command. Reads only, and works while one of the two databases or Railway is down: it says what it could not see.

  npm run status -- --stack prod [--json]

--json prints the same for other tooling, as statusDocumentSchema in scripts/render-status.ts describes it.
The Railway token is taken from RAILWAY_TOKEN (project) or RAILWAY_API_TOKEN (account, workspace).

Exit codes:
  0  told: who can write and what comes next are known
  1  could not tell one of them: what was seen is printed, or, without a usable configuration or token, an error
  2  wrong arguments
`;

await runScript(async () => {
  const { values } = parseArgs({
    options: {
      stack: { type: "string", default: "prod" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return 0;
  }
  const { railway, inputs } = await readStack(values.stack);
  const status = await readStatus(railway, inputs);
  process.stdout.write(
    values.json
      ? `${JSON.stringify(statusDocument(status, values.stack), null, 2)}\n`
      : renderStatus(status, values.stack),
  );
  return status.complete ? 0 : 1;
});
