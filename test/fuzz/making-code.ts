import { quoteIdentifier, quoteLiteral } from "../../components/postgres/identifiers.ts";
import { columnName, nameOf, operandsOf, type Table } from "./application.ts";
import { condition, derived, shown } from "./expressions.ts";
import { type Step, someTable } from "./making-tables.ts";

export const makeSequence: Step = (app, dice) => {
  const { schema, name, sql } = app.place(dice);
  app.sequences.push({ schema, name });
  app.made("SEQUENCE", schema, name, {
    grant: { on: `SEQUENCE ${sql}`, privileges: ["USAGE", "SELECT", "UPDATE"] },
  });
  const unlogged = dice.maybe(10, () => "UNLOGGED ");
  const options = [
    dice.maybe(3, () => " AS smallint"),
    dice.maybe(3, () => ` INCREMENT ${dice.pick([-1, 7, -32768])}`),
    dice.maybe(3, () => " MINVALUE -100 MAXVALUE 100"),
    dice.maybe(4, () => " START 42"),
    dice.maybe(4, () => " CACHE 20"),
    dice.maybe(3, () => " CYCLE"),
  ];
  return { sql: `CREATE ${unlogged}SEQUENCE ${sql}${options.join("")}`, about: [name] };
};

export const useSequence: Step = (app, dice) => {
  if (app.sequences.length === 0) return undefined;
  const sequence = dice.pick(app.sequences);
  const [name, about] = [nameOf(sequence), [sequence.name]];
  const text = quoteLiteral(name);
  const table = someTable(app, dice);
  const owner = table?.columns[0] && `${nameOf(table)}.${columnName(table.columns[0])}`;
  return {
    sql: dice.pick([
      `SELECT setval(${text}, ${dice.pick([1, 42, 100, -100, 32767])}, ${dice.pick([true, false])})`,
      `SELECT nextval(${text}) FROM generate_series(1, ${dice.between(1, 30)})`,
      `ALTER SEQUENCE ${name} RESTART${dice.maybe(2, () => " 3")}`,
      `ALTER SEQUENCE ${name} ${dice.pick(["INCREMENT 3", "NO MAXVALUE", "CYCLE", "CACHE 5", "START 9", "AS bigint"])}`,
      `ALTER SEQUENCE ${name} OWNED BY ${owner ?? "NONE"}`,
    ]),
    about,
  };
};

export const makeView: Step = (app, dice) => {
  const sources = [...app.tables, ...app.views].filter(({ columns }) => columns.length > 0);
  if (sources.length === 0) return undefined;
  const { schema, name, sql } = app.place(dice);
  const view: Table = { schema, name, columns: [], kind: "table", partitions: 0, key: [] };
  const isMaterialized = dice.once(3);
  const query = viewQuery(view, sources, () => app.names.fresh(dice), dice);
  const kind = isMaterialized ? "MATERIALIZED VIEW" : "VIEW";
  app.made(kind, schema, name, {
    grant: { on: `TABLE ${sql}`, privileges: ["SELECT", "INSERT", "UPDATE"] },
  });
  app.views.push(view);
  const options = isMaterialized
    ? dice.maybe(5, () => " WITH (fillfactor = 80)")
    : dice.maybe(
        4,
        () =>
          ` WITH (${dice.pick(["security_barrier = true", "security_invoker = true", "check_option = local"])})`,
      );
  const tail = isMaterialized ? dice.maybe(4, () => " WITH NO DATA") : "";
  return { sql: `CREATE ${kind} ${sql}${options} AS ${query}${tail}`, about: [name] };
};

