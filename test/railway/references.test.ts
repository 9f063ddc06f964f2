import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  namesService,
  normaliseReference,
  parseReferences,
  reference,
} from "../../components/railway/references.ts";

describe("a reference", () => {
  test.each([
    ["pgvector", "${{pgvector.DATABASE_URL}}"],
    ["pg_vector-2", "${{pg_vector-2.DATABASE_URL}}"],
    ["@healthcare/api", '${{"@healthcare/api".DATABASE_URL}}'],
    ["my service", '${{"my service".DATABASE_URL}}'],
    ['say "hi"', '${{"say \\"hi\\"".DATABASE_URL}}'],
  ])("to %s is written %s", (service, written) => {
    expect(reference(service, "DATABASE_URL")).toBe(written);
  });

  test("is read back as it was written, whatever the service is called", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), (service) => {
        const written = reference(service, "DATABASE_URL");
        expect(parseReferences(`a ${written} b`)).toEqual([
          { namespace: service, variable: "DATABASE_URL", text: written },
        ]);
        expect(normaliseReference(written)).toBe(written);
      }),
    );
  });

  test.each([
    ["${{ pgvector.DATABASE_URL }}", "${{pgvector.DATABASE_URL}}"],
    ['${{"pgvector".DATABASE_URL}}', "${{pgvector.DATABASE_URL}}"],
    ['${{ "@healthcare/api" . PORT }}', '${{"@healthcare/api".PORT}}'],
    ["${{@healthcare/api.PORT}}", '${{"@healthcare/api".PORT}}'],
    ["${{kitchen-sink-0.20.0-client.HOST}}", '${{"kitchen-sink-0.20.0-client".HOST}}'],
    ["${{ PGHOST }}", "${{PGHOST}}"],
    ["${{ secret(32) }}", "${{ secret(32) }}"],
    ["postgresql://u:p@h/db", "postgresql://u:p@h/db"],
  ])("%s is normalised to %s", (text, normal) => {
    expect(normaliseReference(text)).toBe(normal);
  });

  test("is found inside other text, with its own and shared variables", () => {
    const text = "postgresql://${{PGUSER}}:${{ shared.PASSWORD }}@${{Postgres.RAILWAY_PRIVATE_DOMAIN}}/x";
    expect(parseReferences(text).map(({ namespace, variable }) => [namespace, variable])).toEqual([
      [null, "PGUSER"],
      ["shared", "PASSWORD"],
      ["Postgres", "RAILWAY_PRIVATE_DOMAIN"],
    ]);
    expect(namesService(text, "Postgres")).toBe(true);
    expect(namesService(text, "postgres")).toBe(false);
    expect(namesService("the host of Postgres.X", "Postgres")).toBe(false);
  });
});
