/** One piece of a load's work, for any of its sessions. */
export interface LoadTask<Session> {
  /** `copy` reads the source, too: these go first, and only so many of them at once. */
  readonly kind: "copy" | "build";
  /** Of two of a kind the larger one is started first. */
  readonly size: number;
  /**
   * @param letNext lets the next task of the kind begin before this one ends
   * @returns what has become possible by it
   */
  run(session: Session, letNext: () => void): Promise<ReadonlyArray<LoadTask<Session>>>;
}

export interface ScheduleOptions {
  /** Tasks of the kind `copy` that are run at once, at least one. */
  readonly copiesAtOnce: number;
  /** Called at the first failure, so that the caller can cut short what the other sessions are doing. */
  readonly onFailure: () => void;
}

/**
 * Runs the tasks, and those that follow from them, on the sessions, one at a time on each. After the first failure
 * nothing new is started. Resolves or rejects when every session has stopped.
 *
 * @throws the first failure
 */
export async function runTasks<Session>(
  sessions: readonly Session[],
  tasks: ReadonlyArray<LoadTask<Session>>,
  { copiesAtOnce, onFailure }: ScheduleOptions,
): Promise<void> {
  const waiting: Record<LoadTask<Session>["kind"], Array<LoadTask<Session>>> = { copy: [], build: [] };
  const running = { copy: 0, build: 0 };
  let busy = 0;
  let failure: { readonly error: unknown } | undefined;
  let change = Promise.withResolvers<void>();
  const add = (added: ReadonlyArray<LoadTask<Session>>) => {
    for (const task of added) waiting[task.kind].push(task);
    for (const kind of new Set(added.map((task) => task.kind))) {
      waiting[kind].sort((first, second) => first.size - second.size);
    }
  };
  const next = () => (running.copy < copiesAtOnce ? waiting.copy.pop() : undefined) ?? waiting.build.pop();
  const wake = () => {
    change.resolve();
    change = Promise.withResolvers();
  };
  const work = async (session: Session) => {
    while (failure === undefined) {
      const task = next();
      if (task === undefined) {
        if (busy === 0) return;
        await change.promise;
        continue;
      }
      busy++;
      running[task.kind]++;
      let counts = true;
      const letNext = () => {
        if (counts) running[task.kind]--;
        counts = false;
        wake();
      };
      try {
        add(await task.run(session, letNext));
      } catch (error) {
        if (failure === undefined) {
          failure = { error };
          onFailure();
        }
      }
      busy--;
      letNext();
    }
  };
  add(tasks);
  await Promise.all(sessions.map(work));
  if (failure !== undefined) throw (failure as { error: unknown }).error;
}
