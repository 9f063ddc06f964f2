import { rolesDdl } from "./catalogue-ddl.ts";

/** What schemas seldom hold, beside `richDdl`. Runs alike on every server. */
export const rareDdl = `
  ${rolesDdl}
  CREATE SCHEMA rare;

  CREATE TYPE rare.tag;
  CREATE FUNCTION rare.tag_in(cstring) RETURNS rare.tag LANGUAGE internal IMMUTABLE STRICT AS 'textin';
  CREATE FUNCTION rare.tag_out(rare.tag) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
  CREATE TYPE rare.tag (INPUT = rare.tag_in, OUTPUT = rare.tag_out, LIKE = text, STORAGE = extended);
  CREATE TYPE rare.shape AS (width int, label text);
  COMMENT ON COLUMN rare.shape.label IS 'a label';
  CREATE TYPE rare.step AS ENUM ('one', 'two', 'three');
  CREATE COLLATION rare.plain (provider = libc, locale = 'C');
  CREATE DOMAIN rare.code AS text COLLATE rare.plain DEFAULT 'none' NOT NULL CONSTRAINT code_short CHECK (length(VALUE) < 9);
  COMMENT ON CONSTRAINT code_short ON DOMAIN rare.code IS 'short';
  CREATE FUNCTION rare.apart(a float8, b float8) RETURNS float8 LANGUAGE sql IMMUTABLE AS 'SELECT a - b';
  CREATE TYPE rare.spread AS RANGE (subtype = float8, subtype_diff = rare.apart);
  CREATE FUNCTION rare.shape_text(rare.shape) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT ($1).label';
  CREATE CAST (rare.shape AS text) WITH FUNCTION rare.shape_text(rare.shape) AS ASSIGNMENT;
  COMMENT ON CAST (rare.shape AS text) IS 'its label';
  CREATE TRANSFORM FOR rare.shape LANGUAGE sql (FROM SQL WITH FUNCTION prsd_lextype(internal));
  CREATE FUNCTION rare.transformed(s rare.shape) RETURNS int LANGUAGE sql TRANSFORM FOR TYPE rare.shape AS 'SELECT ($1).width';

  CREATE FUNCTION rare.compare(int, int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT CASE WHEN $1 < $2 THEN 1 WHEN $1 > $2 THEN -1 ELSE 0 END';
  CREATE OPERATOR rare.<<< (LEFTARG = int, RIGHTARG = int, FUNCTION = int4gt, COMMUTATOR = OPERATOR(rare.>>>), RESTRICT = scalargtsel);
  CREATE OPERATOR rare.>>> (LEFTARG = int, RIGHTARG = int, FUNCTION = int4lt, COMMUTATOR = OPERATOR(rare.<<<));
  COMMENT ON OPERATOR rare.<<< (int, int) IS 'greater';
  CREATE OPERATOR rare.!!! (RIGHTARG = int, FUNCTION = int4um);
  CREATE OPERATOR rare.!!! (RIGHTARG = bigint, FUNCTION = int8um);
  CREATE OPERATOR FAMILY rare.turned USING btree;
  CREATE OPERATOR CLASS rare.turned_int FOR TYPE int USING btree FAMILY rare.turned AS
    OPERATOR 1 >, OPERATOR 2 >=, OPERATOR 3 =, OPERATOR 4 <=, OPERATOR 5 <, FUNCTION 1 rare.compare(int, int);
  CREATE AGGREGATE rare.total(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0', PARALLEL = SAFE);
  CREATE FUNCTION rare.plainly(x int) RETURNS int LANGUAGE sql STABLE AS 'SELECT x';
  CREATE PROCEDURE rare.act() LANGUAGE plpgsql AS 'BEGIN COMMIT; END';
  CREATE CONVERSION rare.from_latin FOR 'LATIN1' TO 'UTF8' FROM pg_catalog.iso8859_1_to_utf8;
  CREATE TEXT SEARCH TEMPLATE rare.template (INIT = dsimple_init, LEXIZE = dsimple_lexize);
  CREATE TEXT SEARCH DICTIONARY rare.dictionary (TEMPLATE = pg_catalog.simple, ACCEPT = false);
  CREATE TEXT SEARCH PARSER rare.parser (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, LEXTYPES = prsd_lextype);
  CREATE TEXT SEARCH CONFIGURATION rare.configuration (PARSER = rare.parser);
  ALTER TEXT SEARCH CONFIGURATION rare.configuration ADD MAPPING FOR asciiword WITH rare.dictionary, pg_catalog.simple;

  CREATE TABLE rare.item(
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text COMPRESSION pglz, price numeric, counted int,
    doubled int GENERATED ALWAYS AS (counted * 2) STORED,
    words tsvector, tag rare.tag, shape rare.shape, step rare.step DEFAULT 'one', code rare.code,
    booked tstzrange, room int4range,
    CONSTRAINT item_room EXCLUDE USING gist (room WITH &&) DEFERRABLE,
    CONSTRAINT item_named UNIQUE NULLS NOT DISTINCT (name, counted) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT item_counted CHECK (counted > 0)
  ) WITH (toast.autovacuum_enabled = false);
  COMMENT ON CONSTRAINT item_counted ON rare.item IS 'counts';
  CREATE INDEX item_words ON rare.item USING gist (words tsvector_ops (siglen = 64));
  CREATE INDEX item_turned ON rare.item (counted rare.turned_int DESC NULLS LAST) WITH (fillfactor = 70);
  CREATE INDEX item_blocks ON rare.item USING brin (id) WITH (pages_per_range = 8);
  CREATE INDEX item_lower ON rare.item (lower(name));
  ALTER INDEX rare.item_lower ALTER COLUMN 1 SET STATISTICS 300;
  COMMENT ON INDEX rare.item_words IS 'words';
  CREATE STATISTICS rare.item_numbers (ndistinct) ON price, (counted + 1) FROM rare.item;
  ALTER STATISTICS rare.item_numbers SET STATISTICS 77;
  COMMENT ON STATISTICS rare.item_numbers IS 'numbers';
  CREATE FUNCTION rare.see() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
  CREATE TRIGGER seen BEFORE UPDATE OF name ON rare.item FOR EACH ROW WHEN (OLD.name <> NEW.name) EXECUTE FUNCTION rare.see();
  COMMENT ON TRIGGER seen ON rare.item IS 'sees';
  CREATE TRIGGER always AFTER INSERT ON rare.item FOR EACH STATEMENT EXECUTE FUNCTION rare.see();
  ALTER TABLE rare.item ENABLE ALWAYS TRIGGER always;
  ALTER TRIGGER seen ON rare.item DEPENDS ON EXTENSION plpgsql;
  ALTER FUNCTION rare.plainly(int) DEPENDS ON EXTENSION plpgsql;
  CREATE POLICY restricted ON rare.item AS RESTRICTIVE FOR UPDATE TO clinic_reader, clinic_owner USING (true) WITH CHECK (counted > 1);
  COMMENT ON POLICY restricted ON rare.item IS 'policy';
  CREATE RULE watched AS ON DELETE TO rare.item WHERE OLD.id < 0 DO ALSO NOTHING;
  COMMENT ON RULE watched ON rare.item IS 'rule';
  GRANT SELECT, INSERT ON rare.item TO clinic_reader;
  GRANT UPDATE (name) ON rare.item TO clinic_reader;

  CREATE TABLE rare.typed OF rare.shape (width WITH OPTIONS NOT NULL);
  CREATE TABLE rare.left_parent(a int, CONSTRAINT a_positive CHECK (a > 0));
  CREATE TABLE rare.right_parent(b int);
  CREATE TABLE rare.heir(c int) INHERITS (rare.left_parent, rare.right_parent);
  CREATE TABLE rare.hashed(id int NOT NULL, v text) PARTITION BY HASH (id);
  CREATE TABLE rare.hashed_0 PARTITION OF rare.hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0);
  CREATE TABLE rare.hashed_1 PARTITION OF rare.hashed FOR VALUES WITH (MODULUS 2, REMAINDER 1);
  CREATE INDEX hashed_v ON rare.hashed (v);
  CREATE TRIGGER hashed_seen BEFORE INSERT ON rare.hashed FOR EACH ROW EXECUTE FUNCTION rare.see();
  CREATE TABLE rare.plain_rows(v text);
  CREATE UNLOGGED TABLE rare.unlogged(v text);
  CREATE TABLE rare.counter(n int);
  CREATE SEQUENCE rare.serial AS smallint MINVALUE 5 MAXVALUE 500 START 6 CACHE 3 OWNED BY rare.counter.n;
  GRANT USAGE ON SEQUENCE rare.serial TO clinic_reader;
  COMMENT ON SEQUENCE rare.serial IS 'numbers';

  CREATE FOREIGN DATA WRAPPER nowhere;
  CREATE SERVER elsewhere FOREIGN DATA WRAPPER nowhere;
  CREATE USER MAPPING FOR postgres SERVER elsewhere OPTIONS (password 'SENTINEL');
  CREATE FOREIGN TABLE rare.remote(id int OPTIONS (key 'true'), v text) SERVER elsewhere OPTIONS (table_name 'far');

  CREATE VIEW rare.cheap WITH (check_option = 'cascaded') AS SELECT id, name, price FROM rare.item WHERE price < 10;
  ALTER VIEW rare.cheap ALTER COLUMN name SET DEFAULT 'unnamed';
  CREATE VIEW rare.joined AS SELECT i.id, p.v FROM rare.item i, rare.plain_rows p;
  CREATE TRIGGER instead INSTEAD OF INSERT ON rare.joined FOR EACH ROW EXECUTE FUNCTION rare.see();
  CREATE RECURSIVE VIEW rare.numbers(n) AS VALUES (1) UNION ALL SELECT n + 1 FROM numbers WHERE n < 3;
  CREATE MATERIALIZED VIEW rare.priced WITH (fillfactor = 60) AS SELECT id, price FROM rare.item;
  ALTER MATERIALIZED VIEW rare.priced ALTER COLUMN price SET STATISTICS 12;
  GRANT SELECT ON rare.cheap TO clinic_reader;

  ALTER DEFAULT PRIVILEGES IN SCHEMA rare GRANT USAGE ON SEQUENCES TO clinic_reader;
  ALTER DEFAULT PRIVILEGES IN SCHEMA rare GRANT EXECUTE ON FUNCTIONS TO clinic_reader;
  GRANT EXECUTE ON FUNCTION rare.plainly(int) TO clinic_reader;
  GRANT USAGE ON TYPE rare.step TO clinic_reader;

  INSERT INTO rare.item(name, price, counted, tag, shape, code, room)
    SELECT 'n' || g, g + 0.10, g, ('t' || g)::rare.tag, ROW(g, 'l')::rare.shape, 'c' || g, int4range(g, g + 1)
      FROM generate_series(1, 20) g;
  INSERT INTO rare.plain_rows VALUES ('x'), (NULL);
  INSERT INTO rare.hashed SELECT g, 'v' FROM generate_series(1, 9) g;
  SELECT setval('rare.serial', 77);
`;

export const rareSchemas = ["rare"];
