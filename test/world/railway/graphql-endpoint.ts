import { randomUUID } from "node:crypto";
import {
  buildSchema,
  type DocumentNode,
  execute,
  GraphQLError,
  type GraphQLSchema,
  Kind,
  type OperationDefinitionNode,
  parse,
  validate,
} from "graphql";
import type { RequestContext } from "./lookup.ts";

/** A request body as far as it could be read. */
export interface GraphqlRequest {
  readonly query: string;
  readonly variables: Readonly<Record<string, unknown>>;
  readonly operationName: string | null;
}

export type ParsedRequest =
  | { readonly valid: true; readonly document: DocumentNode; readonly operation: Operation }
  | { readonly valid: false; readonly errors: readonly object[] };

export interface Operation {
  readonly kind: "query" | "mutation";
  readonly name: string | null;
  /** The root fields by their schema name, aliases resolved. */
  readonly rootFields: readonly string[];
}

export interface Answer {
  /** `false`: the request never reached a resolver (it does not fit the schema). */
  readonly executed: boolean;
  readonly body: object;
}

/** Runs documents against one schema, and words every error as Railway does. */
export class GraphqlEndpoint {
  readonly #schema: GraphQLSchema;
  readonly #resolvers: object;

  constructor(schemaSdl: string, resolvers: object) {
    this.#schema = buildSchema(schemaSdl);
    this.#resolvers = resolvers;
  }

  /** Parses and validates; an invalid document comes back with the errors to answer with. */
  parse(request: GraphqlRequest): ParsedRequest {
    let document: DocumentNode;
    try {
      document = parse(request.query);
    } catch (error) {
      return { valid: false, errors: [withCode(error, "GRAPHQL_PARSE_FAILED")] };
    }
    const errors = validate(this.#schema, document);
    if (errors.length > 0) {
      return { valid: false, errors: errors.map((error) => withCode(error, "GRAPHQL_VALIDATION_FAILED")) };
    }
    const operation = findOperation(document, request.operationName);
    if (operation === undefined) {
      const error = new GraphQLError("Must provide an operation the document contains.");
      return { valid: false, errors: [withCode(error, "BAD_REQUEST")] };
    }
    return { valid: true, document, operation };
  }

  async execute(document: DocumentNode, request: GraphqlRequest, context: RequestContext): Promise<Answer> {
    const result = await execute({
      schema: this.#schema,
      document,
      rootValue: this.#resolvers,
      contextValue: context,
      variableValues: request.variables,
      operationName: request.operationName,
    });
    if (result.data === undefined) {
      return {
        executed: false,
        body: { errors: result.errors?.map((error) => withCode(error, "BAD_USER_INPUT")) },
      };
    }
    if (result.errors === undefined) return { executed: true, body: { data: result.data } };
    return { executed: true, body: { data: result.data, errors: result.errors.map(asRailwayWordsIt) } };
  }
}

/** The error that Railway answers for anything it has no words for: no path, no code, a trace id. */
export function problemProcessingRequest(): object {
  return { message: "Problem processing request", traceId: randomUUID() };
}

function asRailwayWordsIt(error: GraphQLError): object {
  if (!("code" in error.extensions)) return problemProcessingRequest();
  const { message, path, extensions } = error;
  return { message, path, extensions };
}

function withCode(error: unknown, code: string): object {
  return { message: error instanceof Error ? error.message : "invalid request", extensions: { code } };
}

function findOperation(document: DocumentNode, name: string | null): Operation | undefined {
  const operations = document.definitions.filter((one) => one.kind === Kind.OPERATION_DEFINITION);
  const found = name === null ? operations[0] : operations.find((one) => one.name?.value === name);
  if (found === undefined || (name === null && operations.length > 1)) return undefined;
  return {
    kind: found.operation === "mutation" ? "mutation" : "query",
    name: found.name?.value ?? null,
    rootFields: rootFieldsOf(found),
  };
}

function rootFieldsOf(operation: OperationDefinitionNode): string[] {
  return operation.selectionSet.selections.flatMap((one) =>
    one.kind === Kind.FIELD ? [one.name.value] : [],
  );
}
