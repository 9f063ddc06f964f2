import { parseArgs } from "node:util";
import { lastMessagesMs, reporter, webhook } from "../components/dynamic/session.ts";
import { runAbort } from "../components/migration/cutover.ts";
import { announceBy } from "../components/migration/prepare/announcement.ts";
import { readStatus } from "../components/migration/status.ts";
import { renderStatus } from "./render-status.ts";
import { readStack, runScript } from "./stack.ts";
import { outliveTerminal } from "./terminal.ts";

const help = `Puts an unfinished cutover back: the source accepts writes again, services that were switched get their former
variables and a deployment, the copy is dropped. Works from any machine that has the token, with or without the Pulumi
state. Refuses after the promotion.

  npm run abort -- --stack prod --yes

People are told by the webhook in CUTOVER_WEBHOOK_URL, if it is set.
Without --yes it only shows the status, and ends as npm run status does.

Exit codes:
  0  put back, or nothing to put back
  1  failed or refused: the error says what state things are in, and what to do
  2  wrong arguments
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
    const status = await readStatus(railway, inputs);
    process.stdout.write(renderStatus(status, values.stack));
    const wouldPutBack = [status.next, status.alternative].some((step) => step?.action === "abort");
    const hint = wouldPutBack
      ? `To put everything back to the source: npm run abort -- --stack ${values.stack} --yes`
      : "As things stand, --yes would put nothing back either.";
    process.stdout.write(`\nNothing was done. ${hint}\n`);
    return status.complete ? 0 : 1;
  }
  outliveTerminal();
  const people = webhook(reporter.detail);
  try {
    const announce = people && announceBy(people.send, inputs);
    const run = { railway, inputs, reporter, announce, isEngineAlive: async () => true };
    process.stdout.write(`${await runAbort(run, "aborted by the operator")}\n`);
    return 0;
  } finally {
    await people?.end(lastMessagesMs);
  }
});
