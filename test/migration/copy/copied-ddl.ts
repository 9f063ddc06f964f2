/** Habits of applications that copies go wrong on. */
export const caseDdl = `
  CREATE SCHEMA clinic; CREATE SCHEMA tools;
  CREATE EXTENSION IF NOT EXISTS plpgsql;
  CREATE FUNCTION tools.label() RETURNS text LANGUAGE sql VOLATILE AS 'SELECT ''L''::text';
  CREATE FUNCTION tools.fold(value text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT lower(value)';
  CREATE FUNCTION tools.norm(value text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN tools.fold(value); END';
  CREATE TABLE clinic.log (n int);
  CREATE FUNCTION clinic.note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO clinic.log VALUES (1); RETURN NULL; END';
  CREATE TABLE clinic.visit (
    id int PRIMARY KEY, label text DEFAULT tools.label(), name text,
    folded text GENERATED ALWAYS AS (tools.norm(name)) STORED);
  INSERT INTO clinic.visit (id, name) SELECT g, 'Name ' || g FROM generate_series(1, 50) g;
  CREATE TRIGGER note AFTER INSERT ON clinic.visit FOR EACH ROW EXECUTE FUNCTION clinic.note();
  CREATE FUNCTION tools.small(value int) RETURNS boolean LANGUAGE plpgsql STABLE AS 'BEGIN RETURN double(value) < 100; END';
  CREATE FUNCTION tools.double(value int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 2 * value';
  ALTER FUNCTION tools.small(int) SET search_path = tools;
  CREATE TABLE clinic.annex (visit int CHECK (tools.small(visit)));
  INSERT INTO clinic.annex SELECT g FROM generate_series(1, 30) g;
  CREATE TABLE clinic.booking (room int, during tsrange, EXCLUDE USING gist (int4range(room, room, '[]') WITH &&, during WITH &&));
  INSERT INTO clinic.booking VALUES (1, '[2025-01-01 10:00, 2025-01-01 11:00)');
  CREATE TABLE clinic.left_side (id int PRIMARY KEY, r int);
  CREATE TABLE clinic.right_side (id int PRIMARY KEY, l int REFERENCES clinic.left_side DEFERRABLE INITIALLY DEFERRED);
  ALTER TABLE clinic.left_side ADD FOREIGN KEY (r) REFERENCES clinic.right_side DEFERRABLE INITIALLY DEFERRED;
  BEGIN; INSERT INTO clinic.left_side VALUES (1, 1); INSERT INTO clinic.right_side VALUES (1, 1); COMMIT;
  ALTER TABLE clinic.annex ADD CONSTRAINT annex_late CHECK (visit > 5) NOT VALID;
  CREATE TABLE clinic.tree (id int PRIMARY KEY, parent int REFERENCES clinic.tree);
  INSERT INTO clinic.tree VALUES (1, 2), (2, 1);
  CREATE TABLE clinic.guarded (id int, body text);
  ALTER TABLE clinic.guarded ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
  CREATE POLICY nobody ON clinic.guarded USING (false);
  INSERT INTO clinic.guarded VALUES (1, 'kept');
  CREATE SEQUENCE clinic.ahead; SELECT setval('clinic.ahead', 500);
  CREATE SEQUENCE clinic.fresh;
  CREATE SEQUENCE clinic.shared; SELECT setval('clinic.shared', 40);
  CREATE TABLE clinic.first_user (id int DEFAULT nextval('clinic.shared'));
  CREATE TABLE tools.second_user (id int DEFAULT nextval('clinic.shared'));
  CREATE SEQUENCE clinic.down INCREMENT -1; SELECT setval('clinic.down', -2);
  CREATE SEQUENCE clinic.spent MAXVALUE 3; SELECT setval('clinic.spent', 3);
  CREATE PROCEDURE clinic.settle() LANGUAGE plpgsql AS 'BEGIN COMMIT; END';
  SET check_function_bodies = off;
  CREATE FUNCTION clinic.chunks() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM llm_assistant.chunk';
  RESET check_function_bodies;
  CREATE VIEW clinic.base AS SELECT id FROM clinic.visit;
  CREATE MATERIALIZED VIEW clinic.z AS SELECT count(*) AS n FROM clinic.base;
  CREATE MATERIALIZED VIEW clinic.a AS SELECT n FROM clinic.z;
  CREATE MATERIALIZED VIEW clinic.hollow AS SELECT n FROM clinic.a WITH NO DATA;
  CREATE TABLE clinic.halves (id int); CREATE UNIQUE INDEX halves_broken ON clinic.halves (id);
  UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'clinic.halves_broken'::regclass;
`;

