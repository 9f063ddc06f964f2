import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { lastMessagesMs, webhookUrl } from "../components/dynamic/session.ts";
import { CutoverError } from "../components/errors.ts";
import { readOutlook } from "../components/migration/decide/outlook.ts";
import { formatDuration } from "../components/migration/plan/format.ts";
import { makePlan } from "../components/migration/plan.ts";
import { runPreflight } from "../components/migration/preflight/run-preflight.ts";
import { announcementText, type PlannedStart } from "../components/migration/prepare/announcement.ts";
import { createWebhook, type Webhook } from "../components/notify/webhook.ts";
import { latestMs, parseStart, waitUntil, whyTooLate } from "./cutover/planned-start.ts";
import { runPulumi } from "./cutover/pulumi.ts";
import { askToGo } from "./cutover/question.ts";
import { readTurn } from "./cutover/turn.ts";
import { exitCodeOf, type PlanDocument, planDocument, renderDocument } from "./render-plan.ts";
import { readStack, runScript, type StackContext, wrongArguments } from "./stack.ts";
import { outliveTerminal } from "./terminal.ts";

const help = `Starts the cutover as it was reviewed: pulumi preview shows the plan and saves it, everything is looked at once more right
before the start, a human says go, and pulumi up carries out the saved plan, and nothing else.

  npm run cutover -- --stack prod [--at 2026-11-27T02:00+01:00] [--yes]

--at waits until then, with a countdown. Ctrl-C calls it off, and so does a terminal or ssh connection that goes away.
Once pulumi up has begun it goes on without one, to its end: npm run status tells from anywhere how far it is. A Ctrl-C lets it
finish what it has begun; a second one, a second later or more, breaks it off.
--yes does not ask. Without a terminal to ask in, it has to be given.
The Railway token is taken from RAILWAY_TOKEN (project) or RAILWAY_API_TOKEN (account, workspace). People are told by the webhook
in CUTOVER_WEBHOOK_URL, if it is set: also a quarter of an hour before a planned start, and when that is called off or
fails before writes are paused.

Exit codes:
  0  moved: pulumi up ended well
  1  blocked, refused or failed: the last lines say why, and with which exit code pulumi ended
  2  wrong arguments, or nobody to ask
  3  called off: no go, a Ctrl-C or the end of the terminal before the start, no answer within 10 minutes, or a start that was
     missed, as by a machine that slept; nothing was changed
After a Ctrl-C in a terminal, the shell that npm runs this in may say 130 in place of these.
`;

const calledOff = 3;
const reminderMs = 15 * 60_000;

