import type { RailwayContext } from "../../components/railway/context.ts";
import { type EnvironmentScope, resolveEnvironment } from "../../components/railway/environment.ts";
import { createRailwayToken, type RailwayToken } from "../../components/railway/token.ts";
import { buildSteps } from "./build.ts";
import { framePlans } from "./frame.ts";
import * as operations from "./operations.ts";
import { createProject, type RunName } from "./project.ts";
import { explain, type Ground, NoAnswer, type Question } from "./question.ts";
import { type Access, type Guard, guardedContext, type Stage } from "./stage.ts";

export interface SiteOptions {
  readonly token: RailwayToken;
  readonly access: Access;
  readonly signal: AbortSignal;
  readonly onStep: (title: string) => void;
  readonly onOutput: (text: string) => void;
}

interface Run {
  readonly workspaceId: string;
  readonly run: RunName;
  readonly startedAt: Date;
}

const grounds: readonly Ground[] = ["project", "scratch", "whole"];

/** The throw-away project, built as far as the questions need it: what cannot be built takes only those along that need it. */
export class Site {
  /** As soon as the project is known to exist. */
  projectId: string | undefined;
  stage: Stage | undefined;
  /** Why a part could not be built. */
  failure: string | null = null;
  readonly #options: SiteOptions;
  readonly #context: RailwayContext;
  readonly #guard: Guard;
  readonly #run: Run;
  #built = -1;
  #failedAt = Number.POSITIVE_INFINITY;

  constructor(options: SiteOptions, context: RailwayContext, guard: Guard, run: Run) {
    this.#options = options;
    this.#context = context;
    this.#guard = guard;
    this.#run = run;
  }

  /** Builds what is missing for a question, and lets through what it announces. Throws when there is no ground for it. */
  async enter(question: Question): Promise<Stage> {
    const wanted = grounds.indexOf(question.ground);
    while (this.#built < wanted) await this.#buildNext();
    if (this.stage === undefined) throw new NoAnswer("there is no project");
    this.#guard.enter(question.id, question);
    return this.stage;
  }

  async #buildNext(): Promise<void> {
    const next = this.#built + 1;
    const part = grounds[next];
    if (next >= this.#failedAt || part === undefined)
      throw new NoAnswer(`what it is asked on could not be built: ${this.failure}`);
    try {
      await this.#build(part);
      this.#built = next;
    } catch (error) {
      this.#failedAt = next;
      this.failure = explain(error);
      throw error;
    }
  }

  async #build(ground: Ground): Promise<void> {
    const { onStep, onOutput, signal } = this.#options;
    if (ground === "project") {
      onStep(`Make the project ${this.#run.run.name}`);
      this.#guard.enter("make the project", framePlans.create);
      this.stage = await this.#makeProject();
      return;
    }
    for (const step of buildSteps.filter((one) => one.ground === ground)) {
      signal.throwIfAborted();
      if (this.stage === undefined) throw new NoAnswer("there is no project");
      onStep(step.title);
      this.#guard.enter(step.title, step);
      await step.run(this.stage, onOutput);
    }
  }

  async #makeProject(): Promise<Stage> {
    const { access, token, signal } = this.#options;
    const { workspaceId, run, startedAt } = this.#run;
    const context = this.#context;
    const project = await createProject(context, workspaceId, run, startedAt, (id) => {
      this.projectId = id;
      this.#guard.bind(id);
    });
    const scope = await findScope(context, project.id);
    this.#guard.bind(project.id, scope.environmentId);
    const input = { projectId: project.id, environmentId: scope.environmentId, name: "smoke-test" };
    const { projectTokenCreate } = await context.transport.request(operations.projectTokenCreate, { input });
    const projectToken = createRailwayToken("project", projectTokenCreate);
    context.transport.redactor.learn(projectToken.value);
    return {
      access,
      token,
      context,
      scope,
      projectToken,
      projectContext: guardedContext(projectToken, access, this.#guard).within(signal),
      services: new Map(),
      origins: new Map(),
    };
  }
}

/** A new project's environment takes a moment to show. */
async function findScope(context: RailwayContext, projectId: string): Promise<EnvironmentScope> {
  let last: unknown;
  const found = await context.settle(async () => {
    try {
      return await resolveEnvironment(context, { project: projectId, environment: "production" });
    } catch (error) {
      last = error;
      return undefined;
    }
  });
  if (found === undefined) throw last;
  return found;
}
