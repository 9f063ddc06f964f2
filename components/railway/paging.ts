import { CutoverError } from "../errors.ts";
import type { Connection } from "./answers.ts";

/** Railway's default page size is undocumented and its largest is 500, so each request names its own. */
export const pageSize = 100;

/** Gathers the pages of one connection; a finished one ignores further pages, so two can share a request. */
export interface PageCollector<Node> {
  readonly nodes: readonly Node[];
  /** The cursor for the next request; `undefined` for the first. */
  readonly after: string | undefined;
  readonly complete: boolean;
  accept(page: Connection<Node>): void;
}

/** Reads all pages of one connection. */
export async function collectPages<Node>(
  operation: string,
  fetchPage: (after: string | undefined) => Promise<Connection<Node>>,
  enough: (nodes: readonly Node[]) => boolean = () => false,
): Promise<readonly Node[]> {
  const collector = createPageCollector<Node>(operation);
  do collector.accept(await fetchPage(collector.after));
  while (!collector.complete && !enough(collector.nodes));
  return collector.nodes;
}

/**
 * Creates a collector for one connection.
 *
 * @throws CutoverError `RAILWAY_PAGING_BROKEN` from `accept` when a cursor is missing or repeats: reading on would never
 *   end, and stopping would silently miss objects
 */
export function createPageCollector<Node>(operation: string): PageCollector<Node> {
  const nodes: Node[] = [];
  const cursors = new Set<string>();
  let after: string | undefined;
  let complete = false;
  return {
    nodes,
    get after() {
      return after;
    },
    get complete() {
      return complete;
    },
    accept({ edges, pageInfo }) {
      if (complete) return;
      nodes.push(...edges.map(({ node }) => node));
      if (!pageInfo.hasNextPage) {
        complete = true;
        return;
      }
      const cursor = pageInfo.endCursor ?? undefined;
      if (cursor === undefined || cursors.has(cursor)) throw pagingError(operation);
      cursors.add(cursor);
      after = cursor;
    },
  };
}

function pagingError(operation: string): CutoverError {
  return new CutoverError({
    code: "RAILWAY_PAGING_BROKEN",
    message: `Railway's answer to the operation ${operation} promises a further page but gives no new cursor for it.`,
    remedy: "Run the same command again; if it stays, run `npm run check-schema` and report it.",
  });
}
