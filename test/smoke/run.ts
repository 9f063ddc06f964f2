import { createRailwayToken, type RailwayTokenKind } from "../../components/railway/token.ts";
import { playSmoke, type SmokeOptions, type SmokeReport } from "../../scripts/smoke/play.ts";
import { questions } from "../../scripts/smoke/questions.ts";
import type { RecordedRequest } from "../world/railway/api-server.ts";
import type { SmokeWorld } from "./world.ts";

/** The questions that need no database. */
export const quickQuestions = questions.filter(({ ground }) => ground !== "whole");

export interface PlayedRun {
  readonly report: SmokeReport;
  /** Everything that was told, as the script prints it. */
  readonly told: string;
  /** The requests of each step and question, in order. */
  readonly requestsOf: ReadonlyMap<string, readonly RecordedRequest[]>;
}

/** How the simulator is talked to: as Railway, but quicker. */
export function accessTo({ simulator }: SmokeWorld, kind: RailwayTokenKind = "account") {
  return {
    token: createRailwayToken(kind, simulator.tokens[kind]),
    access: { endpoint: simulator.url, pollIntervalMs: 100, settleTimeoutMs: 1_000, log: () => {} },
  };
}

/** Plays a run as the script does for somebody who says yes to everything. */
export async function play(world: SmokeWorld, options: Partial<SmokeOptions> = {}): Promise<PlayedRun> {
  let told = "";
  const tell = (text: string) => {
    told += `${text}\n`;
  };
  const entered: Array<{ step: string; from: number }> = [];
  const report = await playSmoke({
    ...accessTo(world),
    workspace: world.workspaceId,
    confirm: async () => true,
    unattended: true,
    keep: false,
    signal: new AbortController().signal,
    onStep: tell,
    onOutput: tell,
    onAnswer: (answer) => tell(JSON.stringify(answer)),
    questions: quickQuestions,
    ...options,
    onEnter: (step) => {
      entered.push({ step, from: world.simulator.requests().length });
      options.onEnter?.(step);
    },
  });
  const requests = world.simulator.requests();
  const requestsOf = new Map(
    entered.map(({ step, from }, index) => [step, requests.slice(from, entered[index + 1]?.from)]),
  );
  return { report, told, requestsOf };
}

/** Projects of the workspace that exist now, by name. */
export function liveProjects({ simulator }: SmokeWorld): string[] {
  const { project, otherProjects } = simulator.inspect();
  return [project, ...otherProjects].filter(({ deletedAt }) => deletedAt === null).map(({ name }) => name);
}
