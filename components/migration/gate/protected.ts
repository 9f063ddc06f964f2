import { setTimeout as delay } from "node:timers/promises";
import type pg from "pg";
import {
  compareFingerprints,
  type FingerprintDifference,
  fingerprintProtected,
  type ProtectedFingerprint,
  readWriteCounters,
} from "../../postgres/fingerprint/fingerprint.ts";
import type { FoundDifference } from "./difference.ts";

/**
 * Compares the protected schemas with how they were. When rows differ and no writes are counted yet, it waits for the
 * counters as long as a session may hold them back: others' writes must not pass for ours.
 */
export async function checkProtected(
  target: pg.Client,
  options: {
    readonly protectedSchemas: readonly string[];
    readonly protectedBefore: ProtectedFingerprint;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<{ found: FoundDifference[]; writtenByOthers: string[]; after: ProtectedFingerprint }> {
  const after = await fingerprintProtected(target, options.protectedSchemas);
  const differences = await attribute(target, options, after);
  return {
    found: differences
      .filter(({ provablyTheirs }) => !provablyTheirs)
      .map(({ object, aspect }) => ({ code: "PROTECTED_CHANGED", object, aspect })),
    writtenByOthers: differences.filter(({ provablyTheirs }) => provablyTheirs).map(({ object }) => object),
    after,
  };
}

async function attribute(
  target: pg.Client,
  { protectedSchemas, protectedBefore, signal }: Parameters<typeof checkProtected>[1],
  after: ProtectedFingerprint,
): Promise<FingerprintDifference[]> {
  const deadline = performance.now() + countersDelayMs;
  for (let observed = after; ; ) {
    const differences = compareFingerprints(protectedBefore, observed);
    const undecided = differences.some(({ aspect, provablyTheirs }) => !provablyTheirs && isData(aspect));
    // Nothing that is red anyway is worth the wait: writes are paused meanwhile.
    const isRed = differences.some(({ aspect }) => !isData(aspect));
    if (!undecided || isRed || performance.now() >= deadline) return differences;
    await delay(250, undefined, signal === undefined ? {} : { signal });
    observed = withCounters(observed, await readWriteCounters(target, protectedSchemas));
  }
}

/** An idle session reports its writes after ten seconds at the latest (PGSTAT_IDLE_INTERVAL). */
const countersDelayMs = 11_000;

function isData(aspect: FingerprintDifference["aspect"]): boolean {
  return aspect === "rows" || aspect === "position";
}

function withCounters(
  fingerprint: ProtectedFingerprint,
  counters: ReadonlyMap<string, number>,
): ProtectedFingerprint {
  const tables = Object.entries(fingerprint.tables).map(([name, table]) => [
    name,
    { ...table, writesAtEnd: counters.get(name) ?? table.writesAtEnd },
  ]);
  return { ...fingerprint, tables: Object.fromEntries(tables) };
}
