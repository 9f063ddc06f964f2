CREATE FUNCTION llm_assistant.search_chunks(query real[], match_count integer DEFAULT 5, only_module text DEFAULT NULL)
  RETURNS TABLE (id bigint, doc_path text, content text, similarity double precision)
  LANGUAGE sql STABLE SET search_path = llm_assistant, public AS $$
    SELECT c.id, c.doc_path, c.content, s.similarity FROM llm_docs_chunks c,
      LATERAL (SELECT sum(a * b) / sqrt(sum(a * a) * sum(b * b)) FROM unnest(c.embedding::double precision[], query::double precision[]) AS pair (a, b)) AS s (similarity)
    WHERE only_module IS NULL OR c.module = only_module ORDER BY s.similarity DESC LIMIT match_count $$;
