import { parseArgs } from "node:util";
import { readOutlook } from "../components/migration/decide/outlook.ts";
import { makePlan } from "../components/migration/plan.ts";
import { runPreflight } from "../components/migration/preflight/run-preflight.ts";
import { exitCodeOf, planDocument, renderDocument, renderDocumentAsMarkdown } from "./render-plan.ts";
import { readStack, runScript, wrongArguments } from "./stack.ts";

const help = `Shows what the cutover would do, what blocks it, and how long it should take: the plan that pulumi preview shows,
without the engine and its state, whatever phase the stack is in. Reads only.

  npm run plan -- --stack prod [--markdown | --json]

--markdown prints it for a comment of a pull request (docs/automation.md has the workflow).
--json prints it for other tooling, as planDocumentSchema in scripts/render-plan.ts describes it.
The Railway token is taken from RAILWAY_TOKEN (project) or RAILWAY_API_TOKEN (account, workspace).

Exit codes:
  0  nothing blocks: pulumi up can begin, or go on with what was begun
  1  blocked, or it could not be told: what was seen is printed, or, without a usable configuration or token, an error
  2  wrong arguments
`;

await runScript(async () => {
  const { values } = parseArgs({
    options: {
      stack: { type: "string", default: "prod" },
      markdown: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return 0;
  }
  if (values.markdown && values.json) throw wrongArguments("Choose one of --markdown and --json");
  const { railway, inputs } = await readStack(values.stack);
  const outlook = await readOutlook(railway, inputs);
  const plan =
    outlook.action === "begin" ? makePlan(await runPreflight({ railway, inputs, mode: "preview" })) : null;
  const document = planDocument(values.stack, outlook, plan);
  if (values.json) process.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
  else if (values.markdown) process.stdout.write(renderDocumentAsMarkdown(document));
  else process.stdout.write(renderDocument(document, process.stdout.columns ?? 100));
  return exitCodeOf(document);
});
