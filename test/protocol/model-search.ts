import fc from "fast-check";
import { type Command, type Happening, notBack, Play, unfinished } from "./model-play.ts";
import { type Flaw, type Hold, holdNames } from "./model-world.ts";

/** What happens from the first `up` on, and the one command without a fault that has to end it. */
export interface History {
  readonly happenings: readonly Happening[];
  readonly recovery: Command;
  /** Whether the configuration holds a failed switch. */
  readonly holds?: boolean;
}

/** Everything that is broken after a history: a promise on the way, or something that its recovery left undone. */
export function broken(
  { happenings, recovery, holds = false }: History,
  flaws: Iterable<Flaw> = [],
): string[] {
  const play = new Play({ flaws, holds });
  play.happen({ kind: "run", command: "up" });
  for (const each of happenings) play.happen(each);
  const wasPromoted = play.world.primary() === "target";
  const outcome = play.recover(recovery);
  const violations = [...play.world.violations];
  // A human has to look at what somebody's hand did: then nothing more is asked than that no harm is added.
  if (play.tampered) return violations;
  if (recovery === "up") return [...violations, ...unfinished(play)];
  if (!wasPromoted) return [...violations, ...notBack(play)];
  return outcome === "ALREADY_PROMOTED" ? violations : [...violations, `the abort ended with ${outcome}`];
}

/** The first history that breaks something, and what; `undefined` where none does. */
export function firstBroken(
  histories: Iterable<History>,
  flaws: Iterable<Flaw> = [],
): { history: History; what: string[] } | undefined {
  for (const history of histories) {
    const what = broken(history, flaws);
    if (what.length > 0) return { history, what };
  }
  return undefined;
}

const commands: readonly Command[] = ["up", "abort"];
const toItsEnd = 200;

function stepsOf(...before: readonly Happening[]): number {
  const play = new Play();
  for (const each of before) play.happen(each);
  const already = play.taken.length;
  play.recover("up");
  return play.taken.length - already;
}

/** An `up` from the start, and the longest one: it puts back first. */
const stepsOfUp = stepsOf();
const mostSteps =
  Math.max(
    ...Array.from({ length: stepsOfUp }, (_, count) =>
      stepsOf({ kind: "run", command: "up" }, { kind: "steps", run: 0, count }),
    ),
  ) + 1;

const go = (count: number, run = 0): Happening => ({ kind: "steps", run, count });

/** The ends and failures that can meet a run before any step; afterwards it does what it still can. */
function faults(): Happening[][] {
  const lost = (session: Hold): Happening => ({ kind: "session lost", run: 0, session });
  return [
    [{ kind: "killed", run: 0 }],
    [
      { kind: "machine lost", run: 0 },
      { kind: "run", command: "up" },
      go(toItsEnd),
      { kind: "servers notice" },
    ],
    [{ kind: "step fails", run: 0, fate: "fails" }],
    [{ kind: "step fails", run: 0, fate: "answer lost" }],
    ...holdNames.map((session) => [lost(session)]),
    [{ kind: "pause limit over" }],
    [{ kind: "pause limit over" }, { kind: "killed", run: 0 }],
    [{ kind: "server restarted", side: "source" }],
    [{ kind: "server restarted", side: "target" }],
    [{ kind: "Pulumi's state lost" }, { kind: "killed", run: 0 }],
    ...[0, 1, 2].flatMap((service): Happening[][] => [
      [{ kind: "pushed", service }],
      [{ kind: "deployment fails", service }],
    ]),
  ];
}

/** One fault before each step of an `up`; then, every few steps of whatever comes next, that is killed. */
export function* faultsInTurn(): Generator<History> {
  for (const first of upTo(stepsOfUp))
    for (const [index, fault] of faults().entries()) {
      const happened = [go(first), ...fault, go(toItsEnd)];
      for (const recovery of commands)
        for (const holds of [true, false]) yield { happenings: happened, recovery, holds };
      const command = index % 2 === 0 ? "up" : "abort";
      for (const second of upTo(mostSteps, 6)) {
        const next: Happening[] = [
          { kind: "killed", run: 0 },
          { kind: "run", command },
          go(second + (first % 6)),
          { kind: "killed", run: 0 },
        ];
        yield { happenings: [...happened, ...next], recovery: first % 2 === 0 ? "up" : "abort" };
      }
    }
}

