import { writeFile } from "node:fs/promises";
import { createInterface } from "node:readline/promises";
import { parseArgs } from "node:util";
import { railwayOptions } from "../components/dynamic/session.ts";
import { railwayEndpoint } from "../components/railway/railway.ts";
import { type RailwayTokenKind, railwayTokenKinds } from "../components/railway/token.ts";
import { cleanUp, describeLeftover, playSmoke, type SmokeOptions } from "./smoke/play.ts";
import { questions } from "./smoke/questions.ts";
import { exitCodeOf, renderAnswer, renderDryRun, renderSummary, terminalStyle } from "./smoke/render.ts";
import { runScript, wrongArguments } from "./stack.ts";

const help = `Tries on real Railway what this project can otherwise only assume: makes a throw-away project, plays the whole life of
a cutover on it, compares each answer with the simulator's, and deletes the project, whatever happens. Touches nothing else.

  npm run smoke -- --workspace NAME --dry-run    every call it would make; no token, no network
  npm run smoke -- --workspace NAME              asks before it begins
  npm run smoke -- --workspace NAME --yes        asks nothing
  npm run smoke -- --workspace NAME --clean      only deletes what a killed run left behind

  --workspace   the workspace's name or id
  --kind        of the token: account (default) or workspace; it comes from RAILWAY_API_TOKEN
  --keep        leaves the project, for a look at it
  --json FILE   writes the answers for other tooling

Exit codes:
  0  every answer is as the simulator assumes; the project is deleted
  1  failed, unanswered, not confirmed, not deleted, or wrong arguments
  2  something differs from the simulator
`;

/** For everything but the deletion, which comes afterwards. */
const runLimitMs = 90 * 60_000;

await runScript(async () => {
  const { values } = parseArgs({
    options: {
      workspace: { type: "string" },
      kind: { type: "string", default: "account" },
      yes: { type: "boolean", default: false },
      "dry-run": { type: "boolean", default: false },
      keep: { type: "boolean", default: false },
      clean: { type: "boolean", default: false },
      json: { type: "string" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return 0;
  }
  const { workspace } = values;
  if (workspace === undefined) throw wrongArguments("--workspace is missing");
  const kind = readKind(values.kind);
  if (values.clean && (values["dry-run"] || values.keep || values.json !== undefined))
    throw wrongArguments("--clean goes with --yes alone");
  if (values["dry-run"]) {
    process.stdout.write(renderDryRun(questions, workspace));
    return 0;
  }
  const common = {
    ...accessOf(kind),
    workspace,
    confirm: (what: string) => (values.yes ? Promise.resolve(true) : ask(what)),
    onStep: (title: string) => print(`\n${terminalStyle("bold", title)}`),
  };
  if (values.clean) return clean(common);
  const report = await playSmoke({
    ...common,
    unattended: values.yes,
    keep: values.keep,
    signal: AbortSignal.any([interruption(), AbortSignal.timeout(runLimitMs)]),
    onOutput: (text) => print(terminalStyle("dim", indented(text))),
    onAnswer: (answer) => print(renderAnswer(answer, terminalStyle).trimEnd()),
  });
  process.stdout.write(renderSummary(report, terminalStyle));
  if (values.json !== undefined)
    await writeFile(values.json, `${JSON.stringify(report, null, 2)}\n`, { mode: 0o600 });
  return exitCodeOf(report);
}, 1);

async function clean(
  options: Pick<SmokeOptions, "token" | "access" | "workspace" | "confirm" | "onStep">,
): Promise<number> {
  const { removed, left } = await cleanUp(options);
  for (const leftover of left) print(`left: ${describeLeftover(leftover)}`);
  print(`${removed.length} deleted, ${left.length} left.`);
  return left.length === 0 ? 0 : 1;
}

function accessOf(kind: RailwayTokenKind): Pick<SmokeOptions, "token" | "access"> {
  const { token, endpoint, pollIntervalMs, settleTimeoutMs } = railwayOptions({ kind, secret: undefined });
  return {
    token,
    access: {
      endpoint: endpoint ?? railwayEndpoint,
      pollIntervalMs: pollIntervalMs ?? 3_000,
      settleTimeoutMs,
      log: (line) => process.stderr.write(`${line}\n`),
    },
  };
}

function readKind(text: string): RailwayTokenKind {
  const kind = railwayTokenKinds.find((one) => one === text);
  if (kind === undefined) throw wrongArguments(`--kind is one of ${railwayTokenKinds.join(", ")}`);
  return kind;
}

/** Nobody at a terminal is nobody who says yes. */
async function ask(what: string): Promise<boolean> {
  if (!process.stdin.isTTY) return false;
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return /^y(es)?$/i.test((await terminal.question(`This will ${what}. Go on? [y/N] `)).trim());
  } finally {
    terminal.close();
  }
}

/** The first signal ends the questions, and so does a failure that nobody expected; nothing ends the deletion of the project. */
function interruption(): AbortSignal {
  const controller = new AbortController();
  for (const failure of ["uncaughtException", "unhandledRejection"] as const)
    process.on(failure, (error) => controller.abort(error));
  // Whoever read what this prints may be gone.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      process.stderr.write("Interrupted. The project is being deleted; please wait.\n");
      controller.abort(new Error("interrupted"));
    });
  }
  return controller.signal;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function indented(text: string): string {
  return text.replace(/\n$/, "").replaceAll(/^/gm, "    ");
}
