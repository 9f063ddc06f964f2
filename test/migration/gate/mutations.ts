import type { Mutation } from "./batches.ts";

const note = "CONTENT_DIFFERS table medical_records.note";
const patient = "CONTENT_DIFFERS table medical_records.patient";

/** What can be wrong with a copy of `richDdl`, and everything that the gate has to say about it. */
export const mutations: readonly Mutation[] = [
  [
    "a row deleted",
    "DELETE FROM public.event_rest WHERE id = 20",
    ["CONTENT_DIFFERS table public.event_rest rows"],
  ],
  [
    "a row deleted, estimates reset",
    "DELETE FROM public.event_rest WHERE id = 20; SELECT pg_stat_reset()",
    ["CONTENT_DIFFERS table public.event_rest rows"],
  ],
  [
    "a row repeated",
    "INSERT INTO medical_records.note SELECT * FROM medical_records.note LIMIT 1",
    [`${note} rows`],
  ],
  [
    "another row repeated",
    "UPDATE medical_records.note SET body = 'zero', weight = 0 WHERE ctid = (SELECT min(ctid) FROM medical_records.note WHERE body = 'same')",
    [`${note} values`],
  ],
  [
    "two values swapped",
    "UPDATE medical_records.patient SET mrn = CASE mrn WHEN 'MRN1' THEN 'MRN2' ELSE 'MRN1' END WHERE mrn IN ('MRN1', 'MRN2')",
    [`${patient} values`],
  ],
  [
    "a byte changed",
    "UPDATE public.users SET bytes = set_byte(bytes, 3, 200) WHERE id = 1",
    ["CONTENT_DIFFERS table public.users values"],
  ],
  ["NULL made empty", "UPDATE medical_records.note SET body = '' WHERE body IS NULL", [`${note} values`]],
  ["0 made -0", "UPDATE medical_records.note SET weight = '-0' WHERE weight = 0", [`${note} values`]],
  [
    "a microsecond",
    "UPDATE medical_records.patient SET at = at + interval '1 microsecond' WHERE mrn = 'MRN1'",
    [`${patient} values`],
  ],
  [
    "1.0 made 1.00",
    "UPDATE medical_records.patient SET extra = jsonb_set(extra, '{n}', '1.00') WHERE mrn = 'MRN1'",
    [`${patient} values`],
  ],
  [
    "white space in json",
    `UPDATE medical_records.patient SET chart = '{"g":1}' WHERE mrn = 'MRN1'`,
    [`${patient} values`],
  ],
  [
    "a function put among PostgreSQL's own",
    "CREATE FUNCTION pg_catalog.shadow(text) RETURNS text LANGUAGE sql AS 'SELECT $1'",
    ["CATALOGUE_EXTRA function pg_catalog.shadow(pg_catalog.text)"],
  ],
  ["an index dropped", "DROP INDEX public.users_mood", ["CATALOGUE_MISSING index public.users_mood"]],
  [
    "an index invalid",
    "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'public.users_mood'::regclass",
    ["CATALOGUE_CHANGED index public.users_mood validity"],
  ],
  [
    "a foreign key dropped",
    "ALTER TABLE medical_records.patient DROP CONSTRAINT patient_user_id_fkey",
    ["CATALOGUE_MISSING constraint medical_records.patient.patient_user_id_fkey"],
  ],
  [
    "a foreign key not validated",
    "UPDATE pg_constraint SET convalidated = false WHERE conname = 'patient_user_id_fkey'",
    [
      "CATALOGUE_CHANGED constraint medical_records.patient.patient_user_id_fkey definition",
      "CATALOGUE_CHANGED constraint medical_records.patient.patient_user_id_fkey validated",
    ],
  ],
  [
    "a foreign key not enforced",
    "ALTER TABLE public.event_note DISABLE TRIGGER ALL",
    ["CATALOGUE_CHANGED constraint public.event_note.event_note_event_id_day_fkey enforcement"],
  ],
  [
    "a trigger disabled",
    "ALTER TABLE public.users DISABLE TRIGGER audit_users",
    ["CATALOGUE_CHANGED trigger public.users.audit_users enabled"],
  ],
  [
    "a rule dropped",
    "DROP RULE no_insert ON public.joined",
    ["CATALOGUE_MISSING rule public.joined.no_insert"],
  ],
  [
    "a policy dropped",
    "DROP POLICY own_rows ON medical_records.patient",
    ["CATALOGUE_MISSING policy medical_records.patient.own_rows"],
  ],
  [
    "a policy opened",
    "ALTER POLICY own_rows ON medical_records.patient USING (true)",
    ["CATALOGUE_CHANGED policy medical_records.patient.own_rows using"],
  ],
  [
    "row security off",
    "ALTER TABLE medical_records.patient DISABLE ROW LEVEL SECURITY",
    ["CATALOGUE_CHANGED table medical_records.patient rowSecurity"],
  ],
  [
    "a default dropped",
    "ALTER TABLE public.users ALTER last DROP DEFAULT",
    ["CATALOGUE_CHANGED column public.users.last default"],
  ],
  [
    "NOT NULL dropped",
    "ALTER TABLE public.users ALTER created_at DROP NOT NULL",
    ["CATALOGUE_CHANGED column public.users.created_at notNull"],
  ],
  [
    "a column added",
    "ALTER TABLE public.users ADD COLUMN extra int",
    ["CATALOGUE_EXTRA column public.users.extra"],
  ],
  ["a table added", "CREATE TABLE public.spare(a int PRIMARY KEY)", ["CATALOGUE_EXTRA table public.spare"]],
  ["a table missing", "DROP TABLE public.cache", ["CATALOGUE_MISSING table public.cache"]],
  [
    "a column missing",
    "ALTER TABLE public.cache DROP COLUMN v",
    ["CATALOGUE_MISSING column public.cache.v", "CONTENT_DIFFERS table public.cache columns"],
  ],
  [
    "a sequence restarted",
    "ALTER SEQUENCE public.users_id_seq RESTART",
    ["SEQUENCE_DIFFERS sequence public.users_id_seq position"],
  ],
  [
    "a sequence drawn from",
    "SELECT nextval('medical_records.ticket')",
    ["SEQUENCE_AHEAD sequence medical_records.ticket position"],
  ],
  [
    "a sequence's parameters",
    "ALTER SEQUENCE public.users_id_seq INCREMENT 2",
    [
      "CATALOGUE_CHANGED sequence public.users_id_seq definition",
      "SEQUENCE_AHEAD sequence public.users_id_seq position",
    ],
  ],
  [
    "a grant to everybody",
    "GRANT SELECT ON public.users TO PUBLIC",
    ["PRIVILEGES_WIDENED table public.users acl"],
  ],
  [
    "a grant on a column",
    "GRANT SELECT (note) ON public.users TO clinic_reader",
    ["PRIVILEGES_WIDENED column public.users.note acl"],
  ],
  [
    "a grant on the schema",
    "GRANT CREATE ON SCHEMA public TO PUBLIC",
    ["PRIVILEGES_WIDENED schema public acl"],
  ],
  [
    "a function for everybody",
    "GRANT EXECUTE ON FUNCTION public.audit() TO PUBLIC",
    ["PRIVILEGES_WIDENED function public.audit() acl"],
  ],
  [
    "a grant revoked",
    "REVOKE SELECT (email) ON public.users FROM clinic_reader",
    ["CATALOGUE_CHANGED column public.users.email acl"],
  ],
  [
    "default privileges lost",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA medical_records REVOKE SELECT ON TABLES FROM clinic_reader",
    ["CATALOGUE_MISSING default privileges medical_records.postgres on tables"],
  ],
  [
    "another owner",
    "ALTER TABLE medical_records.note OWNER TO clinic_owner",
    ["CATALOGUE_CHANGED table medical_records.note owner"],
  ],
  [
    "a comment dropped",
    "COMMENT ON COLUMN public.users.email IS NULL",
    ["CATALOGUE_CHANGED column public.users.email comment"],
  ],
  [
    "a function's body",
    "CREATE OR REPLACE FUNCTION public.same_text(text, text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true'",
    ["CATALOGUE_CHANGED function public.same_text(text, text) source"],
  ],
  [
    "a function's settings",
    "ALTER FUNCTION public.audit() SET search_path = 'pg_temp'",
    ["CATALOGUE_CHANGED function public.audit() configuration"],
  ],
  [
    "a function's rights",
    "ALTER FUNCTION public.audit() SECURITY INVOKER",
    ["CATALOGUE_CHANGED function public.audit() security"],
  ],
  [
    "a materialised view emptied",
    "REFRESH MATERIALIZED VIEW public.totals WITH NO DATA",
    ["CATALOGUE_CHANGED materialized view public.totals populated"],
  ],
  ["a view dropped", "DROP VIEW public.happy", ["CATALOGUE_MISSING view public.happy"]],
  [
    "a view's security",
    "ALTER VIEW public.happy RESET (security_invoker)",
    ["CATALOGUE_CHANGED view public.happy options"],
  ],
  [
    "a view's condition",
    "CREATE OR REPLACE VIEW public.counted AS SELECT user_id, 1::bigint AS row_number FROM medical_records.patient",
    ["CATALOGUE_CHANGED view public.counted definition"],
  ],
  [
    "a large object dropped",
    "SELECT lo_unlink(99001)",
    ["CATALOGUE_CHANGED large objects count", "CATALOGUE_CHANGED large objects privileges"],
  ],
  [
    "a large object for everybody",
    "GRANT SELECT ON LARGE OBJECT 99001 TO PUBLIC",
    ["CATALOGUE_CHANGED large objects privileges"],
  ],
  [
    "storage options",
    "ALTER TABLE public.users RESET (fillfactor); ALTER TABLE public.users ALTER note RESET (n_distinct)",
    ["CATALOGUE_CHANGED column public.users.note options", "CATALOGUE_CHANGED table public.users options"],
  ],
  [
    "the replica identity",
    "ALTER TABLE public.users REPLICA IDENTITY FULL",
    [
      "CATALOGUE_CHANGED index public.users_pkey replicaIdentity",
      "CATALOGUE_CHANGED table public.users replicaIdentity",
    ],
  ],
  [
    "statistics dropped",
    "DROP STATISTICS public.users_names",
    ["CATALOGUE_MISSING statistics public.users_names"],
  ],
  [
    "a domain's check",
    "ALTER DOMAIN public.email DROP CONSTRAINT email_has_at",
    ["CATALOGUE_MISSING domain constraint public.email.email_has_at"],
  ],
  [
    "a setting of the database",
    "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET plan_cache_mode = force_generic_plan', current_database()); END $$",
    ["SETTING_ADDED database: plan_cache_mode"],
  ],
  [
    "the protected schema",
    "CREATE INDEX chunk_body ON llm_assistant.chunk (body)",
    ["PROTECTED_CHANGED index llm_assistant.chunk_body added"],
  ],
];
