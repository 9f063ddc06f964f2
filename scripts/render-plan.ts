import { z } from "zod";
import type { Outlook } from "../components/migration/decide/outlook.ts";
import { code, prose } from "../components/migration/plan/markdown.ts";
import {
  type Plan,
  planSchema,
  renderPlan,
  renderPlanAsMarkdown,
  verdictOf,
} from "../components/migration/plan.ts";

/** What `npm run plan -- --json` prints. Plain data without secrets, values or row content. */
export const planDocumentSchema = z.object({
  version: z.literal(1),
  stack: z.string(),
  /**
   * - `ready`: nothing blocks.
   * - `blocked`: findings block, or `up` would refuse.
   * - `unchecked`: nothing blocks as far as could be looked, which was not everywhere.
   * - `resume`: `up` would not begin, but go on with or finish what was begun.
   * - `wait`: a run is at work.
   */
  verdict: z.enum(["ready", "blocked", "unchecked", "resume", "wait"]),
  /** What `up` does about what the journal knows. */
  outlook: z.object({
    action: z.enum(["begin", "resume", "refuse", "wait", "unknown"]),
    line: z.string().nullable(),
    refusal: z.string().nullable(),
    remarks: z.array(z.string()),
  }),
  /** `null` unless `up` would begin. */
  plan: planSchema.nullable(),
});

export type PlanDocument = z.infer<typeof planDocumentSchema>;

/** Composes the document and checks it against its schema. */
export function planDocument(stack: string, outlook: Outlook, plan: Plan | null): PlanDocument {
  return planDocumentSchema.parse({ version: 1, stack, verdict: judge(outlook, plan), outlook, plan });
}

/** 0 where `up` can be run, 1 where it cannot or that could not be told. */
export function exitCodeOf({ verdict }: PlanDocument): number {
  return verdict === "ready" || verdict === "resume" ? 0 : 1;
}

/** The plan as plain text, what the journal knows first. */
export function renderDocument({ outlook, plan }: PlanDocument, width: number): string {
  const { line, refusal, remarks } = outlook;
  const lines = [...remarks, ...(line === null ? [] : [line]), ...(refusal === null ? [] : [refusal])];
  return [...lines, ...(plan === null ? [] : [renderPlan(plan, { width })])].join("\n").concat("\n");
}

/** The same for a comment of a pull request. */
export function renderDocumentAsMarkdown({ stack, outlook, plan }: PlanDocument): string {
  const { line, refusal, remarks } = outlook;
  const title = plan === null ? "" : ` of ${code(plan.project)} (${code(plan.environment)})`;
  return [
    `### Cutover plan${title}, stack ${code(stack)}`,
    ...(line === null ? [] : [`**${prose(line)}**`]),
    ...(refusal === null ? [] : [prose(refusal)]),
    ...remarks.map((remark) => `- ${prose(remark)}`),
    ...(plan === null ? [] : [renderPlanAsMarkdown(plan)]),
  ]
    .map((part) => part.trimEnd())
    .join("\n\n")
    .concat("\n");
}

function judge({ action, remarks }: Outlook, plan: Plan | null): PlanDocument["verdict"] {
  switch (action) {
    case "begin": {
      const verdict = plan === null ? "unchecked" : verdictOf(plan);
      // A remark here says that the journal was not read.
      return verdict === "ready" && remarks.length > 0 ? "unchecked" : verdict;
    }
    case "resume":
      return "resume";
    case "refuse":
      return "blocked";
    case "wait":
      return "wait";
    case "unknown":
      return "unchecked";
    default:
      return action satisfies never;
  }
}
