import { afterAll, beforeAll, expect, test } from "vitest";
import { startOwnServers } from "./own-servers.ts";
import { Arena, newFigures } from "./play.ts";

/** What `npm run fuzz` found, or somebody thought of, as short as it was made; each broke a promise once. */
const found: ReadonlyArray<readonly [what: string, statements: readonly string[]]> = [
  [
    "conditions that the parser groups in another way when they are restored",
    [
      "CREATE TABLE public.range (a int, b int, CHECK (a BETWEEN 1 AND 5 AND b > 0), CHECK (a BETWEEN SYMMETRIC 5 AND 1 OR b IS NULL))",
      "CREATE VIEW public.both AS SELECT a FROM public.range WHERE a BETWEEN 1 AND 5 AND b > 0 AND a > b",
    ],
  ],
  [
    "an identity column that partitions of partitions share",
    [
      "CREATE TABLE public.whole (a int, id bigint GENERATED ALWAYS AS IDENTITY) PARTITION BY RANGE (a)",
      "CREATE TABLE public.part PARTITION OF public.whole FOR VALUES FROM (0) TO (10) PARTITION BY RANGE (a)",
      "CREATE TABLE public.again PARTITION OF public.part FOR VALUES FROM (0) TO (5)",
    ],
  ],
  [
    "a view over a relation whose name the newer server reserves",
    [
      'CREATE TABLE public."system_user" (a int)',
      'CREATE VIEW public.over AS SELECT a FROM ONLY public."system_user" WHERE a > 0',
    ],
  ],
  [
    "lists whose cast the parser moves to their items when they are restored",
    [
      "CREATE TABLE public.listed (a varchar, b float8, CHECK (a IN ('x', 'y')), CHECK (b <> ALL (ARRAY[77, 78])), CHECK (a::char(3) = ANY (ARRAY['x'::varchar, 'y'])))",
      "ALTER TABLE public.listed ADD COLUMN c text DEFAULT (ARRAY[1, 2]::numeric[])[1]::text",
      "CREATE POLICY own ON public.listed USING (b <> ALL (ARRAY[77, 78]) AND a NOT IN ('z', 'it''s'))",
      "CREATE INDEX ON public.listed (b) WHERE a IN ('x', 'y')",
      "CREATE VIEW public.only AS SELECT b FROM public.listed WHERE a IN ('x', 'y') OR b = ANY (ARRAY[1, NULL])",
    ],
  ],
  [
    "a default of a composite type that got an attribute since",
    [
      "CREATE TYPE public.pair AS (a int, b date)",
      "CREATE TABLE public.paired (both_of public.pair DEFAULT ROW(1, NULL)::public.pair)",
      "ALTER TYPE public.pair ADD ATTRIBUTE c int[]",
    ],
  ],
  ["extensions in a moved schema that nothing uses", ["CREATE TABLE public.plain (a int)"]],
  [
    "an extension of which only the array of a type is used",
    ["CREATE TABLE public.tagged (tags public.ltree[])"],
  ],
  [
    "constants that a subquery gives, which have a name once they are restored",
    [
      "CREATE TABLE public.item (a int, t varchar)",
      "CREATE VIEW public.some AS SELECT a FROM public.item WHERE EXISTS (SELECT 'x' FROM public.item) AND a > ALL (SELECT -7) AND t NOT IN (SELECT NULL FROM public.item)",
      "CREATE POLICY own ON public.item USING (EXISTS (SELECT 'x', NULL, DATE '2024-01-01'))",
    ],
  ],
  [
    "statements of rules and functions that write to a table by another name",
    [
      'CREATE TABLE public."Old one" (a int PRIMARY KEY, b int)',
      'CREATE FUNCTION public.tidy() RETURNS void LANGUAGE sql BEGIN ATOMIC DELETE FROM public."Old one" o WHERE o.a IS NULL; UPDATE ONLY public."Old one" o SET b = o.a; INSERT INTO public."Old one" AS o VALUES (1) ON CONFLICT (a) DO UPDATE SET b = o.b; MERGE INTO public."Old one" o USING (VALUES (1)) AS s(x) ON o.a = s.x WHEN MATCHED THEN DELETE; END',
      'CREATE RULE also AS ON INSERT TO public."Old one" DO ALSO UPDATE public."Old one" o SET b = 1 WHERE o.a = NEW.a',
    ],
  ],
  [
    "an operator that was only announced, by one that is gone",
    [
      "CREATE TABLE public.any (a int)",
      "CREATE OPERATOR public.<<< (LEFTARG = int, RIGHTARG = int, FUNCTION = int4lt, COMMUTATOR = OPERATOR(public.>>>))",
      "DROP OPERATOR public.<<< (int, int)",
    ],
  ],
  [
    "options of a TOAST table that has outlived what it was for",
    [
      "CREATE TABLE public.narrow (a int, b text) WITH (toast.autovacuum_vacuum_threshold = 7)",
      "ALTER TABLE public.narrow DROP COLUMN b",
    ],
  ],
  [
    "names that only the newer server takes for keywords",
    [
      "CREATE TABLE public.json_table (a int)",
      'CREATE TYPE public.json_value AS ("system_user" int)',
      "CREATE FUNCTION public.label(json, int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
      "CREATE TYPE public.holder AS (value public.json_value, json int)",
      "CREATE FUNCTION public.json_query(public.json_value) RETURNS int LANGUAGE sql AS 'SELECT 1'",
    ],
  ],
];

