/** Relay paging arguments as Railway takes them. */
export interface PageArguments {
  readonly first?: number | null;
  readonly after?: string | null;
}

export interface Connection<Node> {
  readonly edges: ReadonlyArray<{ readonly cursor: string; readonly node: Node }>;
  readonly pageInfo: {
    readonly hasNextPage: boolean;
    readonly hasPreviousPage: boolean;
    readonly startCursor: string | null;
    readonly endCursor: string | null;
  };
}

/** Small on purpose: Railway documents no default, so a client that forgets to page must notice. */
const defaultPageSize = 10;
const maximumPageSize = 500;

/** One page of a list whose nodes have an id. */
export function toConnection<Node extends { readonly id: string }>(
  nodes: readonly Node[],
  { first, after }: PageArguments,
): Connection<Node> {
  const size = Math.min(first ?? defaultPageSize, maximumPageSize);
  const start = after == null ? 0 : nodes.findIndex((node) => toCursor(node.id) === after) + 1;
  const page = nodes.slice(start, start + size);
  const edges = page.map((node) => ({ cursor: toCursor(node.id), node }));
  return {
    edges,
    pageInfo: {
      hasNextPage: start + page.length < nodes.length,
      hasPreviousPage: start > 0,
      startCursor: edges[0]?.cursor ?? null,
      endCursor: edges.at(-1)?.cursor ?? null,
    },
  };
}

function toCursor(id: string): string {
  return Buffer.from(id).toString("base64");
}
