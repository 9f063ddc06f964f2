-- The schema of the assistant, which a cutover must not touch. Without pgvector, vector(384) is read as real[].
CREATE SCHEMA llm_assistant;
COMMENT ON SCHEMA llm_assistant IS 'Documentation assistant: owned by its own service';

CREATE TABLE llm_assistant.llm_docs_chunks (
  id bigserial PRIMARY KEY, doc_path text NOT NULL, module text NOT NULL, chunk_index integer NOT NULL, content text NOT NULL,
  metadata jsonb NOT NULL DEFAULT '{}', embedding vector(384) NOT NULL, created_at timestamptz NOT NULL DEFAULT now(), UNIQUE (doc_path, chunk_index));
CREATE TABLE llm_assistant.llm_module_summaries (
  module text PRIMARY KEY, summary text NOT NULL, keywords text[] NOT NULL, embedding vector(384) NOT NULL, updated_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE llm_assistant.llm_query_cache (
  query_hash text PRIMARY KEY, query text NOT NULL, answer jsonb NOT NULL, embedding vector(384), hits integer NOT NULL DEFAULT 0, expires_at timestamptz NOT NULL);
CREATE TABLE llm_assistant.llm_conv_memory (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, conversation_id uuid NOT NULL, role text NOT NULL CHECK (role IN ('user', 'assistant')), content text NOT NULL,
  embedding vector(384), created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE llm_assistant.llm_docs_versions (
  id serial PRIMARY KEY, version text NOT NULL UNIQUE, active boolean NOT NULL DEFAULT false, indexed_at timestamptz NOT NULL);
CREATE TABLE llm_assistant.llm_docs_hashes (doc_path text PRIMARY KEY, sha256 bytea NOT NULL, version_id integer NOT NULL REFERENCES llm_assistant.llm_docs_versions);

CREATE FUNCTION pg_temp.embedding(n integer) RETURNS vector(384)
  LANGUAGE sql IMMUTABLE AS $$ SELECT array_agg(sin(n * 1.7 + d * (n % 13 + 1))::real ORDER BY d)::vector(384) FROM generate_series(1, 384) d $$;
INSERT INTO llm_assistant.llm_docs_chunks (doc_path, module, chunk_index, content, metadata, embedding, created_at)
  SELECT 'docs/' || m || '.md', m, n / 7, 'How ' || m || ' works, part ' || n / 7, jsonb_build_object('tokens', n * 11), pg_temp.embedding(n), timestamptz '2026-01-01Z' + n * interval '1 minute'
  FROM generate_series(0, 62) n, LATERAL (SELECT (ARRAY['appointments', 'billing', 'patients', 'records', 'seo', 'settings', 'users'])[1 + n % 7] AS m) module;
INSERT INTO llm_assistant.llm_module_summaries (module, summary, keywords, embedding, updated_at)
  SELECT module, 'Summary of ' || module, ARRAY[module, rtrim(module, 's')], pg_temp.embedding(1000 + row_number() OVER (ORDER BY module)::integer), '2026-01-02Z'
  FROM (SELECT DISTINCT module FROM llm_assistant.llm_docs_chunks) modules;
INSERT INTO llm_assistant.llm_query_cache
  SELECT md5('query' || n), 'question ' || n, jsonb_build_object('chunks', jsonb_build_array(n, n + 1)), pg_temp.embedding(2000 + n), n, timestamptz '2030-01-01Z' FROM generate_series(1, 40) n;
INSERT INTO llm_assistant.llm_conv_memory (conversation_id, role, content, embedding, created_at)
  SELECT md5('conversation' || n / 4)::uuid, CASE n % 2 WHEN 0 THEN 'user' ELSE 'assistant' END, 'message ' || n, pg_temp.embedding(3000 + n), timestamptz '2026-02-01Z' + n * interval '1 second'
  FROM generate_series(1, 60) n;
INSERT INTO llm_assistant.llm_docs_versions (version, active, indexed_at) SELECT '1.' || n, n = 3, timestamptz '2026-01-01Z' + n * interval '1 day' FROM generate_series(1, 3) n;
INSERT INTO llm_assistant.llm_docs_hashes SELECT DISTINCT doc_path, sha256(doc_path::bytea), 3 FROM llm_assistant.llm_docs_chunks;

CREATE INDEX llm_docs_chunks_module_idx ON llm_assistant.llm_docs_chunks (module);
CREATE INDEX llm_conv_memory_conversation_idx ON llm_assistant.llm_conv_memory (conversation_id, created_at);
CREATE FUNCTION llm_assistant.detect_modules(question text) RETURNS SETOF text
  LANGUAGE sql STABLE SET search_path = llm_assistant, public AS $$
    SELECT module FROM llm_module_summaries WHERE EXISTS (SELECT FROM unnest(keywords) keyword WHERE question ILIKE '%' || keyword || '%') ORDER BY module $$;
