import { CutoverError } from "../../components/errors.ts";
import type { RailwayContext } from "../../components/railway/context.ts";
import type { RailwayToken } from "../../components/railway/token.ts";
import { ownServices } from "./build.ts";
import { framePlans } from "./frame.ts";
import * as operations from "./operations.ts";
import {
  drawName,
  findLeftovers,
  findOwn,
  type Leftover,
  longestRunMs,
  notFound,
  type RunName,
  removeProject,
} from "./project.ts";
import { type Answer, explain, type Question } from "./question.ts";
import { questions as allQuestions } from "./questions.ts";
import { Site } from "./site.ts";
import { type Access, Guard, guardedContext } from "./stage.ts";

/** Railway counts a token's requests by the hour. */
const longestRateLimitWaitMs = 65 * 60_000;

export interface SmokeOptions {
  readonly token: RailwayToken;
  readonly access: Access;
  /** A workspace's id or exact name. */
  readonly workspace: string;
  /** Asked before anything is made or deleted, with what would happen. */
  readonly confirm: (what: string) => Promise<boolean>;
  /** Whether nobody is asked: then only what no run can still need is removed. */
  readonly unattended: boolean;
  /** Leaves the project for a human to look at. */
  readonly keep: boolean;
  /** Ends the run; the project is removed all the same. */
  readonly signal: AbortSignal;
  readonly onStep: (title: string) => void;
  readonly onOutput: (text: string) => void;
  readonly onAnswer: (answer: Answer) => void;
  /** The step or question whose calls are let through from now on. */
  readonly onEnter?: (step: string) => void;
  readonly questions?: readonly Question[];
  readonly now?: () => Date;
}

export interface SmokeReport {
  readonly version: 1;
  /** The id is `null` where the project could not be made. */
  readonly project: { readonly name: string; readonly id: string | null };
  readonly startedAt: string;
  readonly endedAt: string;
  readonly engine: string | null;
  readonly answers: readonly Answer[];
  /** What kept a part of the project from being built, or the run from going on. */
  readonly failure: string | null;
  /** What became of the project. */
  readonly removal: "removed" | "kept" | "failed";
  readonly removalFailure: string | null;
}

/**
 * Makes a throw-away project, asks every question on it, and removes it: also when something fails, and when the signal
 * ends it. A question that cannot be answered does not end the run; a project that cannot be built does.
 *
 * @throws CutoverError `SMOKE_TOKEN_TOO_NARROW`, `SMOKE_WORKSPACE_NOT_FOUND`, `SMOKE_ALREADY_RUNNING`, `SMOKE_NOT_CONFIRMED`,
 *   and those of the transport, before anything was made
 */
export async function playSmoke(options: SmokeOptions): Promise<SmokeReport> {
  const { questions = allQuestions, now = () => new Date() } = options;
  const guard = new Guard(options.onEnter);
  const wide = guardedContext(options.token, options.access, guard);
  const { workspaceId } = await prepare(options, wide, guard);
  const run = drawName();
  const what = `make the project ${run.name} in the workspace ${options.workspace}, ask ${questions.length} questions on it, and delete it`;
  if (!(await options.confirm(what))) throw notConfirmed();

  const startedAt = now();
  const site = new Site(options, wide.within(options.signal), guard, { workspaceId, run, startedAt });
  const answers: Answer[] = [];
  let failure: string | null = null;
  try {
    for (const question of questions) {
      const answer = await answerOf(question, answers, site, options.signal);
      answers.push(answer);
      options.onAnswer(answer);
    }
  } catch (error) {
    // Whatever it is, it must not keep the project from being deleted.
    failure = explain(error);
  }
  await site.stage?.life?.dispose().catch((error: unknown) => {
    failure ??= explain(error);
  });
  // Rather an hour later than not at all: the run itself may have used up the token's requests.
  const patient = { ...options.access, longestRateLimitWaitMs };
  const last = guardedContext(options.token, patient, guard);
  const removal = await takeAway(options, last, guard, { workspaceId, run, projectId: site.projectId });
  return {
    version: 1,
    project: { name: run.name, id: site.projectId ?? null },
    startedAt: startedAt.toISOString(),
    endedAt: now().toISOString(),
    engine: site.stage?.life?.engine.description ?? null,
    answers,
    failure: options.signal.aborted ? explain(options.signal.reason) : (failure ?? site.failure),
    ...removal,
  };
}

/**
 * Only looks for what earlier runs left behind, and removes it once that is confirmed.
 *
 * @returns the names of what was removed
 */
export async function cleanUp(
  options: Pick<SmokeOptions, "token" | "access" | "workspace" | "confirm" | "onStep">,
): Promise<{ removed: string[]; left: Leftover[] }> {
  const guard = new Guard();
  const context = guardedContext(options.token, options.access, guard);
  const workspaceId = await findWorkspace(context, options);
  const leftovers = await findLeftovers(context, workspaceId);
  const removed: string[] = [];
  const left: Leftover[] = [];
  for (const leftover of leftovers) {
    if (leftover.proven && (await options.confirm(`delete ${describeLeftover(leftover)}`))) {
      options.onStep(`Delete ${leftover.name}`);
      guard.enter("remove a leftover", framePlans.remove);
      await removeProject(context, workspaceId, leftover.id, ownServices);
      removed.push(leftover.name);
    } else left.push(leftover);
  }
  return { removed, left };
}

