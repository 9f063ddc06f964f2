import type pg from "pg";
import { type ConnectionTarget, connect, withConnection } from "../../../components/postgres/connection.ts";
import { dumpSchema, type SchemaDump } from "../../../components/postgres/dump.ts";
import { type LoadOptions, type LoadReport, loadCopy } from "../../../components/postgres/load/load.ts";
import { currentMajor, listTables } from "../../../components/postgres/relations.ts";

/** The schemas of `applicationDdl`. */
export const schemas = ["public", "medical_records", "Odd Schema"];

/**
 * An application that uses much of what PostgreSQL has. `public.norm` and `public.clean` name each other's objects
 * without a schema, and are used by a generated column and a check.
 */
export const applicationDdl = [
  // A label can be used only after the transaction that added it.
  `CREATE TYPE public.mood AS ENUM ('sad', 'happy');
   ALTER TYPE public.mood ADD VALUE 'fine' BEFORE 'happy';`,
  `
  SET search_path = public;
  CREATE SCHEMA medical_records;
  CREATE SCHEMA "Odd Schema";
  CREATE TYPE public.address AS (street text, feelings public.mood[]);
  CREATE DOMAIN public.mrn AS text CHECK (VALUE LIKE 'M%');
  CREATE FUNCTION public.clean(value text) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT lower(value) $$;
  CREATE FUNCTION public.norm(value text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN clean(value); END $$;
  CREATE FUNCTION public.tricky() RETURNS text LANGUAGE sql AS $$
--
-- Name: fake; Type: TABLE; Schema: public; Owner: postgres
--

SELECT 'x;y' $$;
  CREATE TABLE public.users (
    id serial PRIMARY KEY, email text UNIQUE, email_norm text GENERATED ALWAYS AS (public.norm(email)) STORED,
    mood public.mood DEFAULT 'sad', moods public.mood[], home public.address, tags text[], data jsonb, span tstzrange,
    CHECK (public.norm(email) <> 'never'));
  INSERT INTO public.users (email, mood, moods, home, tags, data, span)
    SELECT 'U' || g, 'fine', '{sad,happy}', ROW('s', '{fine}')::public.address, ARRAY['a', NULL], '{"a": 1}', '[2020-01-01,)'
      FROM generate_series(1, 500) g;
  CREATE TABLE medical_records.patient (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_id int REFERENCES public.users,
    mrn public.mrn NOT NULL, born date, weight numeric(8,3), photo bytea);
  INSERT INTO medical_records.patient (user_id, mrn, born, weight, photo)
    SELECT g, 'M' || g, '1970-01-01', g + 0.120, '\\x00ff' FROM generate_series(1, 300) g;
  CREATE TABLE "Odd Schema"."semi;colon ""q"" T" ("a b" int PRIMARY KEY, "C" text);
  INSERT INTO "Odd Schema"."semi;colon ""q"" T" VALUES (1, E'tab\\tline\\n\\\\.'), (2, NULL);
  COMMENT ON TABLE "Odd Schema"."semi;colon ""q"" T" IS E'first\n--\n-- Name: fake; Type: TABLE; Schema: public; Owner: x\n--\n\nlast; it''s';
  CREATE TABLE public.log (at date NOT NULL, id int NOT NULL, note text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
  CREATE TABLE public.log_2024 PARTITION OF public.log FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
  CREATE TABLE public.log_2025 PARTITION OF public.log FOR VALUES FROM ('2025-01-01') TO ('2026-01-01') PARTITION BY LIST (id);
  CREATE TABLE public.log_2025_one PARTITION OF public.log_2025 FOR VALUES IN (1);
  CREATE INDEX log_note ON public.log (note);
  INSERT INTO public.log VALUES ('2024-02-02', 7, 'n'), ('2025-02-02', 1, 'm');
  CREATE TABLE public.log_ref (id int, at date, FOREIGN KEY (id, at) REFERENCES public.log);
  INSERT INTO public.log_ref VALUES (7, '2024-02-02');
  CREATE TABLE public.log_child (id int, user_id int REFERENCES public.users) PARTITION BY LIST (id);
  CREATE TABLE public.log_child_1 PARTITION OF public.log_child FOR VALUES IN (1);
  INSERT INTO public.log_child VALUES (1, 1);
  CREATE TABLE public.a (id int PRIMARY KEY, b int);
  CREATE TABLE medical_records.b (id int PRIMARY KEY, a int REFERENCES public.a DEFERRABLE INITIALLY DEFERRED);
  INSERT INTO public.a VALUES (1, 1); INSERT INTO medical_records.b VALUES (1, 1);
  ALTER TABLE public.a ADD CONSTRAINT a_b FOREIGN KEY (b) REFERENCES medical_records.b DEFERRABLE INITIALLY DEFERRED;
  CREATE TABLE public.orphan (a int); INSERT INTO public.orphan VALUES (99);
  ALTER TABLE public.orphan ADD CONSTRAINT orphan_a FOREIGN KEY (a) REFERENCES public.a NOT VALID;
  CREATE TABLE public.parent (x int); CREATE TABLE public.child (y int) INHERITS (public.parent);
  INSERT INTO public.parent VALUES (1); INSERT INTO public.child VALUES (2, 3);
  CREATE TABLE public.no_columns (); INSERT INTO public.no_columns DEFAULT VALUES;
  CREATE TABLE public.no_key (v int); INSERT INTO public.no_key VALUES (1), (1);
  ALTER TABLE public.no_key REPLICA IDENTITY FULL;
  CREATE VIEW public.by_key AS SELECT u.*, count(*) AS n FROM public.users u GROUP BY u.id;
  CREATE MATERIALIZED VIEW public.z_base AS SELECT count(*) AS n FROM public.users;
  CREATE MATERIALIZED VIEW public.a_top AS SELECT n + 1 AS n FROM public.z_base;
  CREATE MATERIALIZED VIEW public.keyed AS SELECT id, email FROM public.users GROUP BY id;
  CREATE UNIQUE INDEX keyed_id ON public.keyed (id);
  CREATE MATERIALIZED VIEW public.empty AS SELECT 1 AS one WITH NO DATA;
  CREATE STATISTICS public.users_stats ON mood, email FROM public.users;
  CREATE TABLE public.audit (n int);
  CREATE FUNCTION public.audit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.audit VALUES (1); RETURN NEW; END $$;
  CREATE TRIGGER audit AFTER INSERT ON public.users FOR EACH ROW EXECUTE FUNCTION public.audit();
  ALTER TABLE public.users DISABLE TRIGGER audit;
  ALTER TABLE medical_records.patient ENABLE ROW LEVEL SECURITY;
  CREATE POLICY own ON medical_records.patient USING (user_id = 1);
  CREATE RULE nothing AS ON INSERT TO public.no_key WHERE new.v < 0 DO INSTEAD NOTHING;
  GRANT SELECT (email) ON public.users TO PUBLIC;
  GRANT USAGE ON SEQUENCE public.users_id_seq TO PUBLIC;
  ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO PUBLIC;
  CREATE AGGREGATE public.total(int) (sfunc = int4pl, stype = int);
  CREATE OPERATOR public.=== (leftarg = int, rightarg = int, function = int4eq);
  CREATE COLLATION public.plain (locale = 'C');
  CREATE TYPE public.level AS RANGE (subtype = int);
  CREATE TYPE public.undefined;
  CREATE FUNCTION public.of_row(u public.users) RETURNS int LANGUAGE sql AS 'SELECT u.id';
  SELECT setval('public.users_id_seq', 900), setval('medical_records.patient_id_seq', 5000, false);
`,
];