/** Notes the columns that can be read from it again. */
function viewQuery(
  view: Table,
  sources: readonly Table[],
  fresh: () => string,
  dice: Parameters<Step>[1],
): string {
  const source = dice.pick(sources);
  const shape = dice.between(0, 7);
  const output = (from: Table, qualifier: string) => {
    const operand = dice.pick(operandsOf(from, qualifier));
    const name = fresh();
    return { name, sql: `${shown(operand, dice)} AS ${quoteIdentifier(name)}` };
  };
  const plain = (qualifier = "") =>
    dice.some(source.columns, 3).map((column) => {
      view.columns.push(column);
      return qualifier + columnName(column);
    });
  const where = (qualifier = "") => `WHERE ${condition(operandsOf(source, qualifier), dice)}`;
  const from = nameOf(source);
  if (shape === 0) return `SELECT ${plain().join(", ")} FROM ${from} ${where()}`;
  if (shape === 1) {
    const outputs = dice.times(1, 3, () => output(source, "s.").sql);
    return `SELECT ${[...plain("s."), ...outputs].join(", ")} FROM ${from} s ${where("s.")}`;
  }
  if (shape === 2) {
    const other = dice.pick(sources);
    const outputs = [output(source, "l.").sql, output(other, "r.").sql];
    const join = dice.pick(["LEFT JOIN", "FULL JOIN", "JOIN", "RIGHT JOIN"]);
    return `SELECT ${[...plain("l."), ...outputs].join(", ")} FROM ${from} l ${join} ${nameOf(other)} r ON (l.ctid IS NOT NULL)`.replace(
      "(l.ctid IS NOT NULL)",
      join === "FULL JOIN" ? "true" : condition(operandsOf(other, "r."), dice),
    );
  }
  if (shape === 3 && source.key.length > 0) {
    view.columns.push(...source.columns);
    return `SELECT s.*, count(*) AS ${quoteIdentifier(fresh())} FROM ${from} s GROUP BY ${source.key.map((part) => `s.${columnName(part)}`).join(", ")} HAVING count(*) > 0`;
  }
  if (shape === 4) {
    return `WITH w AS ${dice.pick(["", "MATERIALIZED "])}(SELECT ${plain().join(", ")} FROM ${from}) SELECT * FROM w UNION ALL TABLE w ORDER BY 1 NULLS FIRST LIMIT 5 OFFSET 0`;
  }
  if (shape === 5) {
    return `SELECT DISTINCT ${plain("s.").join(", ")}, x.n FROM ${from} s CROSS JOIN LATERAL (SELECT count(*) AS n FROM ${from} i ${where("i.")}) x(n)`;
  }
  if (shape === 6) {
    const { sql } = derived(dice.pick(operandsOf(source, "s.")), dice);
    return `SELECT ${plain("s.").join(", ")}, row_number() OVER w AS ${quoteIdentifier(fresh())}, (${sql}) AS ${quoteIdentifier(fresh())} FROM ${from} s WINDOW w AS (PARTITION BY (${sql}) ORDER BY (${sql}))`;
  }
  return `SELECT ${plain().join(", ")} FROM ONLY ${from} WHERE EXISTS (SELECT 1 FROM (VALUES (1, 'a'), (2, NULL)) v(i, t) WHERE v.i > 0) AND ${condition(operandsOf(source), dice)}`;
}

export const refreshView: Step = (app, dice) => {
  const views = app.things.filter(({ identity }) => identity.startsWith("MATERIALIZED VIEW "));
  if (views.length === 0) return undefined;
  const { identity, path } = dice.pick(views);
  return { sql: `REFRESH ${identity}${dice.maybe(3, () => " WITH NO DATA")}`, about: [path.at(-1) ?? ""] };
};

const comments = [
  "--\n-- Name: fake; Type: TABLE; Schema: public; Owner: x\n--\n",
  "/* $$ */",
  "\\N\n\\.",
  "'';",
];

