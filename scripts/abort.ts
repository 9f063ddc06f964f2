import { parseArgs } from "node:util";
import { runAbort } from "../components/migration/cutover.ts";
import { readStatus } from "../components/migration/status.ts";
import { renderStatus } from "./render-status.ts";
import { readStack, runScript } from "./stack.ts";

const help = `Puts an unfinished cutover back: the source accepts writes again, services that were switched get their former
variables and a deployment, the copy is dropped. Works from any machine that has the token, with or without the Pulumi
state. Refuses after the promotion.

  npm run abort -- --stack prod --yes

Without --yes it only shows the status. Exit codes: 0 put back or nothing to do, 1 failed, 2 wrong arguments.
`;

await runScript(async () => {
  const { values } = parseArgs({
    options: {
      stack: { type: "string", default: "prod" },
      yes: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return 0;
  }
  const { railway, inputs } = await readStack(values.stack);
  if (!values.yes) {
    process.stdout.write(renderStatus(await readStatus(railway, inputs)));
    process.stdout.write("\nNothing was done. Repeat with --yes to put everything back to the source.\n");
    return 0;
  }
  const outcome = await runAbort(
    {
      railway,
      inputs,
      reporter: { step: (text) => console.log(`── ${text}`), detail: (text) => console.log(`   ${text}`) },
      isEngineAlive: async () => true,
    },
    "aborted by the operator",
  );
  process.stdout.write(`${outcome}\n`);
  return 0;
});