/** Runs `use` while a session on the source holds a snapshot. */
export async function withSnapshot<Result>(
  source: ConnectionTarget,
  use: (snapshot: string) => Promise<Result>,
): Promise<Result> {
  return withConnection(source, { purpose: "snapshot" }, async (client) => {
    await client.query("BEGIN ISOLATION LEVEL REPEATABLE READ");
    const { rows } = await client.query("SELECT pg_export_snapshot() AS id");
    return use(rows[0].id);
  });
}

/** Dumps and loads everything, as one cutover would. */
export async function copyAll(
  source: ConnectionTarget,
  target: ConnectionTarget,
  overrides: Partial<LoadOptions> = {},
): Promise<LoadReport & { client: SchemaDump["client"] }> {
  return withSnapshot(source, async (snapshot) => {
    const moved = overrides.schemas ?? schemas;
    const [tables, minimumMajor] = await readPlan(source, target, moved);
    const dump = await dumpSchema({ source, schemas: moved, snapshot, minimumMajor, timeoutMs: 60_000 });
    const report = await loadCopy({
      ...{ source, target, snapshot, dump, schemas: moved, workers: 3 },
      tables: tables.filter(({ kind }) => kind === "table"),
      onProgress: () => {},
      signal: new AbortController().signal,
      ...overrides,
    });
    return { ...report, client: dump.client };
  });
}

/** Runs one statement and returns its rows. */
export async function ask(target: ConnectionTarget, query: string): Promise<pg.QueryResult["rows"]> {
  return withConnection(target, { purpose: "test" }, async (client) => (await client.query(query)).rows);
}

async function readPlan(source: ConnectionTarget, target: ConnectionTarget, moved: readonly string[]) {
  const client = await connect(source, { purpose: "test" });
  const majors = [
    await currentMajor(client),
    await withConnection(target, { purpose: "test" }, (other) => currentMajor(other)),
  ];
  const tables = await listTables(client, moved);
  await client.end();
  return [tables, Math.max(...majors)] as const;
}