/** Every kind of value, the awkward ones first. The text format is forced on some tables by an array of an enum. */
export const valuesDdl = `
  CREATE TYPE clinic.mood AS ENUM ('b', 'a');
  CREATE TYPE clinic.pair AS (x int, y text);
  CREATE DOMAIN clinic.list AS int[] CHECK (array_length(VALUE, 1) < 9);
  CREATE TABLE clinic.texts (moods clinic.mood[], t text[], p clinic.pair[], v text, m money, f float8, d date, i interval, b bytea);
  INSERT INTO clinic.texts VALUES
    ('{a,b}', ARRAY['NULL', NULL, '', 'a,b', '"', E'\\\\', '{}'], ARRAY[ROW(1, 'x,"y')::clinic.pair, NULL, ROW(NULL, NULL)::clinic.pair],
     E'tab\\tline\\nreturn\\r\\\\N\\\\.', 1234.56, 0.1::float8 + 0.2::float8, 'infinity', '1 mon -2 days 03:04:05.000006', '\\x00ff5c27'),
    (NULL, NULL, NULL, NULL, NULL, 'NaN', '4713-01-01 BC', '-1 day', ''),
    ('{}', '{}', '{}', '', -0.01, '-0', '5874897-12-31', '178000000 years', '\\x'),
    ('{{a},{b}}', '[2:3]={x,y}', NULL, E'\\u00e4\\U0001F600', 0, 5e-324, '2025-02-28', '24 hours', '\\x0a');
  CREATE TABLE clinic.binaries (
    l clinic.list, r int4range, mr datemultirange, bv bit varying(9), tv tsvector, tq tsquery, x xml, l8 pg_lsn, x8 xid8,
    n numeric, ts timestamptz, tt timetz, u uuid, j json, jb jsonb, jp jsonpath, ip inet, c cidr, mac macaddr8, pt polygon, c1 "char", bp char(5), o oid, nm name);
  INSERT INTO clinic.binaries VALUES
    ('{1,2}', 'empty', '{[2025-01-01,2025-02-01),[2026-01-01,)}', B'10101', 'a:1A b:2', 'a & !b', '<a>ä</a>', '16/B374D848', '12345678901',
     'NaN', '4713-01-01 00:00:00+00 BC', '10:00:00.000001-13', '6f9619ff-8b86-d011-b42d-00cf4fc964ff', '{"a": 1.0,  "a":2}', '{"a":1.00}',
     '$.a ? (@ > 1)', '::1/64', '10.0.0.0/8', '08:00:2b:01:02:03:04:05', '((0,0),(1,1.5))', 'x', 'a', 4294967295, 'n'),
    (NULL, '(,)', '{}', '', '', '', '', '0/0', '0', 1e-20, 'infinity', '24:00:00', NULL, 'null', 'null', '$', '0.0.0.0', '0.0.0.0/0',
     '00:00:00:00:00:00:00:00', '((0,-0))', '', '', 0, '');
  CREATE DOMAIN clinic.document AS xml;
  CREATE TABLE clinic.documents (id int, body xml, "Domain" clinic.document);
  INSERT INTO clinic.documents VALUES
    (1, E'<?xml version="1.0" encoding="ISO-8859-1"?>\\n<a>é</a>', '<?xml version="1.0" standalone="yes"?><a/>'),
    (2, '<?xml version="1.0"?><a b="1"/>', '<?xml version="1.0"?><b/>'), (3, E'no\tdocument', NULL);
`;