/** `pgvector-cutover-smoke-… (<id>), begun at …`. */
export function describeLeftover({ name, id, startedAt, proven }: Leftover): string {
  const doubt = proven
    ? ""
    : "; its run was killed before it could note the project's id, so it has to be deleted by hand";
  return `${name} (${id}), begun at ${startedAt.toISOString()}${doubt}`;
}

/** Everything that can be refused before something is made. */
async function prepare(
  options: SmokeOptions,
  context: RailwayContext,
  guard: Guard,
): Promise<{ workspaceId: string }> {
  const workspaceId = await findWorkspace(context, options);
  const now = (options.now?.() ?? new Date()).getTime();
  for (const leftover of await findLeftovers(context, workspaceId)) {
    if (!leftover.proven) {
      options.onOutput(`left by an earlier run: ${describeLeftover(leftover)}\n`);
      continue;
    }
    const mayRun = now - leftover.startedAt.getTime() < longestRunMs;
    if (options.unattended && mayRun) throw alreadyRunning(leftover);
    if (!(await options.confirm(`delete what an earlier run left behind: ${describeLeftover(leftover)}`)))
      throw alreadyRunning(leftover);
    options.onStep(`Delete ${leftover.name}, left by an earlier run`);
    guard.enter("remove a leftover", framePlans.remove);
    await removeProject(context, workspaceId, leftover.id, ownServices);
  }
  return { workspaceId };
}

async function findWorkspace(
  context: RailwayContext,
  { token, workspace }: Pick<SmokeOptions, "token" | "workspace">,
): Promise<string> {
  if (token.kind === "project") throw tooNarrow();
  const { apiToken } = await context.transport.request(operations.workspaces);
  const matches = apiToken.workspaces.filter(({ id, name }) => id === workspace || name === workspace);
  const [match] = matches;
  if (match !== undefined && matches.length === 1) return match.id;
  throw new CutoverError({
    code: "SMOKE_WORKSPACE_NOT_FOUND",
    message: `${matches.length === 0 ? "No workspace" : `${matches.length} workspaces`} that the token sees ${matches.length === 0 ? "is" : "are"} called ${workspace}. It sees ${apiToken.workspaces.map(({ name }) => name).join(", ") || "none"}.`,
    remedy: "Name the workspace with --workspace as Railway shows it, or by its id.",
  });
}

async function answerOf(
  question: Question,
  earlier: readonly Answer[],
  site: Site,
  signal: AbortSignal,
): Promise<Answer> {
  const { id, question: text, source, assumed, needs = [] } = question;
  const common = { id, question: text, source, assumed };
  const unanswered = (why: string): Answer => ({ ...common, answer: null, verdict: "unanswered", why });
  if (signal.aborted) return unanswered(explain(signal.reason));
  const missing = needs.find((one) => earlier.find((answer) => answer.id === one)?.verdict !== "same");
  if (missing !== undefined) return unanswered(`${missing} was not answered as assumed`);
  try {
    const answer = await question.ask(await site.enter(question));
    return { ...common, answer, verdict: answer === assumed ? "same" : "differs", why: null };
  } catch (error) {
    return unanswered(explain(signal.aborted ? signal.reason : error));
  }
}

/** Never ended by the signal: an interrupted run has to leave nothing behind either. */
async function takeAway(
  { keep, onStep }: SmokeOptions,
  context: RailwayContext,
  guard: Guard,
  made: { readonly workspaceId: string; readonly run: RunName; readonly projectId: string | undefined },
): Promise<Pick<SmokeReport, "removal" | "removalFailure">> {
  if (keep) return { removal: "kept", removalFailure: null };
  onStep("Delete the project");
  guard.enter("delete the project", framePlans.remove);
  try {
    // One that was asked for, and of which no answer came, may exist all the same.
    const id = made.projectId ?? (await lateOne(context, made))?.id;
    if (id !== undefined && !(await removeProject(context, made.workspaceId, id, ownServices)))
      throw notFound(id);
    return { removal: "removed", removalFailure: null };
  } catch (error) {
    return { removal: "failed", removalFailure: explain(error) };
  }
}

function lateOne(
  context: RailwayContext,
  { workspaceId, run }: { readonly workspaceId: string; readonly run: RunName },
): Promise<Leftover | undefined> {
  return context.settle(() => findOwn(context, workspaceId, run.nonce));
}

function tooNarrow(): CutoverError {
  return new CutoverError({
    code: "SMOKE_TOKEN_TOO_NARROW",
    message:
      "The token is a project token: it sees one existing project, and the smoke test touches none but its own.",
    remedy: "Give an account or workspace token in RAILWAY_API_TOKEN, and its kind with --kind.",
  });
}

function notConfirmed(): CutoverError {
  return new CutoverError({
    code: "SMOKE_NOT_CONFIRMED",
    message: "Nobody confirmed it, so nothing was made.",
    remedy: "Answer yes, or run it with --yes; `--dry-run` shows everything it would do.",
  });
}

function alreadyRunning(leftover: Leftover): CutoverError {
  return new CutoverError({
    code: "SMOKE_ALREADY_RUNNING",
    message: `There is a project of the smoke test already: ${describeLeftover(leftover)}. It may be another run that is still at work.`,
    remedy:
      "Wait for that run, or if there is none remove it with `npm run smoke -- --clean`; then run again.",
  });
}
