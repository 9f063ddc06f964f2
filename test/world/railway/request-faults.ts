/**
 * What can be made to happen to a request: refused by the rate limit (JSON or HTML body), failed at the gateway, blocked at
 * the edge, applied and then cut off, answered with Railway's nameless error, limited in band, or refused for no reason.
 */
export type RequestFaultMode =
  | "429"
  | "429-html"
  | "500"
  | "html-403"
  | "reset-after-apply"
  | "problem-processing"
  | "in-band-rate-limit"
  | "not-authorized";

export interface RequestFault {
  /** A root field or an operation's name; any request when left out. */
  readonly operation?: string;
  readonly mode: RequestFaultMode;
  readonly times: number;
}

/** Hands out planned faults, the earliest planned first. */
export class RequestFaults {
  #planned: Array<{ operation: string | undefined; mode: RequestFaultMode; left: number }> = [];

  plan({ operation, mode, times }: RequestFault): void {
    this.#planned.push({ operation, mode, left: times });
  }

  /** The fault for a request that goes by these names, used up by this call. */
  take(names: readonly string[]): RequestFaultMode | undefined {
    const fault = this.#planned.find(
      ({ operation, left }) => left > 0 && (operation === undefined || names.includes(operation)),
    );
    if (fault === undefined) return undefined;
    fault.left -= 1;
    return fault.mode;
  }
}
