import pg from "pg";

/**
 * Runs a statement and hands over each row as it comes, so that no more than one of them has to be in memory. Rejects when
 * the statement has ended.
 *
 * @throws as the server gave it, or the first error of `visit`: the rows after it are not visited
 */
export function eachRow<Row extends pg.QueryResultRow>(
  client: pg.ClientBase,
  statement: pg.QueryConfig,
  visit: (row: Row) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let failure: unknown;
    const query = new pg.Query<Row>(statement)
      .on("row", (row) => {
        if (failure !== undefined) return;
        // Thrown into the client's reading of the connection, it would end the process.
        try {
          visit(row);
        } catch (error) {
          failure = error;
        }
      })
      .on("error", reject)
      .on("end", () => (failure === undefined ? resolve() : reject(failure)));
    client.query(query);
  });
}
