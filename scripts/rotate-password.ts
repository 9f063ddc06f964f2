import { parseArgs } from "node:util";
import { planRotation } from "../components/migration/rotation/plan.ts";
import {
  type RotationOutcome,
  rotatePassword,
  undoRotation,
} from "../components/migration/rotation/rotate.ts";
import { renderRotation } from "./render-rotation.ts";
import { readStack, runScript, wrongArguments } from "./stack.ts";
import { outliveTerminal } from "./terminal.ts";

const help = `Gives the login of the new database (pgvector) another password: on the server, in the service's variables, and in every
service that gets it by reference, each of which is deployed once. Afterwards the old password is refused, and that is
tried. The new one is made here, kept in memory, and printed nowhere; read it from Railway.

  npm run rotate-password -- --stack prod                      shows what it would do
  npm run rotate-password -- --stack prod --yes                does it, or goes on with an interrupted one
  npm run rotate-password -- --stack prod --again --yes        once more, after one that is finished
  npm run rotate-password -- --stack prod --put-back --yes     puts an unfinished one back

--patience N  how many seconds a new container, which is refused until then, waits for builds of other services to be done before
              the password is changed on the server. Default 15. 0: as soon as the first one may start, for programs that
              Railway gives up when they are refused.

Without --yes nothing is changed. When a deployment fails, everything is put back by itself. Between the change on the
server and the end of a service's old deployment, that deployment can open no new session; its open ones go on.
docs/rotation.md has the order, and what an interruption leaves.

Exit codes:
  0  rotated, put back as asked, shown and nothing blocks, or nothing to do
  1  failed, put back by itself, refused, or shown and blocked
  2  wrong arguments
`;

const outcomes: Record<RotationOutcome, string> = {
  rotated: "Rotated: everything uses the new password, and the old one is refused.",
  "rotated before": "Nothing was done: it is rotated. Once more: --again --yes",
  "put back": "Put back: everything uses the old password.",
  "nothing to put back": "Nothing was done: no rotation is unfinished.",
};

await runScript(async () => {
  const { values } = parseArgs({
    options: {
      stack: { type: "string", default: "prod" },
      yes: { type: "boolean", default: false },
      again: { type: "boolean", default: false },
      "put-back": { type: "boolean", default: false },
      patience: { type: "string", default: "15" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return 0;
  }
  const back = values["put-back"];
  if (back && values.again) throw wrongArguments("--put-back and --again exclude each other");
  if (!/^\d{1,3}$/.test(values.patience))
    throw wrongArguments("--patience is a number of seconds, up to 999");
  const { railway, inputs } = await readStack(values.stack);
  const run = {
    railway,
    inputs,
    reporter: {
      step: (text: string) => console.log(`── ${text}`),
      detail: (text: string) => console.log(`   ${text}`),
    },
    timing: { patienceMs: Number(values.patience) * 1_000 },
  };
  if (!values.yes) {
    const plan = await planRotation(run);
    process.stdout.write(renderRotation(plan, values.stack));
    return plan.blockers.length === 0 ? 0 : 1;
  }
  outliveTerminal();
  process.once("SIGINT", () => {
    console.error("Interrupted, and nothing is lost: the same command goes on, --put-back --yes goes back.");
    process.exit(1);
  });
  const outcome = back ? await undoRotation(run) : await rotatePassword(run, { again: values.again });
  console.log(outcomes[outcome]);
  // Only what was asked for is a success: an interrupted way back that was ended is no rotation.
  return outcome === "put back" && !back ? 1 : 0;
});
