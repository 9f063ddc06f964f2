/** Admits `capacity` calls at once and refills evenly; time comes from outside. */
export class TokenBucket {
  readonly capacity: number;
  readonly #refillPerMs: number;
  #tokens: number;
  #updatedAt: number;

  constructor(capacity: number, windowMs: number, now: number) {
    this.capacity = capacity;
    this.#refillPerMs = capacity / windowMs;
    this.#tokens = capacity;
    this.#updatedAt = now;
  }

  /** Takes one token. Otherwise the result says in how many milliseconds there is one again. */
  take(now: number): { admitted: true } | { admitted: false; retryAfterMs: number } {
    this.#refill(now);
    if (this.#tokens < 1) return { admitted: false, retryAfterMs: (1 - this.#tokens) / this.#refillPerMs };
    this.#tokens -= 1;
    return { admitted: true };
  }

  remaining(now: number): number {
    this.#refill(now);
    return Math.floor(this.#tokens);
  }

  /** When the bucket is full again. */
  resetsAt(now: number): number {
    this.#refill(now);
    return now + (this.capacity - this.#tokens) / this.#refillPerMs;
  }

  #refill(now: number): void {
    this.#tokens = Math.min(this.capacity, this.#tokens + (now - this.#updatedAt) * this.#refillPerMs);
    this.#updatedAt = now;
  }
}