/**
 * Orphans: a run loses its sessions, wherever it is, forward or on the way back; another one does some steps, then the
 * orphan what it still can, then the other one the rest.
 */
export function* orphans(): Generator<History> {
  for (const first of upTo(stepsOfUp)) yield* orphansAfter([go(first)], [1, toItsEnd]);
  for (const label of ["6 definitions", "8 gate", "10 fence committed", "13 deployment noted", "15 sealed"])
    for (const back of upTo(24))
      yield* orphansAfter(
        [go(stepsUntil(label)), { kind: "step fails", run: 0, fate: "fails" }, go(back)],
        [1, 2, toItsEnd],
      );
}

function stepsUntil(label: string): number {
  const play = new Play();
  play.finish("up");
  return play.taken.indexOf(label);
}

function* orphansAfter(happened: readonly Happening[], orphanSteps: readonly number[]): Generator<History> {
  for (const command of commands)
    for (const second of upTo(mostSteps, 4))
      for (const third of orphanSteps)
        yield {
          happenings: [
            ...happened,
            { kind: "session lost", run: 0, session: "source" },
            { kind: "session lost", run: 0, session: "target" },
            { kind: "run", command },
            go(second, 1),
            go(third),
            go(toItsEnd, 1),
          ],
          recovery: "up",
        };
}

/** Somebody takes the fence of the copy down, or opens it, while nobody is at work. */
export function* tampering(): Generator<History> {
  for (const first of upTo(stepsOfUp))
    for (const kind of ["copy's fence taken down", "copy's fence opened by its row"] as const)
      for (const putBack of [true, false])
        for (const command of commands)
          for (const second of upTo(mostSteps, 8))
            yield {
              happenings: [
                go(first),
                { kind: "killed", run: 0 },
                { kind },
                { kind: "deployment goes on", service: 0 },
                ...(putBack ? [{ kind: "copy's fence put back" } as const] : []),
                { kind: "run", command },
                go(second),
                { kind: "killed", run: 0 },
              ],
              recovery: "abort",
            };
}

function upTo(limit: number, stride = 1): number[] {
  return Array.from({ length: Math.ceil(limit / stride) }, (_, index) => index * stride);
}

const run = fc.nat({ max: 2 });
const service = fc.nat({ max: 2 });
const weighted = (weight: number, model: Record<string, fc.Arbitrary<unknown>>) => ({
  weight,
  arbitrary: fc.record(model) as fc.Arbitrary<Happening>,
});

const happening = fc.oneof(
  weighted(8, { kind: fc.constant("steps"), run, count: fc.integer({ min: 1, max: 30 }) }),
  weighted(2, { kind: fc.constant("run"), command: fc.constantFrom(...commands) }),
  weighted(2, { kind: fc.constant("step fails"), run, fate: fc.constantFrom("fails", "answer lost") }),
  weighted(2, { kind: fc.constantFrom("killed", "machine lost"), run }),
  weighted(2, { kind: fc.constantFrom("servers notice", "Pulumi's state lost", "pause limit over") }),
  weighted(3, {
    kind: fc.constant("session lost"),
    run,
    session: fc.constantFrom(...holdNames),
  }),
  weighted(1, { kind: fc.constant("server restarted"), side: fc.constantFrom("source", "target") }),
  weighted(2, {
    kind: fc.constantFrom("deployment goes on", "deployment fails", "pushed"),
    service,
  }),
);

const hand = fc.record({
  kind: fc.constantFrom("copy's fence taken down", "copy's fence put back", "copy's fence opened by its row"),
}) as fc.Arbitrary<Happening>;

/** Any number of faults in any order. */
export function histories(options: { readonly withHands: boolean }): fc.Arbitrary<History> {
  const each = options.withHands
    ? fc.oneof({ weight: 5, arbitrary: happening }, { weight: 1, arbitrary: hand })
    : happening;
  return fc.record({
    happenings: fc.array(each, { minLength: 1, maxLength: 25, size: "max" }),
    recovery: fc.constantFrom(...commands),
    holds: fc.boolean(),
  });
}
