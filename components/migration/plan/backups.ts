import { z } from "zod";
import type { PreflightFacts } from "../preflight/facts.ts";
import type { Mark } from "./describe.ts";
import { formatBytes, formatDuration } from "./format.ts";

/** Railway's volume backups from before the pause, as they are planned. */
export const plannedBackupsSchema = z.object({
  /** Why none is made; `null` where they are. */
  skippedBecause: z.string().nullable(),
  /** How old one may be to be used instead of a new one. */
  reuseForMs: z.number(),
  /** Empty where none is made, or the volumes are not known. */
  volumes: z.array(
    z.object({
      service: z.string(),
      usedMB: z.number(),
      sizeMB: z.number(),
      /** The one that would be used instead of a new one, as of now. */
      usable: z
        .object({ id: z.string(), createdAt: z.iso.datetime(), expiresAt: z.iso.datetime().nullable() })
        .nullable(),
    }),
  ),
  /** What all of them can cost in a month at most, when everything on the volumes has changed since. */
  mostDollarsAMonth: z.number(),
});

export type PlannedBackups = z.infer<typeof plannedBackupsSchema>;

/**
 * Backups cost what volumes do, for what is in them and not in the volume any more (docs.railway.com, Volumes, Backups:
 * "Pricing"; Pricing, Plans: "Volume Storage", $0.15 / GB / month in November 2026).
 */
export const dollarsPerGigabyteMonth = 0.15;

/** Pure. */
export function planBackups({ inputs, backups }: PreflightFacts): PlannedBackups {
  const { beforeCutover, reason, reuseForMs } = inputs.backups;
  const volumes = backups.map(({ service, volume, usable }) => ({
    service,
    usedMB: volume.currentSizeMB,
    sizeMB: volume.sizeMB,
    usable:
      usable === undefined
        ? null
        : {
            id: usable.id,
            createdAt: usable.createdAt.toISOString(),
            expiresAt: usable.expiresAt?.toISOString() ?? null,
          },
  }));
  return {
    skippedBecause: beforeCutover === "skip" ? (reason ?? "") : null,
    reuseForMs,
    volumes,
    mostDollarsAMonth: (sum(volumes.map(({ usedMB }) => usedMB)) / 1_000) * dollarsPerGigabyteMonth,
  };
}

/** What is made, what it costs and how long it lasts, as a heading and a sentence; `null` where there is nothing to tell. */
export function describeBackups(
  { skippedBecause, reuseForMs, volumes, mostDollarsAMonth }: PlannedBackups,
  mark: Mark,
): { readonly heading: string; readonly sentence: string } | null {
  if (skippedBecause !== null) return { heading: "No backup of the volumes", sentence: skippedBecause };
  if (volumes.length === 0) return null;
  const each = volumes.map(({ service, usedMB, usable }) => {
    if (usable === null) return `${mark(service)}: a new one, ${formatBytes(usedMB * 1_000_000)} used`;
    const end = usable.expiresAt === null ? "" : `, expires at ${usable.expiresAt}`;
    return `${mark(service)}: that of ${usable.createdAt} while it is younger than ${formatDuration(reuseForMs)}${end}`;
  });
  return {
    heading: `Backups of the volumes first: at most about ${formatDollars(mostDollarsAMonth)} a month, kept until they or the volume are deleted`,
    sentence: each.join("; "),
  };
}

function formatDollars(dollars: number): string {
  return dollars > 0 && dollars < 0.01 ? "$0.01" : `$${dollars.toFixed(2)}`;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
