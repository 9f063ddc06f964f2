/**
 * A statement that keeps row content out of the server's log for its session, or its transaction alone: an error's message,
 * DETAIL, CONTEXT and STATEMENT may quote it. Only a superuser may ask for that; anyone else's errors are logged as the server
 * is configured.
 *
 * @param minMessages the SQL expression for `log_min_messages`
 */
export function silenceLogQuery(minMessages: string, extent: "session" | "transaction" = "session"): string {
  return `
  SELECT pg_catalog.set_config(name, value, ${extent === "transaction"})
    FROM (VALUES ('log_error_verbosity', 'terse'), ('log_min_error_statement', 'panic'),
                 ('log_min_messages', ${minMessages})) AS setting(name, value)
   WHERE (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname OPERATOR(pg_catalog.=) current_user)`;
}

/**
 * Where the server logs statements on purpose, ours stay in that log: the level `log` is above errors, and row content is
 * in no statement of ours.
 */
export const unlessStatementsAreLogged =
  "CASE pg_catalog.current_setting('log_statement') WHEN 'none' THEN 'panic' ELSE 'log' END";