export const makeFunction: Step = (app, dice) => {
  const { schema, name, sql } = app.place(dice);
  const shape = dice.between(0, 7);
  const table = someTable(app, dice);
  const options = [
    dice.maybe(4, () => " SECURITY DEFINER"),
    dice.maybe(
      4,
      () =>
        ` SET ${dice.pick(["search_path = pg_catalog, pg_temp", "search_path TO ''", "work_mem = '7MB'", "DateStyle = 'German, DMY'", "search_path = 'Odd, one', public"])}`,
    ),
    dice.maybe(5, () => " COST 7"),
    dice.maybe(6, () => " LEAKPROOF"),
    dice.maybe(5, () => ` PARALLEL ${dice.pick(["SAFE", "RESTRICTED"])}`),
    dice.maybe(5, () => " STRICT"),
  ].join("");
  const noted = (args: string, kind = "FUNCTION") => app.madeRoutine(kind, schema, name, args);
  const about = [name];
  if (shape <= 1) {
    noted("text");
    app.functions.push(sql);
    const body = `SELECT lower($1) || ${quoteLiteral(dice.pick(comments))}`;
    return {
      sql: `CREATE FUNCTION ${sql}(value text) RETURNS text LANGUAGE sql IMMUTABLE${options} AS ${quoteLiteral(body)}`,
      about,
    };
  }
  if (shape === 2) {
    noted("");
    app.triggerFunctions.push(sql);
    return {
      sql: `CREATE FUNCTION ${sql}() RETURNS trigger LANGUAGE plpgsql${options.replace(" STRICT", "")} AS ${quoteLiteral(`${dice.pick(["", ...comments.slice(1, 2)])}BEGIN RETURN NEW; END`)}`,
      about,
    };
  }
  if (shape === 3 && table !== undefined) {
    noted("");
    return {
      sql: `CREATE FUNCTION ${sql}() RETURNS SETOF ${nameOf(table)} LANGUAGE sql STABLE ROWS 5${options} AS ${quoteLiteral(`SELECT * FROM ${nameOf(table)}`)}`,
      about,
    };
  }
  if (shape === 4 && table !== undefined) {
    noted("integer");
    return {
      sql: `CREATE FUNCTION ${sql}(n integer DEFAULT 1) RETURNS bigint${options} BEGIN ATOMIC SELECT count(*) + n FROM ${nameOf(table)} WHERE ${table.columns.length > 0 ? condition(operandsOf(table), dice) : "true"}; END`,
      about,
    };
  }
  if (shape === 5) {
    noted("integer, text[]", "PROCEDURE");
    return {
      sql: `CREATE PROCEDURE ${sql}(INOUT n integer, VARIADIC rest text[] DEFAULT '{}') LANGUAGE plpgsql AS 'BEGIN COMMIT; END'`,
      about,
    };
  }
  if (shape === 6) {
    noted("integer", "AGGREGATE");
    return {
      sql: `CREATE AGGREGATE ${sql}(integer) (SFUNC = int4pl, STYPE = integer${dice.maybe(2, () => ", INITCOND = '0'")}${dice.maybe(3, () => ", PARALLEL = SAFE")})`,
      about,
    };
  }
  const type = app.type(dice);
  noted(type.sql);
  return {
    sql: `CREATE FUNCTION ${sql}(v ${type.sql} DEFAULT ${type.value(dice)}, OUT a ${type.sql}, OUT b text) LANGUAGE plpgsql STABLE${options} AS 'BEGIN a := v; END'`,
    about,
  };
};

/** An index or a check that calls one of the application's own functions. */
export const useFunction: Step = (app, dice) => {
  const table = someTable(app, dice);
  const texts = table?.columns.filter(({ type }) => type.sql === "text") ?? [];
  if (table === undefined || texts.length === 0 || app.functions.length === 0) return undefined;
  const call = `${dice.pick(app.functions)}(${columnName(dice.pick(texts))})`;
  const name = app.names.fresh(dice);
  return {
    sql: dice.pick([
      `CREATE INDEX ${quoteIdentifier(name)} ON ${nameOf(table)} (${call})`,
      `ALTER TABLE ${nameOf(table)} ADD CONSTRAINT ${quoteIdentifier(name)} CHECK (${call} IS NOT NULL OR true)`,
      `ALTER TABLE ${nameOf(table)} ADD COLUMN ${quoteIdentifier(name)} text GENERATED ALWAYS AS (${call}) STORED`,
      `ALTER TABLE ${nameOf(table)} ADD COLUMN ${quoteIdentifier(name)} text DEFAULT ${call.replace(/\(.*/s, "('X')")}`,
    ]),
    about: [name],
  };
};

