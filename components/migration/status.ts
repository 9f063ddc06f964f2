import { z } from "zod";
import type { Railway } from "../railway/railway.ts";
import type { MigrationInputs } from "./inputs.ts";
import { migrationStates } from "./journal/record.ts";
import { rotationStates } from "./rotation/record.ts";
import { describeRetirement, describeServices, describeSource, describeTarget } from "./status/describe.ts";
import { look } from "./status/look.ts";
import { nextSteps } from "./status/next.ts";
import { whoWrites } from "./status/writers.ts";
import { describeTransport } from "./transport.ts";

/**
 * What the operator does next:
 * - `begin`: nothing is under way: preview, then up.
 * - `up`, `abort`: that command.
 * - `rotate`, `put-rotation-back`: a rotation of the target's password is unfinished: on, or back.
 * - `wait`: a run is at work.
 * - `look-again`: something could not be looked at; the status again once it can.
 * - `by-hand`: the commands refuse; a human has to look first.
 * - `nothing`: all done.
 */
export const nextActions = [
  "begin",
  "up",
  "abort",
  "rotate",
  "put-rotation-back",
  "wait",
  "look-again",
  "by-hand",
  "nothing",
] as const;

export const nextStepSchema = z.object({ action: z.enum(nextActions), why: z.string() });

/** What state things are in, for one screen and for other tooling. Plain data without a secret or row content. */
export const statusSchema = z.object({
  version: z.literal(1),
  /** When it was looked. */
  at: z.iso.datetime(),
  /** Whether everything was seen that `writes` and `next` depend on. */
  complete: z.boolean(),
  /** What could not be looked at, and why. */
  unseen: z.array(z.object({ what: z.enum(["railway", "source", "target", "services"]), why: z.string() })),
  /** The journal's newest migration; `null` where it holds none, or could not be read. */
  migration: z.object({ id: z.string(), state: z.enum(migrationStates), since: z.iso.datetime() }).nullable(),
  /** A rotation of the target's password that is not finished; `null` where none is known of. */
  rotation: z.object({ state: z.enum(rotationStates), since: z.iso.datetime() }).nullable(),
  writes: z.object({
    /** Which database acknowledges the application's writes now. `both` takes somebody's hand. */
    to: z.enum(["source", "target", "nobody", "both", "unknown"]),
    /** Since when at the latest; `null` where that is as it always was, or not known. */
    since: z.iso.datetime().nullable(),
    text: z.string(),
  }),
  /** How long writes have been paused, from the first lock; `null` where they are not. */
  pause: z
    .object({
      since: z.iso.datetime(),
      forMs: z.number(),
      limitMs: z.number(),
      /** By how much the limit is over; 0 while it is not. */
      overMs: z.number(),
    })
    .nullable(),
  source: z.string(),
  target: z.string(),
  /** How this machine reaches both, in words. */
  transport: z.object({ source: z.string(), target: z.string() }),
  run: z.object({
    /** `null` where it could not be told. */
    isActive: z.boolean().nullable(),
    since: z.iso.datetime().nullable(),
    /** The address that its sessions come from. */
    from: z.string().nullable(),
  }),
  services: z.array(z.object({ name: z.string(), state: z.string() })),
  /** The newest lines of the journal's history, oldest first. */
  history: z.array(z.object({ at: z.iso.datetime(), text: z.string() })),
  next: nextStepSchema,
  /** What else can be done; `null` where there is nothing else. */
  alternative: nextStepSchema.nullable(),
});

export type Status = z.infer<typeof statusSchema>;
export type NextStep = z.infer<typeof nextStepSchema>;

const historyLines = 8;

/** Looks at the journal, both databases and the services. Reads only, and says what it could not see. */
export async function readStatus(railway: Railway, inputs: MigrationInputs): Promise<Status> {
  const seen = await look(railway, inputs);
  const now = new Date();
  const writes = whoWrites(seen, inputs, now);
  const steps = nextSteps(seen, inputs, writes.pause);
  const { entry } = seen;
  return statusSchema.parse({
    version: 1,
    at: now.toISOString(),
    complete: seen.isJournalRead && writes.to !== "unknown" && steps.next.action !== "look-again",
    unseen: seen.unseen.filter(({ what }) => what !== "source" || describeRetirement(seen) === null),
    migration:
      entry === undefined ? null : { id: entry.id, state: entry.record.state, since: entry.updatedAt },
    rotation:
      seen.rotation === undefined
        ? null
        : { state: seen.rotation.record.state, since: seen.rotation.updatedAt },
    writes: { to: writes.to, since: writes.since, text: writes.text },
    pause: writes.pause,
    source: describeSource(seen),
    target: describeTarget(seen),
    transport: {
      source: describeTransport(inputs.transport.source),
      target: describeTransport(inputs.transport.target),
    },
    run: seen.run,
    services: describeServices(seen),
    history: seen.history
      .slice(-historyLines)
      .map(({ at, state, text }) => ({ at, text: `${state}: ${text}` })),
    ...steps,
  } satisfies Status);
}
