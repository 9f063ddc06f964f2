import { parseArgs } from "node:util";
import { readStatus, type Status } from "../components/migration/status.ts";
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
  process.stdout.write(values.json ? `${JSON.stringify(status, null, 2)}\n` : render(status));
  return 0;
});

function render(status: Status): string {
  const { migration, services, history } = status;
  const lines = [
    [
      "migration",
      migration === null ? "none yet" : `${migration.id}, ${migration.state} since ${migration.since}`,
    ],
    ["writes go to", status.writesGoTo],
    ["old database", status.source],
    ["a run is active", status.runActive ? "yes" : "no"],
    ...services.map(({ name, state }) => [name, state]),
    ...history.map(({ at, text }, index) => [index === 0 ? "history" : "", `${at}  ${text}`]),
    ["next", status.next],
  ];
  const width = Math.max(...lines.map(([label = ""]) => label.length));
  return `${lines.map(([label = "", text = ""]) => `${label.padEnd(width)}  ${text}`).join("\n")}\n`;
}
