import { describeError } from "../../components/errors.ts";
import type { Operation } from "../../components/railway/transport.ts";
import type { Stage } from "./stage.ts";

/** A mutation that is sent once. A value that is not known beforehand, or is secret, stands there as `<what it is>`. */
export interface PlannedCall {
  readonly operation: Operation<unknown>;
  readonly variables: Readonly<Record<string, unknown>>;
}

/** What a part of the run sends. Nothing else is let through to Railway: the dry run is the whole of it. */
export interface Plan {
  readonly sends: readonly PlannedCall[];
  /** Names of the queries, each repeated as often as waiting takes. */
  readonly reads: readonly string[];
  /** What runs of the program itself, such as `pulumi up`, and the mutations that it sends, each at least once. */
  readonly program?: { readonly commands: readonly string[]; readonly sends: readonly string[] };
  /** About how long it takes on Railway. */
  readonly seconds: number;
}

/** How much has to be there before a question can be asked. */
export type Ground = "project" | "scratch" | "whole";

/**
 * Something about Railway that this project relies on, or has to guess. The simulator is asked the same in the tests, so that
 * `assumed` is what it answers: an answer that differs says where the tests are not true to life.
 */
export interface Question extends Plan {
  readonly id: string;
  readonly question: string;
  /** Where the uncertainty is written down: a section of the fact sheet, or a file. */
  readonly source: string;
  readonly assumed: string;
  readonly ground: Ground;
  /** Questions that must have been answered as assumed, because this one builds on what they did. */
  readonly needs?: readonly string[];
  /** Resolves with a short answer in the words of `assumed`, without a secret. Throws when there is none. */
  readonly ask: (stage: Stage) => Promise<string>;
}

/** Why a question has no answer, in words for the report. Holds no secret. */
export class NoAnswer extends Error {
  override readonly name = "no answer";
}

/** What is said of whatever kept a question from being answered. */
export function explain(error: unknown): string {
  return error instanceof NoAnswer ? error.message : describeError(error);
}

export type Verdict = "same" | "differs" | "unanswered";

export interface Answer {
  readonly id: string;
  readonly question: string;
  readonly source: string;
  readonly assumed: string;
  /** `null`: unanswered. */
  readonly answer: string | null;
  readonly verdict: Verdict;
  /** Why there is no answer. */
  readonly why: string | null;
}

export function send(operation: Operation<unknown>, variables: Record<string, unknown>): PlannedCall {
  return { operation, variables };
}

export function names(...operations: readonly Operation<unknown>[]): string[] {
  return operations.map(({ name }) => name);
}
