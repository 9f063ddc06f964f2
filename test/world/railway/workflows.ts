import { randomUUID } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import type { LaggingStore } from "./lagging-store.ts";
import type { Pace } from "./pace.ts";
import type { VolumeInstanceState } from "./state.ts";

/** Work that Railway does in the background under an id: unknown at first, then Running, then Complete. */
export class Workflows {
  readonly #store: LaggingStore;
  readonly #pace: Pace;
  readonly #closing = new AbortController();
  #failNext = false;

  constructor(store: LaggingStore, pace: Pace) {
    this.#store = store;
    this.#pace = pace;
  }

  /** The next workflow ends in Error and leaves nothing behind. */
  failNext(): void {
    this.#failNext = true;
  }

  /**
   * Returns the workflow's id; the backup is listed only once the workflow is complete. One of a volume that is more than half
   * full fails: Railway's limit for manual ones. How it tells that is not documented.
   */
  startBackup(volume: Pick<VolumeInstanceState, "id" | "currentSizeMB" | "sizeMB">, name: string): string {
    const id = randomUUID();
    const volumeInstanceId = volume.id;
    const fails = this.#failNext || volume.currentSizeMB > volume.sizeMB / 2;
    this.#failNext = false;
    void this.#run(id, fails, () => {
      const createdAt = new Date().toISOString();
      this.#store.live.backups.push({ id: randomUUID(), volumeInstanceId, name, createdAt });
    }).catch(() => {});
    return id;
  }

  close(): void {
    this.#closing.abort();
  }

  async #run(id: string, fails: boolean, finish: () => void): Promise<void> {
    const { signal } = this.#closing;
    await wait(this.#pace.workflowUnknownMs, undefined, { signal });
    this.#store.commit((live) => live.workflows.push({ id, status: "Running", error: null }));
    await wait(this.#pace.workflowRunningMs, undefined, { signal });
    this.#store.commit((live) => {
      const workflow = live.workflows.find((one) => one.id === id);
      if (workflow === undefined) return;
      workflow.status = fails ? "Error" : "Complete";
      workflow.error = fails ? "the snapshot failed" : null;
      if (!fails) finish();
    });
  }
}
