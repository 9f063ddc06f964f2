/**
 * A statement that keeps row content out of the server's log for its session: an error's message, DETAIL, CONTEXT and
 * STATEMENT may quote it. Only a superuser may ask for that; anyone else's errors are logged as the server is configured.
 *
 * @param minMessages the SQL expression for `log_min_messages`
 */
export function silenceLogQuery(minMessages: string): string {
  return `
  SELECT pg_catalog.set_config(name, value, false)
    FROM (VALUES ('log_error_verbosity', 'terse'), ('log_min_error_statement', 'panic'),
                 ('log_min_messages', ${minMessages})) AS setting(name, value)
   WHERE (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname OPERATOR(pg_catalog.=) current_user)`;
}
