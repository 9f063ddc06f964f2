/**
 * Like `Promise.all`, but it waits until all of them have ended, so that nothing is at work behind a failure.
 *
 * @throws the first failure in the given order
 */
export async function allOf<const Promises extends readonly Promise<unknown>[]>(
  promises: Promises,
): Promise<{ -readonly [Index in keyof Promises]: Awaited<Promises[Index]> }> {
  const ended = await Promise.allSettled(promises);
  const failure = ended.find((result) => result.status === "rejected");
  if (failure !== undefined) throw failure.reason;
  return ended.map((result) => (result as PromiseFulfilledResult<unknown>).value) as never;
}