/** What no copy can make again, by the preview's code: the pause never begins. */
const told: ReadonlyArray<readonly [code: string, statements: readonly string[]]> = [
  [
    // A partition of a partition that was attached first, and never got its table's identity.
    "CATALOGUE_CHANGED",
    [
      "CREATE TABLE public.numbered (a int, id bigint GENERATED ALWAYS AS IDENTITY) PARTITION BY RANGE (a)",
      "CREATE TABLE public.numbered_1 (a int, id bigint NOT NULL) PARTITION BY RANGE (a)",
      "CREATE TABLE public.numbered_2 (a int, id bigint NOT NULL)",
      "ALTER TABLE public.numbered_1 ATTACH PARTITION public.numbered_2 FOR VALUES FROM (0) TO (5)",
      "ALTER TABLE public.numbered ATTACH PARTITION public.numbered_1 FOR VALUES FROM (0) TO (10)",
    ],
  ],
  [
    "FOREIGN_KEY_UNCHECKABLE",
    [
      "CREATE TABLE public.other (k varchar(30)[] PRIMARY KEY)",
      "CREATE TABLE public.whole (a int, r varchar(30)[] CONSTRAINT named REFERENCES public.other) PARTITION BY LIST (a)",
      "CREATE TABLE public.part PARTITION OF public.whole DEFAULT",
    ],
  ],
];

const figures = newFigures();
const arenas: Arena[] = [];
let servers: Awaited<ReturnType<typeof startOwnServers>>;

beforeAll(async () => {
  servers = await startOwnServers();
  const { source, target } = servers;
  arenas.push(await Arena.create(source, target, figures), await Arena.create(target, target, figures));
});

afterAll(async () => {
  await Promise.all(arenas.map((arena) => arena.dispose()));
  await servers?.dispose();
});

const statementsOf = (cases: ReadonlyArray<readonly [string, readonly string[]]>) =>
  cases.flatMap(([, statements]) => statements);

test.each([
  ["a newer server", 0],
  ["the same server", 1],
])("all of it is copied equal to %s", async (_where, index) => {
  const { copies } = figures;
  await arenas[index]?.play({ schemas: ["public"], statements: statementsOf(found), changes: [] });
  expect([...figures.refused]).toEqual([]);
  expect(figures).toMatchObject({ copies: copies + 1, refusedStatements: 0 });
});

test("what cannot be copied to the same server is told before", async () => {
  const { copies } = figures;
  await arenas[1]?.play({ schemas: ["public"], statements: statementsOf(told), changes: [] });
  expect([...figures.refused.keys()].toSorted()).toEqual(told.map(([code]) => code));
  expect(figures).toMatchObject({ copies, refusedStatements: 0 });
  figures.refused.clear();
});
