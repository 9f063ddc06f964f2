import { existsSync, readFileSync } from "node:fs";
import {
  buildSchema,
  extendSchema,
  type GraphQLSchema,
  parse,
  TypeInfo,
  validate,
  visit,
  visitWithTypeInfo,
} from "graphql";
import { describe, expect, test } from "vitest";
import * as operations from "../../components/railway/operations.ts";
import { findInvalidOperations, findSchemaDifferences } from "../../components/railway/schema-subset.ts";

const own = buildSchema(readFileSync("components/railway/schema.graphql", "utf8"));
const all = Object.values(operations);

const publishedPath = "../shared/railway/schema.graphql";
const additionsPath = "../shared/railway/schema-additions.graphql";

describe("the operations", () => {
  test.each(all)("$name is valid and named as its document says", ({ name, kind, document }) => {
    const parsed = parse(document);
    expect(validate(own, parsed)).toEqual([]);
    expect(parsed.definitions).toMatchObject([{ name: { value: name }, operation: kind }]);
  });

  test("use every field of the project's schema", () => {
    const used = new Set(all.flatMap(({ document }) => fieldsOf(document)));
    const declared = Object.values(own.getTypeMap()).flatMap((type) =>
      "getFields" in type && !type.name.startsWith("__") && !type.name.endsWith("Input")
        ? Object.keys(type.getFields()).map((field) => `${type.name}.${field}`)
        : [],
    );
    expect(declared.filter((field) => !used.has(field))).toEqual([]);
  });
});

describe("the comparison with a published schema", () => {
  test("finds what is gone, changed, or newly required", () => {
    const mine = buildSchema(
      "type Query { a(x: Int = 1): String! b: E } enum E { ONE TWO } input I { k: Int }",
    );
    const theirs = buildSchema(
      "type Query { a(x: Int = 2, y: Int!): String } enum E { ONE } input I { k: Int n: Int! }",
    );
    expect(findSchemaDifferences(mine, theirs)).toEqual([
      "Query.a is String, not String!",
      "Query.a.x has the default 2, not 1",
      "Query.a now requires y",
      "Query.b is gone",
      "E.TWO is gone",
      "I now requires n",
    ]);
    expect(findSchemaDifferences(mine, mine)).toEqual([]);
  });

  test.runIf(existsSync(publishedPath))("finds no difference with Railway's schema of August 2026", () => {
    expectSubset(readPublished());
  });

  test.runIf(existsSync(publishedPath) && existsSync(additionsPath))(
    "finds none with its later additions",
    () => {
      expectSubset(
        extendSchema(readPublished(), parse(readFileSync(additionsPath, "utf8")), { assumeValid: true }),
      );
    },
  );
});

if (!existsSync(publishedPath)) {
  console.warn(`NOTICE: ${publishedPath} is not here; Railway's published schema is not compared.`);
}

function expectSubset(published: GraphQLSchema): void {
  expect(findSchemaDifferences(own, published)).toEqual([]);
  expect(findInvalidOperations(all, published)).toEqual([]);
}

function readPublished(): GraphQLSchema {
  // It has a deprecated field of an interface, which graphql-js 17 calls invalid.
  return buildSchema(readFileSync(publishedPath, "utf8"), { assumeValid: true });
}

function fieldsOf(document: string): string[] {
  const info = new TypeInfo(own);
  const fields: string[] = [];
  visit(
    parse(document),
    visitWithTypeInfo(info, {
      Field: ({ name }) => {
        fields.push(`${info.getParentType()?.name}.${name.value}`);
      },
    }),
  );
  return fields;
}
