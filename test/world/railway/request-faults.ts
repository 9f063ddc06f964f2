/**
 * What can be made to happen to a request: refused by the rate limit (JSON or HTML body), failed at the gateway, blocked at
 * the edge, applied and then cut off, answered with Railway's nameless error, limited in band, refused for no reason, or
 * left without an answer: before it is applied, after it was, or so slowly applied that the client does not wait for it.
 */
export type RequestFaultMode =
  | "429"
  | "429-html"
  | "500"
  | "html-403"
  | "reset-after-apply"
  | "problem-processing"
  | "in-band-rate-limit"
  | "not-authorized"
  | "timeout-before-apply"
  | "timeout-after-apply"
  | "slow-apply";

export interface RequestFault {
  /** A root field or an operation's name; any request when left out. */
  readonly operation?: string;
  /** Only queries, or only mutations; both when left out. */
  readonly kind?: "query" | "mutation";
  readonly mode: RequestFaultMode;
  /** `Infinity`: until the faults are cleared. */
  readonly times: number;
  /**
   * Milliseconds. `slow-apply`: until it is applied and answered. The two timeouts: until the answer comes after all (a
   * gateway's 504 for what was never applied); it never comes when left out.
   */
  readonly delayMs?: number;
}

export type TakenFault = Pick<RequestFault, "mode" | "delayMs">;

/** Hands out planned faults, the earliest planned first. */
export class RequestFaults {
  #planned: Array<{ fault: RequestFault; left: number }> = [];

  plan(fault: RequestFault): void {
    this.#planned.push({ fault, left: fault.times });
  }

  /** The end of every outage: nothing that was planned happens any more. */
  clear(): void {
    this.#planned = [];
  }

  /** The fault for a request that goes by these names, used up by this call. */
  take(kind: "query" | "mutation", names: readonly string[]): TakenFault | undefined {
    const planned = this.#planned.find(
      ({ fault, left }) =>
        left > 0 &&
        (fault.kind === undefined || fault.kind === kind) &&
        (fault.operation === undefined || names.includes(fault.operation)),
    );
    if (planned === undefined) return undefined;
    planned.left -= 1;
    return planned.fault;
  }
}
