/** One finding-like fact an operator can act on: what happened, and the way out. */
export interface CutoverErrorDetails {
  /** Stable, upper-case identifier; each has a heading in `docs/errors.md`. */
  readonly code: string;
  /** What happened and in which state things are now. Never contains a secret or row content. */
  readonly message: string;
  /** What the operator does next. */
  readonly remedy: string;
  /** The underlying failure, for `instanceof` checks only; its text is never printed. */
  readonly cause?: unknown;
}

/** The only error type meant for the operator's eyes. */
export class CutoverError extends Error {
  readonly code: string;
  readonly remedy: string;

  constructor({ code, message, remedy, cause }: CutoverErrorDetails) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "CutoverError";
    this.code = code;
    this.remedy = remedy;
  }

  /** `CODE: what happened. Remedy: what to do.` — the form used in logs and Pulumi diagnostics. */
  describe(): string {
    return `${this.code}: ${this.message} Remedy: ${this.remedy}`;
  }
}

/** Whether an error is the one with this code, or with one of these. */
export function hasCode(error: unknown, ...codes: readonly string[]): error is CutoverError {
  return error instanceof CutoverError && codes.includes(error.code);
}

/** A one-line description of any thrown value that is safe to print: never a server's DETAIL, a query or a URL. */
export function describeError(error: unknown): string {
  if (error instanceof CutoverError) return error.describe();
  if (isServerError(error)) return `SQLSTATE ${error.code}`;
  if (error instanceof Error) {
    const code = (error as NodeJS.ErrnoException).code;
    return code === undefined ? `${error.name}: ${redactUrls(error.message)}` : `${error.name} ${code}`;
  }
  return "unknown error";
}

/** What the operator is told of whatever ended a command: always with a code and what to do next. */
export function presentError(error: unknown): string {
  if (error instanceof CutoverError) return error.describe();
  const what = describeError(error);
  const isLoss = isConnectionLoss(error);
  return new CutoverError({
    code: isLoss ? "CONNECTION_LOST" : "UNEXPECTED_ERROR",
    message: isLoss
      ? `A connection was lost (${what}).`
      : `Something failed that has no name here (${what}).`,
    remedy: goOnRemedy,
  }).describe();
}

const goOnRemedy =
  "`npm run status` says how far things are and who can write; run the command again, it goes on from there.";

/** Five characters of SQLSTATE from a PostgreSQL error, or `undefined` for any other thrown value. */
export function sqlState(error: unknown): string | undefined {
  return isServerError(error) ? error.code : undefined;
}

/** Whether a session or its server was lost, rather than something refused: the same may succeed on a new session. */
export function isConnectionLoss(error: unknown): boolean {
  if (error instanceof CutoverError) return connectionLossCodes.has(error.code);
  const state = sqlState(error);
  if (state !== undefined) return state.startsWith("08") || connectionLossStates.has(state);
  if (!(error instanceof Error)) return false;
  const { code = "" } = error as NodeJS.ErrnoException;
  return (
    /^(ECONN|EPIPE|ETIMEDOUT)/.test(code) ||
    /connection (terminated|error)|client was closed|not queryable/i.test(error.message)
  );
}

const connectionLossCodes: ReadonlySet<string> = new Set(["EXCLUSION_LOST", "SERVER_UNREACHABLE"]);

/** The server ended the session, is going down or not up yet, or found the session idle (PostgreSQL manual, appendix A). */
const connectionLossStates: ReadonlySet<string> = new Set(["57P01", "57P02", "57P03", "57P05", "25P03"]);

/** Replaces the user-info part of every URL in a text, so that no password survives in it. */
export function redactUrls(text: string): string {
  return text.replaceAll(/\b([a-z][a-z0-9+.-]*:\/\/)[^\s/@]*@/gi, "$1[redacted]@");
}

function isServerError(error: unknown): error is Error & { code: string; severity: string } {
  return (
    error instanceof Error &&
    "severity" in error &&
    "code" in error &&
    typeof error.code === "string" &&
    /^[0-9A-Z]{5}$/.test(error.code)
  );
}
