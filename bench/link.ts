/** A line between two places, as each direction of it behaves. */
export interface LinkSpeed {
  readonly bytesPerSecond: number;
  /** From one end to the other. */
  readonly delayMs: number;
}

/**
 * 40 ms there and back, 200 Mbit/s each way. */
export const slowLink: LinkSpeed = { bytesPerSecond: 200_000_000 / 8, delayMs: 20 };

/** The most that one connection may have under way, as a receiver's window limits it: four times what the line holds. */
export const windowBytes = 4 * 1024 * 1024;

/** What is sent without looking whether another connection waits. */
const sliceBytes = 16 * 1024;

/** One connection's bytes in one direction. */
export interface Flow {
  readonly pending: Buffer[];
  deliver(bytes: Buffer): void;
}

/**
 * One direction of a line that several connections share: they take turns, slice by slice. Knows no clock: {@link advance}
 * is told the time, so it can be tested with any.
 */
export class Direction {
  readonly #speed: LinkSpeed;
  readonly #waiting: Flow[] = [];
  readonly #underWay: Array<{ readonly arrivesAt: number; readonly flow: Flow; readonly bytes: Buffer }> = [];
  /** When the line has sent all that it was given so far. */
  #freeAt = 0;

  constructor(speed: LinkSpeed) {
    this.#speed = speed;
  }

  /** Puts bytes on the line, behind those of the same flow. */
  send(flow: Flow, bytes: Buffer): void {
    if (flow.pending.length === 0) this.#waiting.push(flow);
    for (let start = 0; start < bytes.length; start += sliceBytes)
      flow.pending.push(bytes.subarray(start, start + sliceBytes));
  }

  /**
   * Delivers what has arrived by now and sends what there was time for.
   *
   * @returns when something is to be done next; `undefined` while the line is idle
   */
  advance(now: number): number | undefined {
    this.#transmit(now);
    const arrived = this.#underWay.findIndex(({ arrivesAt }) => arrivesAt > now);
    const due = this.#underWay.splice(0, arrived === -1 ? this.#underWay.length : arrived);
    for (const { flow, bytes } of due) flow.deliver(bytes);
    const next = this.#waiting.length > 0 ? this.#freeAt : Number.POSITIVE_INFINITY;
    const at = Math.min(next, this.#underWay[0]?.arrivesAt ?? Number.POSITIVE_INFINITY);
    return at === Number.POSITIVE_INFINITY ? undefined : at;
  }

  #transmit(now: number): void {
    if (this.#waiting.length > 0 && this.#freeAt < now - idleGraceMs) this.#freeAt = now;
    for (;;) {
      const flow = this.#waiting[0];
      if (flow === undefined || this.#freeAt > now) return;
      this.#waiting.shift();
      const bytes = flow.pending.shift() as Buffer;
      if (flow.pending.length > 0) this.#waiting.push(flow);
      this.#freeAt += (bytes.length / this.#speed.bytesPerSecond) * 1_000;
      this.#underWay.push({ arrivesAt: this.#freeAt + this.#speed.delayMs, flow, bytes });
    }
  }
}

/** Timers come late by a millisecond or two: that much of lost time is made good, a longer pause was idleness. */
const idleGraceMs = 5;
