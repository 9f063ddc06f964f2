/**
 * Milliseconds of the machine's monotonic clock: comparable between all processes of one machine and never set back,
 * which the time of day is not. Its zero means nothing.
 */
export function monotonicMs(): number {
  // Whole microseconds keep a ledger's lines short.
  return Number(process.hrtime.bigint() / 1_000n) / 1_000;
}
