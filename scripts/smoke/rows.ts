/*
 * Made-up rows, just enough that every step of a move has something to do.
 */

/** The old database: three schemas, an identity, a foreign key, and the table that the services write to. Runs once. */
export const sourceRows = `
CREATE SCHEMA medical_records;
CREATE SCHEMA practice_management;
CREATE TABLE public.clinics (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL);
INSERT INTO public.clinics (name) SELECT 'clinic ' || n FROM generate_series(1, 20) n;
CREATE TABLE medical_records.visits (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  clinic_id int NOT NULL REFERENCES public.clinics (id),
  note text NOT NULL,
  visited_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO medical_records.visits (clinic_id, note)
  SELECT 1 + n % 20, 'made-up visit ' || n FROM generate_series(1, 5000) n;
CREATE INDEX visits_clinic_idx ON medical_records.visits (clinic_id);
CREATE TABLE practice_management.smoke_writes (
  run text NOT NULL,
  number int NOT NULL,
  service text NOT NULL,
  written_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (run, number)
);
`;

/** The new database: the schema that must not change. */
export const targetRows = `
CREATE EXTENSION IF NOT EXISTS vector SCHEMA public;
CREATE SCHEMA IF NOT EXISTS llm_assistant;
CREATE TABLE IF NOT EXISTS llm_assistant.chunks (id int PRIMARY KEY, content text NOT NULL, embedding public.vector(3));
INSERT INTO llm_assistant.chunks
  SELECT n, 'made-up chunk ' || n, ('[' || n || ',1,2]')::public.vector FROM generate_series(1, 50) n
  ON CONFLICT DO NOTHING;
`;
