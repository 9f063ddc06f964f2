import { parseArgs } from "node:util";
import { readStatus } from "../components/migration/status.ts";
import { renderStatus } from "./render-status.ts";
import { readStack, runScript } from "./stack.ts";

const help = `Says in one screen what state the cutover is in, who can write, since when, and the next command. Reads only.

  npm run status -- --stack prod [--json]

The Railway token is taken from RAILWAY_TOKEN (project) or RAILWAY_API_TOKEN (account, workspace).
Exit codes: 0 said, 1 could not tell, 2 wrong arguments.
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
  process.stdout.write(values.json ? `${JSON.stringify(status, null, 2)}\n` : renderStatus(status));
  return 0;
});
