import { CutoverError } from "../errors.ts";

/**
 * What a token may do (docs.railway.com/integrations/api):
 * - `account`: everything its user can do;
 * - `workspace`: one workspace;
 * - `project`: one environment of one project, sent in a header of its own.
 *
 * The kind is never guessed: `RAILWAY_TOKEN` means a project token to one client and an account token to another.
 */
export const railwayTokenKinds = ["account", "workspace", "project"] as const;

export type RailwayTokenKind = (typeof railwayTokenKinds)[number];

export interface RailwayToken {
  readonly kind: RailwayTokenKind;
  /** Not enumerable: neither `JSON.stringify` nor `util.inspect` nor a spread copy shows it. */
  readonly value: string;
}

/**
 * Holds a token so that it is not printed by accident.
 *
 * @throws CutoverError `RAILWAY_TOKEN_MISSING` when it is empty, `RAILWAY_TOKEN_MALFORMED` when it cannot be a header
 */
export function createRailwayToken(kind: RailwayTokenKind, value: string): RailwayToken {
  const trimmed = value.trim();
  if (trimmed === "") {
    throw new CutoverError({
      code: "RAILWAY_TOKEN_MISSING",
      message: "The Railway token is empty.",
      remedy: "Create a token in Railway's settings and pass it together with its kind.",
    });
  }
  if (!/^[\x21-\x7e]+$/.test(trimmed)) {
    throw new CutoverError({
      code: "RAILWAY_TOKEN_MALFORMED",
      message: "The Railway token contains blanks or characters that no Railway token has.",
      remedy: "Copy the token again, without quotes, line breaks or a header name.",
    });
  }
  const token = { kind };
  Object.defineProperty(token, "value", { value: trimmed, enumerable: false });
  return Object.freeze(token) as RailwayToken;
}

/** The header that carries a token of this kind: a project token sent as Bearer does not authenticate. */
export function authorisationHeader(token: RailwayToken): Record<string, string> {
  return token.kind === "project"
    ? { "Project-Access-Token": token.value }
    : { Authorization: `Bearer ${token.value}` };
}
