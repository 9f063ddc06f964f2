CREATE INDEX llm_docs_chunks_embedding_idx ON llm_assistant.llm_docs_chunks USING hnsw (embedding vector_cosine_ops) WITH (m = 16, ef_construction = 64);
CREATE INDEX llm_module_summaries_embedding_idx ON llm_assistant.llm_module_summaries USING hnsw (embedding vector_cosine_ops);
CREATE INDEX llm_query_cache_embedding_idx ON llm_assistant.llm_query_cache USING hnsw (embedding vector_cosine_ops);
CREATE INDEX llm_conv_memory_embedding_idx ON llm_assistant.llm_conv_memory USING hnsw (embedding vector_cosine_ops);
CREATE FUNCTION llm_assistant.search_chunks(query vector(384), match_count integer DEFAULT 5, only_module text DEFAULT NULL)
  RETURNS TABLE (id bigint, doc_path text, content text, similarity double precision)
  LANGUAGE sql STABLE SET search_path = llm_assistant, public AS $$
    SELECT c.id, c.doc_path, c.content, 1 - (c.embedding <=> query) FROM llm_docs_chunks c
    WHERE only_module IS NULL OR c.module = only_module ORDER BY c.embedding <=> query LIMIT match_count $$;
