import { type ConnectionTarget, withConnection } from "../../../components/postgres/connection.ts";
import { quoteIdentifier, quoteLiteral } from "../../../components/postgres/identifiers.ts";

/**
 * Creates a role that an application logs in with beside the superuser: without any right yet, and with a setting of its own
 * that overrides a read-only default of the database. One of that name gets the password.
 */
export async function createWriterRole(
  connection: ConnectionTarget,
  { user, password }: { readonly user: string; readonly password: string },
): Promise<void> {
  const role = quoteIdentifier(user);
  await withConnection(connection, { purpose: "world" }, (client) =>
    client.query(`
      DO $$ BEGIN CREATE ROLE ${role}; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
      ALTER ROLE ${role} LOGIN PASSWORD ${quoteLiteral(password)};
      ALTER ROLE ${role} SET default_transaction_read_only = off;`),
  );
}

/** Lets the role fill the tables of the live writers. A move of the schemas carries these rights along. */
export async function grantWrites(connection: ConnectionTarget, user: string): Promise<void> {
  await withConnection(connection, { purpose: "world" }, (client) =>
    client.query(
      `GRANT SELECT, INSERT, UPDATE ON public."AppWrite", public."WriterProgress" TO ${quoteIdentifier(user)}`,
    ),
  );
}
