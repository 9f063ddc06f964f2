import type pg from "pg";
import { eventTriggerNames, type FencedTable, unfencedTables } from "./parts.ts";

export interface FenceState {
  /** Tables in the moved schemas without an ENABLE ALWAYS fence trigger. Empty when the fence stands. */
  readonly unfenced: readonly FencedTable[];
  /** Both are there, and no setting keeps them from firing (`event_triggers`, since PostgreSQL 17). */
  readonly eventTriggers: boolean;
  /** The witness on the source, `null` where there is none (and always on the target). */
  readonly witness: Witness | null;
}

/** What the commit that closes the source's fence leaves there. */
export interface Witness {
  readonly migrationId: string;
  readonly epoch: number;
  /** The fence's time is over and it lets writers pass, or it has let one pass: the copy may lack something. */
  readonly yielded: boolean;
  /** When it lets writers pass by itself; `null` for never. */
  readonly yieldsAt: string | null;
}

/** Whether nothing can have been written behind it: all triggers stand, and it has let nobody pass. */
export function isWhole({ unfenced, eventTriggers, witness }: FenceState): boolean {
  return unfenced.length === 0 && eventTriggers && witness?.yielded !== true;
}

/** What stands of the fence. Reads only. */
export async function readFence(client: pg.Client, schemas: readonly string[]): Promise<FenceState> {
  const { rows } = await client.query(
    `select (select coalesce(json_agg(json_build_object('schema', t.schema, 'name', t.name)), '[]')
               from (${unfencedTables("$1")}) t) as unfenced,
            (select count(*)::int from pg_event_trigger where evtname = any($2) and evtenabled = 'A') as standing,
            (select count(*)::int from (${eventTriggersOffQuery}) off) as off, ${hasWitness} as witnessed`,
    [schemas, eventTriggerNames],
  );
  const [{ unfenced, standing, off, witnessed }] = rows;
  return {
    unfenced,
    eventTriggers: standing === eventTriggerNames.length && off === 0,
    witness: witnessed ? await standingWitness(client) : null,
  };
}

/**
 * Where event triggers are switched off for this database: `server`, `database`, `all roles`, `role app`. A server
 * before PostgreSQL 17 cannot do that. Reads only.
 */
export async function eventTriggersOff(client: pg.ClientBase): Promise<string[]> {
  const { rows } = await client.query<{ scope: string }>(eventTriggersOffQuery);
  return rows.map(({ scope }) => scope);
}

/** The server's own setting counts where nobody has another one. */
const eventTriggersOffQuery = `
  with given as (
    select case when s.setrole = 0 and s.setdatabase = 0 then 'all roles' when s.setrole = 0 then 'database'
                else 'role ' || pg_get_userbyid(s.setrole) end as scope
      from pg_db_role_setting s cross join lateral unnest(s.setconfig) entry
     where s.setdatabase in (0, (select oid from pg_database where datname = current_database()))
       and case when split_part(entry, '=', 1) = 'event_triggers'
                then not substr(entry, strpos(entry, '=') + 1)::boolean else false end)
  select scope from given
   union all
  select 'server' where not exists (select from given)
                    and not coalesce(current_setting('event_triggers', true)::boolean, true)
   order by 1`;

/** The migration that fenced this source, `null` where none did. Reads only. */
export async function readWitness(source: pg.Client): Promise<FenceState["witness"]> {
  const present = await source.query(`select ${hasWitness} as present`);
  return present.rows[0].present ? standingWitness(source) : null;
}

const hasWitness = "to_regclass('pgvector_cutover.witness') is not null";

async function standingWitness(source: pg.Client): Promise<FenceState["witness"]> {
  const { rows } = await source.query(
    `select migration_id as "migrationId", epoch::int as epoch,
            yields_at <= clock_timestamp() or (select is_called from pgvector_cutover.passed) as yielded,
            case when yields_at <> 'infinity'
                 then to_char(yields_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') end as "yieldsAt"
       from pgvector_cutover.witness`,
  );
  return rows[0] ?? null;
}
