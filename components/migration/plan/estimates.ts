import { z } from "zod";
import type { PreflightFacts } from "../preflight/run-preflight.ts";

/** Estimates in milliseconds; `null` where what they rest on is not known. */
export const estimatesSchema = z.object({
  /** Schema, data, indexes and constraints. */
  copyMs: z.number().nullable(),
  /** Comparing every row, sequence and definition of both sides. */
  gateMs: z.number().nullable(),
  /** All waves, one after the other; services of one wave are deployed together. */
  deploymentsMs: z.number(),
  /** Whether every deployment time was learnt from an earlier deployment of that service. */
  deploymentsAreMeasured: z.boolean(),
  /** In which the services have to stay healthy before the promotion, as configured. */
  healthyForMs: z.number(),
  /** From the first refused write to the promotion. */
  writePauseMs: z.number().nullable(),
});

export type Estimates = z.infer<typeof estimatesSchema>;

/**
 * Bytes a second of table data through dump, load and index builds. Half of what streaming COPY reached on two shared
 * cores (1.5 GB in 18.5 to 28 s); networks and small machines are slower, so it is on the safe side.
 */
export const copyBytesPerSecond = 40_000_000;

/** Bytes a second that one session hashes, the slower of the measured ways (about 200 MB/s), on both sides at once. */
export const hashBytesPerSecond = 150_000_000;

/** Locks, catalogue reads, fences: what a cutover takes with no data at all. */
const fixedMs = 5_000;

/** For a service without a deployment to learn from: an image to start and a health check to answer. */
const assumedDeploymentMs = 90_000;

/** Says how long the parts of a cutover should take. The whole of it pauses writes, from the locks to the promotion. */
export function estimateCutover({ source, services, inputs }: PreflightFacts): Estimates {
  const { healthyForMs } = inputs.limits;
  const dataBytes = source?.tables?.reduce((total, { sizeBytes }) => total + sizeBytes, 0);
  const durations = inputs.services
    .filter(({ startsReadOnly }) => startsReadOnly)
    .map(({ name, wave }) => ({
      wave,
      ms: services.apps.find((app) => app.inputs.name === name)?.deploymentMs,
    }));
  const longestByWave = new Map<number, number>();
  for (const { wave, ms } of durations) {
    longestByWave.set(wave, Math.max(longestByWave.get(wave) ?? 0, ms ?? assumedDeploymentMs));
  }
  const deploymentsMs = [...longestByWave.values()].reduce((total, ms) => total + ms, 0);
  const copyMs =
    dataBytes === undefined ? null : Math.ceil((dataBytes / copyBytesPerSecond) * 1_000) + fixedMs;
  const gateMs = dataBytes === undefined ? null : Math.ceil((dataBytes / hashBytesPerSecond) * 1_000);
  return {
    copyMs,
    gateMs,
    deploymentsMs,
    deploymentsAreMeasured: durations.every(({ ms }) => ms !== undefined),
    healthyForMs,
    writePauseMs: copyMs === null || gateMs === null ? null : copyMs + gateMs + deploymentsMs + healthyForMs,
  };
}
