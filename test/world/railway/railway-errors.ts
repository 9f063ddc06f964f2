import { GraphQLError } from "graphql";

/** An error as Railway words it. It reuses one code for nearly everything, so that only code and message together tell. */
export function railwayError(message: string, code = "INTERNAL_SERVER_ERROR"): GraphQLError {
  return new GraphQLError(message, { extensions: { code } });
}

/** Forbidden, a dead token, an id of the wrong kind, or an object of another environment: all the same to a caller. */
export function notAuthorized(): GraphQLError {
  return railwayError("Not Authorized");
}

export function notFound(kind: string): GraphQLError {
  return railwayError(`${kind} not found`);
}
