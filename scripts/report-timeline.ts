import type { Report } from "../components/migration/report.ts";
import { isPromoted } from "../components/migration/report.ts";

/** A stretch of time on the page, in milliseconds of the epoch. */
export interface Lane {
  readonly label: string;
  readonly kind: "pause" | "phase" | "service";
  readonly startMs: number;
  readonly endMs: number;
  /** Whether the journal tells no end: the stretch is drawn to the last thing known. */
  readonly isOpen: boolean;
}

export interface Timeline {
  readonly startMs: number;
  readonly endMs: number;
  readonly lanes: readonly Lane[];
}

/** The stretches worth drawing; `undefined` where the journal knows of no pause. Pure. */
export function timelineOf(report: Report): Timeline | undefined {
  const { pausedAt, fencedAt, promotedAt } = report.times;
  if (pausedAt === null || fencedAt === null) return undefined;
  const pauseStart = Date.parse(pausedAt);
  const fenced = Date.parse(fencedAt);
  const promoted = promotedAt === null ? null : Date.parse(promotedAt);
  const proofs = report.services.flatMap(({ provenAt }) => (provenAt === null ? [] : [Date.parse(provenAt)]));
  const events = report.events.map(({ at }) => Date.parse(at));
  // A migration that goes on for weeks afterwards (the old database is retired) would squeeze the window to nothing.
  const lastKnown = promoted ?? Math.max(fenced, ...events);
  const endMs = Math.max(lastKnown, ...(isPromoted(report.state) ? proofs : []));
  const clip = (time: number) => Math.min(Math.max(time, pauseStart), endMs);
  const services = report.services.flatMap(({ name, askedAt, provenAt }): Lane[] =>
    askedAt === null
      ? []
      : [
          {
            label: name,
            kind: "service",
            startMs: clip(Date.parse(askedAt)),
            endMs: clip(provenAt === null ? endMs : Date.parse(provenAt)),
            isOpen: provenAt === null,
          },
        ],
  );
  const phases: Lane[] = [
    {
      label: "writes paused",
      kind: "pause",
      startMs: pauseStart,
      endMs: lastKnown,
      isOpen: promoted === null,
    },
    { label: "copy and comparison", kind: "phase", startMs: pauseStart, endMs: fenced, isOpen: false },
    {
      label: "both databases fenced",
      kind: "phase",
      startMs: fenced,
      endMs: lastKnown,
      isOpen: promoted === null,
    },
  ];
  return {
    startMs: pauseStart,
    endMs,
    lanes: [...phases, ...services.toSorted((left, right) => left.startMs - right.startMs)],
  };
}