/** Names and shapes that break what is put together out of names; a vector of words with its language beside it. */
export const namesDdl = `
  CREATE SCHEMA "Odd; names";
  CREATE TABLE "Odd; names"."TABLE" (
    "XMIN" int, "xmin " int, "ctid_" text, "a""b" text, "$1" text, "%s" text, "tableoid2" int, "${"é".repeat(31)}" text,
    "new
line" text, "select" int, "😀" text, "oid" oid, "c" int);
  INSERT INTO "Odd; names"."TABLE" VALUES (1, 2, '3', '4', '5', '6', 7, '8', '9', 10, '11', 12, 13);
  CREATE INDEX "an ""index""" ON "Odd; names"."TABLE" ("new
line", "a""b");
  DO $$ BEGIN
    EXECUTE 'CREATE TABLE "Odd; names".wide (' || (SELECT string_agg('c' || g || ' int', ',') FROM generate_series(1, 1600) g) || ')';
    INSERT INTO "Odd; names".wide (c1, c1600) VALUES (1, 2);
  END $$;
  CREATE TABLE "Odd; names".notes (
    body text, words tsvector GENERATED ALWAYS AS (to_tsvector('spanish'::regconfig, body)) STORED);
  INSERT INTO "Odd; names".notes VALUES ('los médicos atienden a los pacientes'), (NULL), ('');
  CREATE INDEX ON "Odd; names".notes USING gin (words);
  CREATE TABLE "Odd; names".catalogue_values (
    a regclass, b regtype, c regproc, d regprocedure, e regoperator, f regrole, g regnamespace, h regconfig, i regcollation,
    k aclitem, l pg_snapshot, n refcursor, o tid, p cid, q xid, t int2vector, u oidvector, w box, x circle, y line, z lseg,
    aa path, ab point, ad bit(3), ae oid[], af regclass[], ag name[], ah aclitem[], aj tsquery[], ak xml[], al jsonpath[]);
  INSERT INTO "Odd; names".catalogue_values VALUES (
    '"Odd; names".notes', '"Odd; names"."TABLE"', 'now', 'lower(text)', '+(integer,integer)', 'postgres', 'public', 'english', '"C"',
    'postgres=r/postgres', '10:20:10,14', 'cursor', '(0,1)', '1', '2', '1 2', '1 2', '((0,0),(1,1))', '<(0,0),1>', '{1,-1,0}',
    '[(0,0),(1,1)]', '[(0,0),(1,1)]', '(NaN,Infinity)', '101', '{1,2}', '{pg_class}', '{a,b}', '{postgres=r/postgres}',
    '{a,"b & c"}', ARRAY['<a/>'::xml], ARRAY['$.a'::jsonpath]);
`;

/** Types and operators of the extensions that applications use most. */
export const contribDdl = `
  CREATE TABLE public.kinds (
    h hstore, hs hstore[], l ltree, q lquery, c citext, u cube, i isbn13, s seg, x ltxtquery, y query_int);
  INSERT INTO public.kinds VALUES
    ('a=>1, b=>NULL', ARRAY['x=>y'::hstore, NULL], 'a.b.c', 'a.*', 'MixEd', '(1,2),(3,4)', '978-0-393-04002-9', '1 .. 2', 'a & b', '1&2'),
    ('', '{}', '', '*', '', '(0)', NULL, '<1', NULL, NULL);
  CREATE INDEX ON public.kinds USING gin (h); CREATE INDEX ON public.kinds USING gist (l);
  CREATE UNIQUE INDEX ON public.kinds (c); CREATE INDEX ON public.kinds USING gin ((c::text) gin_trgm_ops);
  CREATE TABLE public.booked (room int, during tstzrange, EXCLUDE USING gist (room WITH =, during WITH &&));
  INSERT INTO public.booked VALUES (1, '[2025-01-01 10:00+00, 2025-01-01 11:00+00)');
`;

export const contrib = [
  "hstore",
  "ltree",
  "citext",
  "cube",
  "isn",
  "seg",
  "intarray",
  "pg_trgm",
  "btree_gist",
];

export const caseSchemas = ["clinic", "tools"];

export const vectorDdl = `
  CREATE TABLE public.chunk (id int PRIMARY KEY, emb vector(3), half halfvec(3), sparse sparsevec(5), several vector(2)[]);
  INSERT INTO public.chunk VALUES
    (1, '[-0,1e-40,0.1]', '[0.5,-0,1]', '{1:1.5,3:-2}/5', ARRAY['[1,2]'::vector, NULL]),
    (2, NULL, NULL, NULL, NULL), (3, '[1,2,3]', '[6.1e-5,1,65504]', '{}/5', '{}');
  CREATE INDEX near ON public.chunk USING hnsw (emb vector_cosine_ops) WITH (m = 8, ef_construction = 40);
  CREATE INDEX listed ON public.chunk USING ivfflat (emb vector_l2_ops) WITH (lists = 1);
`;
