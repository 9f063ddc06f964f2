import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import type pg from "pg";
import { CutoverError } from "../../errors.ts";
import { type ConnectionTarget, databaseUrl, withConnection } from "../../postgres/connection.ts";
import { admitRole, inTransaction, loaderSetting } from "../../postgres/fence/fence.ts";
import { quoteIdentifier, quoteLiteral } from "../../postgres/identifiers.ts";
import { withRelay } from "../../postgres/relay.ts";
import { scramVerifier } from "../../postgres/scram-verifier.ts";
import type { Reporter } from "../reporter.ts";

/**
 * Runs the operator's command against the loaded copy, before the source is fenced or anything switched, as a temporary role that
 * owns the moved schemas and their objects and nothing else: it cannot reach the protected schema. The role's URL
 * arrives as `DATABASE_URL` in the command's environment, never in its arguments. Afterwards every object has its
 * former owner again, new objects belong to their schema's owner, and the role is gone, whatever the command did.
 *
 * @throws CutoverError `BEFORE_SWITCH_HOOK_FAILED`, and those of the relay to a server whose certificate is pinned
 */
export async function runBeforeSwitchHook(options: {
  command: string;
  target: ConnectionTarget;
  schemas: readonly string[];
  /** Those of the schemas that the load made; the others keep their owner, and the role gets rights in them. */
  createdSchemas: readonly string[];
  /** Lets our own sessions pass the fence around the copy; the role passes by its name. */
  loaderToken: string;
  reporter: Reporter;
  signal: AbortSignal;
}): Promise<void> {
  const { schemas, target, createdSchemas, loaderToken } = options;
  const password = randomBytes(24).toString("base64url");
  const asLoader = <Result>(work: (client: pg.Client) => Promise<Result>) =>
    withConnection(target, { purpose: "hook", settings: { [loaderSetting]: loaderToken } }, work);
  const { role, owned } = await asLoader(async (client) => {
    const role = `${await rolePrefix(client)}${randomBytes(6).toString("hex")}`;
    const owned = await ownedObjects(client, schemas, createdSchemas);
    await inTransaction(client, async () => {
      await client.query(
        `create role ${quoteIdentifier(role)} login password ${quoteLiteral(scramVerifier(password))}`,
      );
      await admitRole(client, role);
      for (const { kind, name } of owned)
        await client.query(`alter ${kind} ${name} owner to ${quoteIdentifier(role)}`);
      for (const schema of schemas.filter((name) => !createdSchemas.includes(name))) {
        await client.query(
          `grant usage, create on schema ${quoteIdentifier(schema)} to ${quoteIdentifier(role)}`,
        );
      }
    });
    return { role, owned };
  });
  try {
    await withRelay({ ...target, user: role, password }, (reached) =>
      runCommand(options, databaseUrl(reached)),
    );
  } finally {
    await asLoader(async (client) => {
      await endSessionsOf(client, role);
      await inTransaction(client, async () => {
        for (const object of owned) await giveBack(client, object);
        await dropRole(client, role);
        await admitRole(client, null);
      });
    });
  }
}

/** Ends what hooks of killed runs left at work. */
export async function endHooks(client: pg.Client): Promise<void> {
  for (const role of await hookRoles(client)) await endSessionsOf(client, role);
}

/** Drops the roles of hooks whose run was killed; what they own stays, with our own role as its owner. */
export async function dropHookRoles(client: pg.Client): Promise<void> {
  for (const role of await hookRoles(client)) await inTransaction(client, () => dropRole(client, role));
}

async function hookRoles(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query("select rolname as role from pg_roles where starts_with(rolname, $1)", [
    await rolePrefix(client),
  ]);
  return rows.map(({ role }) => role);
}

/** Roles belong to the whole server: the database's oid keeps those of others out. */
async function rolePrefix(client: pg.Client): Promise<string> {
  const { rows } = await client.query(
    "select oid::text as oid from pg_database where datname = current_database()",
  );
  return `pgvector_cutover_hook_${rows[0].oid}_`;
}

/** Processes that the command left behind would hold locks on what is given back. */
async function endSessionsOf(client: pg.Client, role: string): Promise<void> {
  await client.query(`alter role ${quoteIdentifier(role)} nologin`);
  await client.query("select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename = $1", [
    role,
  ]);
}

