import { CutoverError } from "../errors.ts";
import type { RailwayTokenKind } from "./token.ts";

/** What one entry of a GraphQL answer's `errors` means for the caller. */
export type FailureClass =
  | "not-authorized"
  | "not-found"
  | "rate-limited"
  | "schema-changed"
  | "already-exists"
  | "busy"
  | "unclear"
  | "refused";

export interface GraphqlFailure {
  readonly message: string;
  readonly code?: string | undefined;
  readonly traceId?: string | undefined;
}

/**
 * Railway answers most failures with HTTP 200 and the code `INTERNAL_SERVER_ERROR`, so the message decides. The
 * patterns are the texts observed by Railway's own CLI and by third-party clients that run against the live API.
 */
export function classifyFailure({ message, code = "" }: GraphqlFailure): FailureClass {
  if (/^GRAPHQL_(VALIDATION|PARSE)_FAILED$/.test(code) || schemaMessage.test(message))
    return "schema-changed";
  if (
    /^(RATE_LIMITED|TOO_MANY_REQUESTS)$/.test(code) ||
    /rate limit|too quickly|every \d+ ?s/i.test(message)
  ) {
    return "rate-limited";
  }
  if (/^(UNAUTHENTICATED|UNAUTHORIZED|FORBIDDEN)$/.test(code) || authorisationMessage.test(message)) {
    return "not-authorized";
  }
  if (/NOT_FOUND$/.test(code) || /\bnot found\b/i.test(message)) return "not-found";
  if (/already (exists|in use)/i.test(message)) return "already-exists";
  if (/already in progress/i.test(message)) return "busy";
  // Seen for bad input, for missing entitlements and in outages, also after the effect took place.
  if (/problem processing request/i.test(message)) return "unclear";
  return "refused";
}

const schemaMessage =
  /cannot query field|unknown (argument|type|field)|is not defined by type|got invalid value|must (not )?have a selection|of required type/i;
const authorisationMessage = /not authori[sz]ed|project token not found|two factor authentication required/i;

/** The error for a failure that no repetition will cure. `text` must be clean of secrets already. */
export function failureError(
  operation: string,
  failure: FailureClass,
  text: string,
  tokenKind: RailwayTokenKind,
): CutoverError {
  const said = `Railway answered the operation ${operation} with "${text}".`;
  switch (failure) {
    case "not-authorized":
      return new CutoverError({
        code: "RAILWAY_NOT_AUTHORIZED",
        message: `${said} It was sent with ${article(tokenKind)} ${tokenKind} token.`,
        remedy: authorisationRemedy(tokenKind, text),
      });
    case "not-found":
      return new CutoverError({
        code: "RAILWAY_NOT_FOUND",
        message: said,
        remedy: "Check that the object still exists in this environment of the project.",
      });
    case "rate-limited":
      return rateLimitedError(operation, undefined);
    case "schema-changed":
      return new CutoverError({
        code: "RAILWAY_SCHEMA_CHANGED",
        message: `${said} Railway's API no longer offers what this project uses.`,
        remedy: "Run `npm run check-schema` to see what differs, then update the project before going on.",
      });
    case "already-exists":
      return new CutoverError({
        code: "RAILWAY_ALREADY_EXISTS",
        message: said,
        remedy: "Choose another name, or adopt the existing object.",
      });
    case "busy":
    case "unclear":
    case "refused":
      return new CutoverError({
        code: "RAILWAY_REQUEST_FAILED",
        message: said,
        remedy:
          "Look at the service in Railway's dashboard and at status.railway.com, then run the same command again.",
      });
    default:
      return failure satisfies never;
  }
}

/** `resetsAt` is when the budget is full again, if Railway said so. */
export function rateLimitedError(operation: string, resetsAt: Date | undefined): CutoverError {
  const when = resetsAt === undefined ? "" : ` It resets at ${resetsAt.toISOString()}.`;
  return new CutoverError({
    code: "RAILWAY_RATE_LIMITED",
    message: `Railway's request limit for this token is used up; the operation ${operation} was not carried out.${when}`,
    remedy:
      "Wait for the reset, then run the same command again. Other programs that use the same token share its limit.",
  });
}

/** Railway could not be reached, or gave no usable answer, although the request was repeated. */
export function unreachableError(
  operation: string,
  why: string,
  attempts: number,
  cause?: unknown,
): CutoverError {
  return new CutoverError({
    code: "RAILWAY_UNREACHABLE",
    message: `Railway's API gave no usable answer to the operation ${operation} in ${attempts} attempts (${why}).`,
    remedy: "Check the network and status.railway.com, then run the same command again.",
    cause,
  });
}

/** A mutation of which nobody knows whether it took place: the caller reads the state again before anything else. */
export function uncertainError(operation: string, why: string, cause?: unknown): CutoverError {
  return new CutoverError({
    code: "RAILWAY_MUTATION_UNCERTAIN",
    message: `The connection or the answer failed during the operation ${operation} (${why}); it may have taken place.`,
    remedy: "Run the same command again: it reads the present state first and does only what is missing.",
    cause,
  });
}

/** Railway's answer does not have the published shape. Names the place, never the value found there. */
export function unexpectedAnswerError(operation: string, place: string): CutoverError {
  return new CutoverError({
    code: "RAILWAY_ANSWER_UNEXPECTED",
    message: `Railway's answer to the operation ${operation} has not the published shape at ${place}.`,
    remedy: "Run `npm run check-schema` to see what differs, then update the project before going on.",
  });
}

function authorisationRemedy(kind: RailwayTokenKind, text: string): string {
  if (/two factor/i.test(text))
    return "Turn on two-factor authentication for the account that made the token.";
  if (kind === "project") {
    return "Check that it is a project token of exactly this project and environment (not an account or workspace token), or use a wider token and name its kind.";
  }
  return `Check that it is ${article(kind)} ${kind} token (not a project token), that it was not revoked, and that its owner has access to this project and environment.`;
}

function article(kind: RailwayTokenKind): string {
  return kind === "account" ? "an" : "a";
}
