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

/**
 * Like {@link allOf}, but as soon as one has failed the others are cut short, which makes them fail, too.
 *
 * @param cutShort called once, with the failure
 * @throws the failure that came first
 */
export async function allUnlessOneFails<const Promises extends readonly Promise<unknown>[]>(
  promises: Promises,
  cutShort: (failure: unknown) => void,
): Promise<{ -readonly [Index in keyof Promises]: Awaited<Promises[Index]> }> {
  let first: { readonly failure: unknown } | undefined;
  const watched = promises.map((promise) =>
    promise.catch((failure) => {
      if (first === undefined) cutShort(failure);
      first ??= { failure };
      throw first.failure;
    }),
  );
  return (await allOf(watched)) as never;
}