async function dropRole(client: pg.Client, role: string): Promise<void> {
  await client.query(`reassign owned by ${quoteIdentifier(role)} to current_user`);
  await client.query(`drop owned by ${quoteIdentifier(role)}`);
  await client.query(`drop role ${quoteIdentifier(role)}`);
}

interface OwnedObject {
  readonly kind:
    | "schema"
    | "table"
    | "view"
    | "materialized view"
    | "sequence"
    | "routine"
    | "type"
    | "domain";
  /** Quoted, with its arguments where it is a routine. */
  readonly name: string;
  readonly owner: string;
}

/** Objects of the schemas that carry an owner of their own; extension members, and what follows its table, are left out. */
async function ownedObjects(
  client: pg.Client,
  schemas: readonly string[],
  createdSchemas: readonly string[],
): Promise<OwnedObject[]> {
  const { rows } = await client.query(
    `with member as (select classid, objid from pg_depend where deptype in ('e', 'i', 'a') and refclassid <> 'pg_namespace'::regclass)
     select 'schema' as kind, quote_ident(nspname) as name, pg_get_userbyid(nspowner) as owner
       from pg_namespace where nspname = any($2)
     union all
     select case c.relkind when 'v' then 'view' when 'm' then 'materialized view' when 'S' then 'sequence' else 'table' end,
            format('%I.%I', n.nspname, c.relname), pg_get_userbyid(c.relowner)
       from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where n.nspname = any($1) and c.relkind in ('r', 'p', 'v', 'm', 'S', 'f')
        and (c.relispartition or not exists (select from member m where m.classid = 'pg_class'::regclass and m.objid = c.oid))
     union all
     select 'routine', format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)), pg_get_userbyid(p.proowner)
       from pg_proc p join pg_namespace n on n.oid = p.pronamespace
      where n.nspname = any($1) and not exists (select from member m where m.classid = 'pg_proc'::regclass and m.objid = p.oid)
     union all
     select case t.typtype when 'd' then 'domain' else 'type' end, format('%I.%I', n.nspname, t.typname), pg_get_userbyid(t.typowner)
       from pg_type t join pg_namespace n on n.oid = t.typnamespace left join pg_class c on c.oid = t.typrelid
      where n.nspname = any($1) and (t.typtype in ('e', 'd', 'r') or (t.typtype = 'c' and c.relkind = 'c'))
        and not exists (select from member m where m.classid = 'pg_type'::regclass and m.objid = t.oid)`,
    [schemas, createdSchemas],
  );
  return rows;
}

/** The command may have dropped or renamed the object; then there is nothing to give back (42P01, 42883, 42704, 3F000). */
async function giveBack(client: pg.Client, object: OwnedObject): Promise<void> {
  await client.query("savepoint give_back");
  try {
    await client.query(`alter ${object.kind} ${object.name} owner to ${quoteIdentifier(object.owner)}`);
  } catch {
    await client.query("rollback to savepoint give_back");
  }
}

function runCommand(
  options: { command: string; reporter: Reporter; signal: AbortSignal },
  url: string,
): Promise<void> {
  return new Promise((resolve, reject) => {
    // The output is the command's own and may name rows or secrets, so it is not shown; its exit code is.
    const child = spawn("sh", ["-c", options.command], {
      env: { PATH: process.env.PATH, HOME: process.env.HOME, DATABASE_URL: url },
      stdio: "ignore",
      signal: options.signal,
    });
    child.once("error", (cause) => reject(hookFailed("could not be run", cause)));
    child.once("exit", (code, signal) =>
      code === 0 ? resolve() : reject(hookFailed(`ended with ${signal ?? `exit code ${code}`}`)),
    );
  });
}

function hookFailed(what: string, cause?: unknown): CutoverError {
  return new CutoverError({
    code: "BEFORE_SWITCH_HOOK_FAILED",
    message: `The beforeSwitch hook ${what}. Nothing was switched.`,
    remedy: "Run the command by hand against a copy to see its output, mend it, and run again.",
    cause,
  });
}
