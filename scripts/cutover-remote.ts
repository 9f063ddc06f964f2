import { execFileSync } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { hostname, userInfo } from "node:os";
import { createInterface } from "node:readline/promises";
import { parseArgs } from "node:util";
import { parse } from "yaml";
import { railwayOptions, removalToken } from "../components/dynamic/session.ts";
import { CutoverError } from "../components/errors.ts";
import { operatorVariables } from "../components/migration/evidence/note-run.ts";
import type { EnvironmentScope, Railway } from "../components/railway/railway.ts";
import { createRunnerClient } from "../components/railway/runners.ts";
import { backendOf, secretsProviderOf } from "../components/remote/backend.ts";
import {
  commandLine,
  needsConsent,
  needsEngine,
  remoteCommands,
  reportLine,
} from "../components/remote/command.ts";
import { createInterrupter } from "../components/remote/interruptions.ts";
import { findRunners, launch, runnerKinds } from "../components/remote/launch.ts";
import { packProject } from "../components/remote/project.ts";
import { refuseUnfit } from "../components/remote/refusals.ts";
import { attach, type RemoteRun, runRemotely, stopRemotely } from "../components/remote/remote-run.ts";
import { runnerMark } from "../components/remote/runner.ts";
import { secretsFor } from "../components/remote/secrets.ts";
import type { Settings } from "../components/settings.ts";
import { readStack, runScript, wrongArguments } from "./stack.ts";
import { outliveTerminal } from "./terminal.ts";

const help = `Runs the cutover inside Railway's private network, where both databases are reached without a public address: makes a
temporary sandbox (or, where Railway refuses one, a temporary service), sends this project's commit there, runs pulumi up,
shows its output, brings the report back, and removes what it made. docs/remote.md has what travels and what is left when.

  npm run cutover:remote -- --stack prod --preview        pulumi preview instead
  npm run cutover:remote -- --stack prod                  asks, then pulumi up; --yes does not ask
  npm run cutover:remote -- --stack prod --run status     also: drift, abort (asks, or --yes)
  npm run cutover:remote -- --stack prod --attach         follows a run that goes on by itself
  npm run cutover:remote -- --stack prod --stop           ends one as Ctrl-C does; removes what was left

--in KIND      sandbox, service, or auto (default: a sandbox, and a service where Railway refuses one)
--region NAME  of the sandbox, such as europe-west4-drams3a; choose the databases' own
--with-hooks   lets the stack's hooks run there: on a bare Debian, with this project only

Ctrl-C lets the run inside finish what it has begun; a second one leaves it alone, to be followed with --attach. A terminal that
goes away before the command inside has begun ends it; afterwards this script watches on without one, and removes the machine.
From the environment: the Railway token, PULUMI_ACCESS_TOKEN or the bucket's credentials, PULUMI_CONFIG_PASSPHRASE.

Exit codes: those of the command inside; of this script itself
  0  the command inside ended with 0
  1  failed or refused: the error says what was begun
  2  wrong arguments
  130  left alone: the run inside goes on
`;

/** How long Railway's API may be silent before the run inside is left alone. */
const lostContactMs = 15 * 60_000;

/** What a provider without its engine may need beside the pause of writes, such as to put services back, or for a hook. */
const orphanAllowanceMs = 60 * 60_000;

