/**
 * Hands the items out, in their order, to the workers, each of which takes the next one when it is done with one.
 * After the first failure nothing new is started; `onFailure` is called at once, so that the caller can cut short what
 * the others are doing. Resolves or rejects when every worker has stopped.
 *
 * @param whenDone called with each worker for which nothing is left, while others may still be at work
 * @throws the first failure
 */
export async function shareAmong<Item, Worker>(
  workers: readonly Worker[],
  items: Iterable<Item>,
  task: (item: Item, worker: Worker) => Promise<void>,
  onFailure: () => void,
  whenDone: (worker: Worker) => Promise<void> = async () => {},
): Promise<void> {
  const queue = items[Symbol.iterator]();
  let failure: { readonly error: unknown } | undefined;
  const work = async (worker: Worker) => {
    while (failure === undefined) {
      const next = queue.next();
      if (next.done) return whenDone(worker);
      try {
        await task(next.value, worker);
      } catch (error) {
        if (failure === undefined) {
          failure = { error };
          onFailure();
        }
      }
    }
  };
  await Promise.all(workers.map(work));
  if (failure !== undefined) throw (failure as { error: unknown }).error;
}
