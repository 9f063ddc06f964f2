import { once } from "node:events";
import pg from "pg";

/**
 * Sends each statement of a session when the one before it was answered, in the order in which they were asked for. The work
 * and the signs of life share some sessions, and from version 9 on the driver refuses a statement while another one is under
 * way (`client.query` in pg/lib/client.js). The stream of a COPY is handed on at once: whoever begins one has the session to
 * himself.
 */
export function sendInOrder(client: pg.Client): void {
  const send = client.query.bind(client) as (...parameters: unknown[]) => unknown;
  let last: Promise<unknown> = Promise.resolve();
  const query = (...parameters: unknown[]) => {
    if (isStream(parameters[0])) return send(...parameters);
    const answer = last.then(() => {
      const sent = send(...parameters);
      // One whose rows are taken as they come (`eachRow`) is no promise.
      return sent instanceof pg.Query ? once(sent, "end") : sent;
    });
    last = answer.catch(() => {});
    return answer;
  };
  Object.assign(client, { query });
}

function isStream(statement: unknown): boolean {
  return (
    typeof statement === "object" &&
    statement !== null &&
    "submit" in statement &&
    !(statement instanceof pg.Query)
  );
}