await runScript(async () => {
  const { values } = parseArgs({
    options: {
      stack: { type: "string", default: "prod" },
      at: { type: "string" },
      yes: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return 0;
  }
  const startsAt = values.at === undefined ? null : parseStart(values.at, new Date());
  const isTerminal = Boolean(process.stdin.isTTY && process.stdout.isTTY);
  if (!values.yes && !isTerminal)
    throw wrongArguments("There is no terminal to ask in: add --yes to start without a question");
  const context = await readStack(values.stack);
  assertConfigured(context, values.stack);
  const url = webhookUrl(undefined);
  const people = url && createWebhook(url, { report: (line) => console.log(`   ${line}`) });
  const folder = await mkdtemp(join(tmpdir(), "cutover-plan-"));
  try {
    return await cutOver(context, {
      stack: values.stack,
      startsAt,
      asks: !values.yes,
      isTerminal,
      people,
      planFile: join(folder, "plan.json"),
      isAnnounced: false,
    });
  } finally {
    await people?.end(lastMessagesMs);
    await rm(folder, { recursive: true, force: true });
  }
});

interface Start {
  readonly stack: string;
  readonly startsAt: Date | null;
  readonly asks: boolean;
  readonly isTerminal: boolean;
  readonly people: Webhook | undefined;
  readonly planFile: string;
  /** Whether people were told that it is planned. */
  isAnnounced: boolean;
}

async function cutOver(context: StackContext, start: Start): Promise<number> {
  const { stack, startsAt, planFile } = start;
  const stop = new AbortController();
  const interrupt = () => stop.abort();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, interrupt);
  outliveTerminal(interrupt);
  const first = await look(context, stack);
  if (exitCodeOf(first) !== 0) return refuse(first);
  const preview = await runPulumi(["preview", "--stack", stack, "--save-plan", planFile]);
  if (stop.signal.aborted) return callOff(context, start, "It was interrupted.");
  if (preview !== 0) return failed(`pulumi preview ended with exit code ${preview}. Nothing was changed.`);

  if (startsAt !== null) {
    const isInTime = await untilStart(context, start, startsAt, first, stop.signal);
    if (stop.signal.aborted) return callOff(context, start, "It was interrupted.");
    if (!isInTime)
      return callOff(context, start, `The start was missed by more than ${formatDuration(latestMs)}.`);
  }

  const again = await look(context, stack).catch((error) => {
    tellCalledOff(context, start);
    throw error;
  });
  const lookedAt = new Date();
  const before = start.isAnnounced ? await readTurn(context) : undefined;
  if (exitCodeOf(again) !== 0) {
    tellCalledOff(context, start);
    return refuse(again);
  }
  console.log(`Looked again just now: nothing speaks against it.${pauseSentence(again)}`);
  if (start.asks && !(await askToGo({ input: process.stdin, output: process.stdout }, stop.signal))) {
    return callOff(context, start, "No go.");
  }
  if (stop.signal.aborted) return callOff(context, start, "It was interrupted.");
  const tooLate = whyTooLate({ startsAt, lookedAt }, new Date());
  if (tooLate !== undefined) return callOff(context, start, tooLate);
  const carryOut = ["up", "--stack", stack, "--plan", planFile, "--yes", "--skip-preview"];
  // In a terminal Pulumi shows a table and keeps what a run says for the end; with `--diff` each line comes as it is said.
  const code = await runPulumi(start.isTerminal ? [...carryOut, "--diff"] : carryOut);
  if (code === 0) return 0;
  if (start.isAnnounced) await tellUnlessBegun(context, start, before);
  return failed(
    `pulumi up ended with exit code ${code}. npm run status -- --stack ${stack} says how things are and what comes next.`,
  );
}

/** A run that has paused writes tells people itself how it ends; of one that did not come so far nobody would hear. */
async function tellUnlessBegun(
  context: StackContext,
  start: Start,
  before: string | undefined,
): Promise<void> {
  const after = await readTurn(context);
  if (before === undefined || after === undefined) {
    console.error("It could not be told whether writes were paused: tell people yourself how it is.");
  } else if (before === after) tellCalledOff(context, start);
}

/** Resolves with whether the time has just come, and is not long over. */
async function untilStart(
  context: StackContext,
  start: Start,
  startsAt: Date,
  { plan }: PlanDocument,
  signal: AbortSignal,
): Promise<boolean> {
  const { isTerminal } = start;
  const writePauseMs = plan?.estimates.writePauseMs ?? null;
  const show = (line: string) => process.stdout.write(isTerminal ? `\r\x1b[2K${line}` : `${line}\n`);
  const remind = () => tellPlanned(context, start, { kind: "planned", startsAt, writePauseMs });
  const reminder = { beforeMs: reminderMs, remind };
  await waitUntil(startsAt, { show, isTerminal, reminder, signal }).catch((error) => {
    if (!signal.aborted) throw error;
  });
  if (isTerminal) process.stdout.write("\n");
  return Date.now() - startsAt.getTime() <= latestMs;
}

async function look({ railway, inputs }: StackContext, stack: string): Promise<PlanDocument> {
  const outlook = await readOutlook(railway, inputs);
  const plan =
    outlook.action === "begin" ? makePlan(await runPreflight({ railway, inputs, mode: "preview" })) : null;
  return planDocument(stack, outlook, plan);
}

function refuse(document: PlanDocument): number {
  process.stdout.write(renderDocument(document, process.stdout.columns ?? 100));
  return failed("It does not start. Nothing was changed.");
}

function failed(why: string): number {
  console.error(why);
  return 1;
}

function callOff(context: StackContext, start: Start, why: string): number {
  tellCalledOff(context, start);
  console.error(`${why} Called off; nothing was changed.`);
  return calledOff;
}

function tellPlanned({ inputs }: StackContext, start: Start, what: PlannedStart): void {
  start.people?.send(announcementText(what, inputs, new Date()));
  start.isAnnounced = true;
}

/** Nobody waits for what was not announced. */
function tellCalledOff({ inputs }: StackContext, { people, startsAt, isAnnounced }: Start): void {
  if (!isAnnounced || startsAt === null) return;
  people?.send(announcementText({ kind: "called-off", startsAt }, inputs, new Date()));
}

function pauseSentence({ plan }: PlanDocument): string {
  const pauseMs = plan?.estimates.writePauseMs ?? null;
  return pauseMs === null ? "" : ` Writes will be paused for about ${formatDuration(pauseMs)}.`;
}

function assertConfigured({ settings }: StackContext, stack: string): void {
  if (settings.phase === "cutover") return;
  throw new CutoverError({
    code: "CUTOVER_NOT_CONFIGURED",
    message: `The stack ${stack} says phase: ${settings.phase}, so pulumi up would move nothing. Nothing was changed.`,
    remedy: `Set phase: cutover in Pulumi.${stack}.yaml, have that change reviewed, then run again.`,
  });
}
