import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { arch, hostname, platform, userInfo } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { z } from "zod";
import { redactUrls } from "../../errors.ts";
import type { CutoverRun } from "../exclusion/exclusive-run.ts";
import { listConfiguration } from "./configuration.ts";
import type { Operator, Program, RunNote } from "./run-note.ts";

/**
 * Notes who runs a command, with what program and by which configuration, for the journal. What cannot be found out is
 * `null`: nothing of a cutover depends on it, so this never throws.
 */
export async function noteRun(run: CutoverRun, command: RunNote["command"]): Promise<Omit<RunNote, "epoch">> {
  const startedAt = new Date().toISOString();
  const [operator, program] = await Promise.all([
    describeOperator(run.railway.within(AbortSignal.timeout(patienceMs))),
    describeProgram(run.describeEngine),
  ]);
  return { command, startedAt, operator, program, configuration: listConfiguration(run.inputs) };
}

/** Writers may be waiting. */
const patienceMs = 3_000;

/** Who runs this process, as far as the machine, git, a CI service and Railway tell. Never throws. */
export async function describeOperator(
  railway: Pick<CutoverRun["railway"], "tokenOwner">,
): Promise<Operator> {
  const variables = environmentSchema.parse(process.env);
  const [name, address, owner] = await Promise.all([
    git("config", "user.name"),
    git("config", "user.email"),
    orNull(() => railway.tokenOwner()),
  ]);
  return {
    osUser: await orNull(async () => userInfo().username),
    host: await orNull(async () => hostname()),
    stated: redactUrls(variables.CUTOVER_OPERATOR ?? "").slice(0, longestStatement) || null,
    gitUser: address === null ? name : [name, `<${address}>`].filter((part) => part !== null).join(" "),
    ci: continuousIntegration(variables),
    railway: owner ?? { tokenKind: "unknown", identity: null },
  };
}

/** This program, as it is on this machine. Never throws. */
export async function describeProgram(describeEngine?: CutoverRun["describeEngine"]): Promise<Program> {
  const [manifest, commit, changes, engine] = await Promise.all([
    orNull(async () =>
      packageSchema.parse(JSON.parse(await readFile(path.join(root, "package.json"), "utf8"))),
    ),
    git("rev-parse", "HEAD"),
    git("status", "--porcelain", "--untracked-files=no"),
    orNull(async () => (await describeEngine?.()) ?? null),
  ]);
  return {
    version: manifest?.version ?? "unknown",
    commit,
    hasLocalChanges: changes === null ? null : changes !== "",
    node: process.versions.node,
    platform: `${platform()} ${arch()}`,
    engine,
  };
}

const root = path.join(import.meta.dirname, "../../..");
const packageSchema = z.object({ version: z.string() });

const longestStatement = 200;

/** The variables by which an operator and CI services name what runs (docs.github.com "Variables reference", docs.gitlab.com "Predefined CI/CD variables reference"). */
const environmentSchema = z.object({
  CUTOVER_OPERATOR: z.string().optional(),
  GITHUB_ACTIONS: z.string().optional(),
  GITHUB_TRIGGERING_ACTOR: z.string().optional(),
  GITHUB_ACTOR: z.string().optional(),
  GITHUB_SERVER_URL: z.string().optional(),
  GITHUB_REPOSITORY: z.string().optional(),
  GITHUB_RUN_ID: z.string().optional(),
  GITLAB_CI: z.string().optional(),
  GITLAB_USER_LOGIN: z.string().optional(),
  CI_JOB_URL: z.string().optional(),
  CI: z.string().optional(),
});

/** Where somebody else runs for an operator, these have to come along. */
export const operatorVariables: readonly string[] = Object.keys(environmentSchema.shape);

function continuousIntegration(variables: z.infer<typeof environmentSchema>): Operator["ci"] {
  if (variables.GITHUB_ACTIONS) {
    const { GITHUB_SERVER_URL: server, GITHUB_REPOSITORY: repository, GITHUB_RUN_ID: id } = variables;
    return {
      service: "GitHub Actions",
      actor: variables.GITHUB_TRIGGERING_ACTOR ?? variables.GITHUB_ACTOR ?? null,
      run: server && repository && id ? `${server}/${repository}/actions/runs/${id}` : null,
    };
  }
  if (variables.GITLAB_CI) {
    return {
      service: "GitLab CI",
      actor: variables.GITLAB_USER_LOGIN ?? null,
      run: variables.CI_JOB_URL ?? null,
    };
  }
  return variables.CI ? { service: "unknown", actor: null, run: null } : null;
}

/** What git says in the project's folder; `null` where it fails. It gets no secret of this process's environment. */
async function git(...args: readonly string[]): Promise<string | null> {
  return orNull(async () => {
    const { PATH, HOME } = process.env;
    const { stdout } = await promisify(execFile)("git", args, {
      cwd: root,
      env: { PATH, HOME },
      timeout: patienceMs,
    });
    return stdout.trim();
  });
}

async function orNull<Result>(look: () => Promise<Result>): Promise<Result | null> {
  try {
    return await look();
  } catch {
    return null;
  }
}