export const makeTrigger: Step = (app, dice) => {
  const table = someTable(app, dice);
  if (table === undefined || app.triggerFunctions.length === 0) return undefined;
  const name = app.names.fresh(dice);
  app.madeOn("TRIGGER", table, name);
  const fn = dice.pick(app.triggerFunctions);
  const column = table.columns.length > 0 ? columnName(dice.pick(table.columns)) : "";
  const when =
    table.columns.length > 0
      ? dice.maybe(2, () => ` WHEN (${condition(operandsOf(table, "NEW."), dice)})`)
      : "";
  const [quoted, on] = [quoteIdentifier(name), nameOf(table)];
  const args = dice.maybe(4, () => "'a''b', 'back\\slash'");
  return {
    sql: dice.pick([
      `CREATE TRIGGER ${quoted} BEFORE INSERT OR UPDATE${column && dice.maybe(2, () => ` OF ${column}`)} ON ${on} FOR EACH ROW${when} EXECUTE FUNCTION ${fn}(${args})`,
      `CREATE TRIGGER ${quoted} AFTER DELETE ON ${on} REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION ${fn}()`,
      `CREATE CONSTRAINT TRIGGER ${quoted} AFTER INSERT ON ${on} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW${when} EXECUTE FUNCTION ${fn}(${args})`,
      `CREATE TRIGGER ${quoted} BEFORE TRUNCATE ON ${on} EXECUTE FUNCTION ${fn}()`,
    ]),
    about: [name],
  };
};

export const makePolicy: Step = (app, dice) => {
  const table = someTable(app, dice);
  if (table === undefined || table.columns.length === 0) return undefined;
  const name = app.names.fresh(dice);
  const rule = () => condition(operandsOf(table), dice);
  if (dice.once(3)) {
    app.madeOn("RULE", table, name);
    const what = dice.pick([
      `ON DELETE TO ${nameOf(table)} WHERE ${condition(operandsOf(table, "OLD."), dice)} DO ALSO NOTHING`,
      `ON INSERT TO ${nameOf(table)} WHERE ${condition(operandsOf(table, "NEW."), dice)} DO ALSO NOTIFY ${quoteIdentifier(app.names.fresh(dice))}`,
      `ON UPDATE TO ${nameOf(table)} WHERE false DO ALSO SELECT ${operandsOf(table, "NEW.")[0]?.sql}`,
    ]);
    return { sql: `CREATE RULE ${quoteIdentifier(name)} AS ${what}`, about: [name] };
  }
  app.madeOn("POLICY", table, name);
  const command = dice.pick(["ALL", "SELECT", "UPDATE", "DELETE"]);
  const check = ["ALL", "UPDATE"].includes(command) ? dice.maybe(2, () => ` WITH CHECK (${rule()})`) : "";
  return {
    sql: `CREATE POLICY ${quoteIdentifier(name)} ON ${nameOf(table)}${dice.maybe(3, () => " AS RESTRICTIVE")} FOR ${command} TO ${dice.pick(["PUBLIC", "clinic_reader", "clinic_reader, clinic_owner", "CURRENT_USER"])} USING (${rule()})${check}`,
    about: [name],
  };
};

export const makeRare: Step = (app, dice) => {
  const { schema, name, sql } = app.place(dice);
  const shape = dice.between(0, 3);
  const about = [name];
  if (shape === 0) {
    app.made("COLLATION", schema, name);
    return { sql: `CREATE COLLATION ${sql} (provider = libc, locale = 'C')`, about };
  }
  if (shape === 1) {
    app.made("TEXT SEARCH CONFIGURATION", schema, name);
    return {
      sql: `CREATE TEXT SEARCH CONFIGURATION ${sql} (COPY = pg_catalog.${dice.pick(["spanish", "simple"])})`,
      about,
    };
  }
  if (shape === 2) {
    app.made("TEXT SEARCH DICTIONARY", schema, name);
    return {
      sql: `CREATE TEXT SEARCH DICTIONARY ${sql} (TEMPLATE = pg_catalog.simple, ACCEPT = false)`,
      about,
    };
  }
  const operator = dice.pick(["===", "<<<", "@#@", "~!~"]);
  return {
    sql: `CREATE OPERATOR ${quoteIdentifier(schema)}.${operator} (LEFTARG = integer, RIGHTARG = integer, FUNCTION = int4eq${dice.maybe(2, () => `, COMMUTATOR = OPERATOR(${quoteIdentifier(schema)}.${operator})`)}${dice.maybe(2, () => ", HASHES, MERGES")})`,
    about: [operator],
  };
};
