import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import {
  buildClientSchema,
  buildSchema,
  type GraphQLSchema,
  getIntrospectionQuery,
  type IntrospectionQuery,
} from "graphql";
import { z } from "zod";
import { railwayOptions } from "../components/dynamic/session.ts";
import { CutoverError, describeError } from "../components/errors.ts";
import * as operations from "../components/railway/operations.ts";
import { railwayEndpoint } from "../components/railway/railway.ts";
import { findInvalidOperations, findSchemaDifferences } from "../components/railway/schema-subset.ts";
import { type RailwayToken, railwayTokenKinds } from "../components/railway/token.ts";
import { createTransport } from "../components/railway/transport.ts";

const help = `Usage: npm run check-schema -- [--kind account|workspace|project] [--endpoint URL]

Asks Railway's live API for its schema and compares it with the part that this project uses. Reads only.

  --kind      of the token; default: project
  --endpoint  default: ${railwayEndpoint}

The Railway token is taken from RAILWAY_TOKEN (project) or RAILWAY_API_TOKEN (account, workspace).

Exit codes: 0 nothing differs, 1 could not tell, or wrong arguments, 2 something differs.
`;

process.exitCode = await main();

async function main(): Promise<number> {
  try {
    const { values } = parseArgs({
      options: { help: { type: "boolean" }, kind: { type: "string" }, endpoint: { type: "string" } },
    });
    if (values.help) {
      process.stdout.write(help);
      return 0;
    }
    const published = await introspect(
      readToken(values.kind ?? "project"),
      values.endpoint ?? railwayEndpoint,
    );
    return report(await findDifferences(published));
  } catch (error) {
    const isUsage = (error as { code?: string }).code?.startsWith("ERR_PARSE_ARGS") ?? false;
    const what = isUsage ? `${(error as Error).message}. Try --help.` : describeError(error);
    process.stderr.write(`Could not tell: ${what}\n`);
    return 1;
  }
}

function report(differences: readonly string[]): number {
  if (differences.length === 0) {
    process.stdout.write("Railway's API offers everything this project uses, as it was published.\n");
    return 0;
  }
  const lines = differences.map((difference) => `  ${difference}\n`);
  process.stdout.write(`Railway's API differs from what this project uses:\n${lines.join("")}`);
  return 2;
}

async function findDifferences(published: GraphQLSchema): Promise<string[]> {
  const sdl = await readFile(new URL("../components/railway/schema.graphql", import.meta.url), "utf8");
  return [
    ...findSchemaDifferences(buildSchema(sdl), published),
    ...findInvalidOperations(Object.values(operations), published),
  ];
}

async function introspect(token: RailwayToken, endpoint: string): Promise<GraphQLSchema> {
  const transport = createTransport({ token, endpoint, log: (line) => process.stderr.write(`${line}\n`) });
  const data = await transport.request({
    name: "IntrospectionQuery",
    kind: "query",
    document: getIntrospectionQuery({ descriptions: false, inputValueDeprecation: true }),
    answer: z.looseObject({ __schema: z.looseObject({ types: z.array(z.unknown()) }) }),
  });
  // Railway's schema deprecates a field of an interface, which graphql-js 17 calls invalid.
  return buildClientSchema(data as unknown as IntrospectionQuery, { assumeValid: true });
}

function readToken(kind: string): RailwayToken {
  if (!railwayTokenKinds.some((known) => known === kind)) {
    throw new CutoverError({
      code: "RAILWAY_TOKEN_KIND_UNKNOWN",
      message: "The kind of the token is none that Railway has.",
      remedy: `Give one of ${railwayTokenKinds.join(", ")} with --kind.`,
    });
  }
  return railwayOptions({ kind, secret: undefined }).token;
}