await runScript(async () => {
  const { values } = parseArgs({
    options: {
      stack: { type: "string", default: "prod" },
      preview: { type: "boolean", default: false },
      run: { type: "string" },
      yes: { type: "boolean", default: false },
      attach: { type: "boolean", default: false },
      stop: { type: "boolean", default: false },
      in: { type: "string", default: "auto" },
      region: { type: "string" },
      "with-hooks": { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return 0;
  }
  const command = chosen(values.preview ? "preview" : (values.run ?? "up"), remoteCommands, "--run");
  const kind = chosen(values.in, runnerKinds, "--in");
  const ways = [values.attach, values.stop, values.preview || values.run !== undefined];
  if (ways.filter(Boolean).length > 1 || (values.preview && values.run !== undefined)) {
    throw wrongArguments("Choose one of --preview, --run, --attach and --stop");
  }
  const { stack } = values;
  const { railway, settings } = await readStack(stack);
  const scope = await railway.resolveEnvironment(settings);
  const options = railwayOptions({ kind: settings.tokenKind, secret: undefined });
  // The interval of the cutover itself is too short for one that only watches; a rehearsal's is meant for both.
  const isRehearsal = process.env.RAILWAY_POLL_INTERVAL_MS !== undefined;
  const watching = isRehearsal ? options : { ...options, pollIntervalMs: undefined };
  const log = (line: string) => void process.stderr.write(`── ${line}\n`);
  const client = createRunnerClient({ ...watching, log });
  const wider = removalToken();
  const remover = wider === undefined ? client : createRunnerClient({ ...watching, token: wider, log });
  const place = { client, remover, scope, log };
  const mark = runnerMark(stack);
  const run: Omit<RemoteRun, "start"> = {
    place,
    find: () => findRunners(place, mark),
    interruptions: interruptions(),
    print: (text) => void process.stdout.write(text),
    saveReport: async (text) => {
      const file = `cutover-report-${stack}.html`;
      await writeFile(file, text);
      log(`the report is in ${file}`);
    },
    now: () => new Date(),
    lostContactMs,
  };
  const neverStarted = async () => Promise.reject(new TypeError("nothing is started here"));
  if (values.attach) return attach({ ...run, start: neverStarted });
  if (values.stop) return stopRemotely({ ...run, start: neverStarted });

  refuseUnfit(command, settings, { withHooks: values["with-hooks"] });
  const variables = secretsFor(
    {
      tokenVariable: settings.tokenKind === "project" ? "RAILWAY_TOKEN" : "RAILWAY_API_TOKEN",
      backend: needsEngine(command)
        ? backendOf(parse(await readFile("Pulumi.yaml", "utf8")), process.env.PULUMI_BACKEND_URL)
        : null,
      secretsProvider: secretsProviderOf(parse(await readFile(`Pulumi.${stack}.yaml`, "utf8"))),
      also: ["CUTOVER_WEBHOOK_URL", ...operatorVariables],
    },
    { CUTOVER_OPERATOR: `${userInfo().username} at ${hostname()}`, ...process.env },
  );
  const versions = {
    node: process.versions.node,
    pulumi: needsEngine(command) ? pulumiVersion() : null,
  };
  const { commit, archive } = await packProject(process.cwd());
  const privateHosts = await privateHostsOf(railway, scope, settings);
  log(`${commandLine(command, stack).join(" ")}, commit ${commit.slice(0, 12)}, in the private network of`);
  log(
    `${scope.projectName}, ${scope.environmentName}; these variables go along: ${Object.keys(variables).join(", ")}`,
  );
  if (needsConsent(command) && !values.yes && !(await isAgreed(stack))) {
    log("nothing was begun");
    return 0;
  }
  return runRemotely({
    ...run,
    start: (signal) =>
      launch(place, {
        ...{ kind, mark, archive, variables, versions, privateHosts, signal, now: new Date() },
        orphanLimitSeconds: Math.ceil((settings.limits.writePauseMs + orphanAllowanceMs) / 1_000),
        region: values.region,
        command: commandLine(command, stack),
        report: reportLine(command, stack),
      }),
  });
});

/** Where the databases are in the private network. A target that the cutover is to create is nowhere yet. */
async function privateHostsOf(
  railway: Railway,
  scope: EnvironmentScope,
  settings: Settings,
): Promise<string[]> {
  const services = await railway.listServices(scope);
  const isThere = (wanted: string) => services.some(({ id, name }) => id === wanted || name === wanted);
  const names =
    settings.createTarget && !isThere(settings.target)
      ? [settings.source]
      : [settings.source, settings.target];
  return Promise.all(
    names.map(async (name) => {
      const { id } = await railway.findService(scope, name);
      return (await railway.renderedVariables(scope, id)).get("RAILWAY_PRIVATE_DOMAIN") ?? name;
    }),
  );
}

function chosen<Choice extends string>(value: string, choices: readonly Choice[], option: string): Choice {
  const choice = choices.find((one) => one === value);
  if (choice === undefined) throw wrongArguments(`${option} takes one of ${choices.join(", ")}`);
  return choice;
}

/** The operator's own version: what previewed here runs there. */
function pulumiVersion(): string {
  try {
    return execFileSync("pulumi", ["version"], { encoding: "utf8" }).trim().replace(/^v/, "");
  } catch (cause) {
    throw new CutoverError({
      code: "REMOTE_CLI_UNKNOWN",
      message:
        "`pulumi version` does not run on this machine, so nobody knows which version to run inside. Nothing was begun.",
      remedy: "Install the Pulumi CLI here too, in the version that the cutover shall use.",
      cause,
    });
  }
}

async function isAgreed(stack: string): Promise<boolean> {
  if (!process.stdin.isTTY) throw wrongArguments("Without a terminal it needs --yes");
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await new Promise<string>((resolve) => {
    // Ctrl-C and the end of the input are a no; Node 24 rejects, earlier ones only close.
    const refuse = () => resolve("");
    terminal.once("close", refuse);
    terminal.once("error", refuse);
    terminal.question(`Type the stack's name (${stack}) to begin: `).then(resolve, refuse);
  });
  terminal.close();
  return answer.trim() === stack;
}

function interruptions(): RemoteRun["interruptions"] {
  const interrupter = createInterrupter(() => performance.now());
  process.on("SIGINT", () => interrupter.interrupt());
  process.on("SIGTERM", () => interrupter.leave());
  outliveTerminal(() => interrupter.hangUp());
  return interrupter;
}
