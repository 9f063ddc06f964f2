import { styleText } from "node:util";
import { buildSteps } from "./build.ts";
import { framePlans } from "./frame.ts";
import type { SmokeReport } from "./play.ts";
import type { Answer, Plan, Question } from "./question.ts";
import { programReads } from "./questions/life.ts";

/** What the run's services hold of memory (GB) and processors on average, and Railway's list price of each for a month. */
const running = { memoryGB: 1.5, processors: 0.3 };
const dollarsAMonth = { memoryGB: 10, processors: 20 };
const minutesOfMonth = 30 * 24 * 60;

type Style = (format: Parameters<typeof styleText>[0], text: string) => string;

/** Colours only where somebody looks at a terminal. */
export const terminalStyle: Style = (format, text) => styleText(format, text, { stream: process.stdout });

/** One answer in three lines at most. */
export function renderAnswer(
  { id, question, source, assumed, answer, verdict, why }: Answer,
  style: Style,
): string {
  const word = {
    same: style("green", "same      "),
    differs: style("red", "DIFFERS   "),
    unanswered: style("yellow", "unanswered"),
  };
  const said = answer === null ? `no answer: ${why}` : `here: ${answer}`;
  return `${word[verdict]}  ${style("bold", id)}  ${style("dim", question)}\n              ${said}\n              assumed: ${assumed}  ${style("dim", `(${source})`)}\n`;
}

/** The end of a run: how many answers are as assumed, and what became of the project. */
export function renderSummary(report: SmokeReport, style: Style): string {
  const count = (verdict: Answer["verdict"]) =>
    report.answers.filter((one) => one.verdict === verdict).length;
  const { name, id } = report.project;
  const project = {
    removed: `The project ${name} is deleted.`,
    kept: `The project ${name} (${id}) was kept. Delete it with: npm run smoke -- --clean`,
    failed: style(
      "red",
      `The project ${name} (${id ?? "id unknown"}) was NOT deleted and goes on costing money. ${report.removalFailure ?? ""}`,
    ),
  };
  return [
    "",
    `${count("same")} as assumed, ${count("differs")} different, ${count("unanswered")} unanswered.`,
    ...(report.engine === null ? [] : [`The program ran on: ${report.engine}.`]),
    ...(report.failure === null ? [] : [`It did not come to its end: ${report.failure}`]),
    project[report.removal],
    "",
  ].join("\n");
}

/** 0 all as assumed, 2 something differs, 1 anything else; a project that was not deleted is always 1. */
export function exitCodeOf({ answers, failure, removal }: SmokeReport): 0 | 1 | 2 {
  if (removal === "failed" || failure !== null) return 1;
  if (answers.some(({ verdict }) => verdict === "differs")) return 2;
  return answers.some(({ verdict }) => verdict === "unanswered") ? 1 : 0;
}

/** Every call of a run, without asking anybody: what is sent with its variables, what is read by name. */
export function renderDryRun(questions: readonly Question[], workspace: string): string {
  const plans: Array<readonly [title: string, plan: Plan]> = [
    ["Look for the workspace and for what earlier runs left behind", framePlans.look],
    ["Make the project and a token for it", framePlans.create],
    ...buildSteps.map((step) => [step.title, step] as const),
    ...questions.map((question) => [`${question.id}: ${question.question}`, question] as const),
    ["Delete the project", framePlans.remove],
  ];
  const sent = plans.reduce((sum, [, { sends }]) => sum + sends.length, 0);
  const seconds = plans.reduce((sum, [, plan]) => sum + plan.seconds, 0);
  const minutes = Math.ceil(seconds / 60);
  const dollars =
    (minutes / minutesOfMonth) *
    (running.memoryGB * dollarsAMonth.memoryGB + running.processors * dollarsAMonth.processors);
  return [
    `Nothing is sent: this is what a run in the workspace ${workspace} would do.`,
    "",
    ...plans.flatMap(([title, plan]) => [title, ...linesOf(plan), ""]),
    `Each command of the program also reads what it needs of ${programReads.join(", ")}.`,
    `${plans.length} steps, ${questions.length} of them questions; ${sent} mutations of its own, and those of the program.`,
    `About ${minutes} minutes and ${dollars.toFixed(2)} USD at Railway's list prices for memory and processors.`,
    "It deletes no project but the one that it makes.",
    "",
  ].join("\n");
}

function linesOf({ sends, reads, program }: Plan): string[] {
  return [
    ...sends.map(({ operation, variables }) => `  sends  ${operation.name} ${JSON.stringify(variables)}`),
    ...(program?.commands ?? []).map((command) => `  runs   ${command}`),
    ...(program === undefined || program.sends.length === 0
      ? []
      : [`         which sends ${program.sends.join(", ")}`]),
    ...(reads.length === 0 ? [] : [`  reads  ${[...new Set(reads)].join(", ")}`]),
  ];
}
