import { CutoverError, describeError } from "../../errors.ts";
import { pause } from "../../railway/waiting.ts";

export interface HealthProbe {
  /** The service's name. */
  readonly name: string;
  readonly url: string;
  /** From the first question to the last. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Asked after each answer but 200; throws when waiting any longer is in vain. */
  readonly assertWorthWaiting?: () => Promise<void>;
}

/**
 * Asks a health check until it answers 200.
 *
 * @throws CutoverError `HEALTH_CHECK_FAILED`, and whatever `assertWorthWaiting` throws
 */
export async function probeHealth(probe: HealthProbe): Promise<void> {
  const { name, url, timeoutMs, signal } = probe;
  const giveUpAt = performance.now() + timeoutMs;
  for (;;) {
    signal?.throwIfAborted();
    const fault = await findFault(url);
    if (fault === undefined) return;
    await probe.assertWorthWaiting?.();
    if (performance.now() >= giveUpAt) {
      throw new CutoverError({
        code: "HEALTH_CHECK_FAILED",
        message: `The health check of ${name} did not answer 200 in time: ${fault}.`,
        remedy: "Look at the deployment's logs on Railway.",
      });
    }
    await pause(intervalMs, signal);
  }
}

const intervalMs = 1_000;
const answerTimeoutMs = 10_000;

async function findFault(url: string): Promise<string | undefined> {
  return fetch(url, { redirect: "manual", signal: AbortSignal.timeout(answerTimeoutMs) }).then(
    async ({ status, body }) => {
      await body?.cancel();
      return status === 200 ? undefined : `HTTP status ${status}`;
    },
    (error: unknown) => describeError(error),
  );
}
