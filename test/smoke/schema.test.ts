import { existsSync, readFileSync } from "node:fs";
import { buildSchema, extendSchema, parse, validate } from "graphql";
import { expect, test } from "vitest";
import { findInvalidOperations, findSchemaDifferences } from "../../components/railway/schema-subset.ts";
import * as operations from "../../scripts/smoke/operations.ts";
import { smokeSchemaSdl } from "./schema.ts";

const own = buildSchema(smokeSchemaSdl);
const all = Object.values(operations);

const publishedPath = "../shared/railway/schema.graphql";
const additionsPath = "../shared/railway/schema-additions.graphql";

test.each(all)("$name is valid and named as its document says", ({ name, kind, document }) => {
  const parsed = parse(document);
  expect(validate(own, parsed)).toEqual([]);
  expect(parsed.definitions).toMatchObject([{ name: { value: name }, operation: kind }]);
});

test.runIf(existsSync(publishedPath) && existsSync(additionsPath))(
  "Railway publishes everything the smoke test sends, now and with its later additions",
  () => {
    // It has a deprecated field of an interface, which graphql-js 17 calls invalid.
    const published = buildSchema(readFileSync(publishedPath, "utf8"), { assumeValid: true });
    const later = extendSchema(published, parse(readFileSync(additionsPath, "utf8")), { assumeValid: true });
    for (const schema of [published, later]) {
      expect(findSchemaDifferences(own, schema)).toEqual([]);
      expect(findInvalidOperations(all, schema)).toEqual([]);
    }
  },
);
