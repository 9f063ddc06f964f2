import { expect, test } from "vitest";
import { type Connection, toConnection } from "./pages.ts";

const nodes = Array.from({ length: 1_200 }, (_, index) => ({ id: `node-${index}` }));

test("never more than 500 at a time, and every node exactly once", () => {
  const seen: string[] = [];
  let after: string | null = null;
  do {
    const page: Connection<{ id: string }> = toConnection(nodes, { first: 10_000, after });
    expect(page.edges.length).toBeLessThanOrEqual(500);
    seen.push(...page.edges.map((edge) => edge.node.id));
    after = page.pageInfo.hasNextPage ? page.pageInfo.endCursor : null;
  } while (after !== null);
  expect(seen).toEqual(nodes.map((node) => node.id));
});

test("ten unless asked otherwise", () => {
  expect(toConnection(nodes, {}).edges).toHaveLength(10);
});

test("an empty list has no cursor and no next page", () => {
  expect(toConnection([], {})).toEqual({
    edges: [],
    pageInfo: { hasNextPage: false, hasPreviousPage: false, startCursor: null, endCursor: null },
  });
});
