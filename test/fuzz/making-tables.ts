import { quoteIdentifier, quoteLiteral, quoteQualified } from "../../components/postgres/identifiers.ts";
import {
  type Application,
  type Column,
  columnName,
  nameOf,
  operandsOf,
  type Statement,
  type Table,
} from "./application.ts";
import type { Dice } from "./dice.ts";
import { condition, derived } from "./expressions.ts";
import { compositeType, domainType, enumType, orNull, rangeType } from "./types.ts";

export type Step = (app: Application, dice: Dice) => Statement | undefined;

export const makeType: Step = (app, dice) => {
  const { schema, name, sql } = app.place(dice);
  const about = [name];
  const usable = { grant: { on: `TYPE ${sql}`, privileges: ["USAGE"] } };
  const shape = dice.between(0, 4);
  if (shape <= 1) {
    const labels = dice.times(1, 4, () => app.names.fresh(dice));
    app.userTypes.push(enumType(sql, labels));
    app.made("TYPE", schema, name, usable);
    return { sql: `CREATE TYPE ${sql} AS ENUM (${labels.map(quoteLiteral).join(", ")})`, about };
  }
  if (shape === 2) {
    const base = app.type(dice);
    const check = app.names.fresh(dice);
    app.userTypes.push(domainType(sql, base));
    app.made("DOMAIN", schema, name, usable);
    const rule = condition([{ sql: "VALUE", family: base.family }], dice);
    const clauses = [
      base.isCollatable && dice.maybe(4, () => 'COLLATE "C"'),
      dice.maybe(4, () => `DEFAULT ${base.value(dice)}`),
      dice.maybe(6, () => "NOT NULL"),
      dice.maybe(2, () => `CONSTRAINT ${quoteIdentifier(check)} CHECK (${rule})`),
    ];
    return { sql: `CREATE DOMAIN ${sql} AS ${base.sql} ${clauses.filter(Boolean).join(" ")}`, about };
  }
  if (shape === 3) {
    const parts = dice.times(1, 3, () => ({ name: app.names.fresh(dice), type: app.type(dice) }));
    app.userTypes.push(
      compositeType(
        sql,
        parts.map(({ type }) => type),
      ),
    );
    app.made("TYPE", schema, name, usable);
    const list = parts.map((part) => `${quoteIdentifier(part.name)} ${part.type.sql}`).join(", ");
    return { sql: `CREATE TYPE ${sql} AS (${list})`, about };
  }
  app.userTypes.push(rangeType(sql));
  app.made("TYPE", schema, name, usable);
  return {
    sql: `CREATE TYPE ${sql} AS RANGE (subtype = ${dice.pick(["integer", "bigint", "numeric"])})`,
    about,
  };
};

export const makeTable: Step = (app, dice) => {
  const { schema, name, sql } = app.place(dice);
  const table: Table = { schema, name, columns: [], kind: "table", partitions: 0, key: [] };
  const parts = dice.times(0, 2, () => columnDefinition(app, table, dice));
  const unlogged = dice.maybe(10, () => "UNLOGGED ");
  const options = dice.maybe(5, () => ` WITH (${dice.pick(storage)})`);
  const key = keyClause(table, dice, 2);
  app.tables.push(table);
  app.madeTable(table);
  return {
    sql: `CREATE ${unlogged}TABLE ${sql} (${[...parts, ...key].join(", ")})${options}`,
    about: [name],
  };
};

const storage = [
  "fillfactor = 70",
  "autovacuum_enabled = false",
  "toast_tuple_target = 200",
  "toast.autovacuum_vacuum_threshold = 7, fillfactor = 90",
  "parallel_workers = 2",
];

export const makeChild: Step = (app, dice) => {
  const parents = app.tables.filter(({ kind }) => kind === "table");
  if (parents.length === 0) return undefined;
  const parent = dice.pick(parents);
  const { schema, name, sql } = app.place(dice);
  const table: Table = { schema, name, columns: [], kind: "table", partitions: 0, key: [] };
  const parts = dice.times(0, 2, () => columnDefinition(app, table, dice));
  table.columns.unshift(...parent.columns);
  app.tables.push(table);
  app.madeTable(table);
  return { sql: `CREATE TABLE ${sql} (${parts.join(", ")}) INHERITS (${nameOf(parent)})`, about: [name] };
};

export const makePartitioned: Step = (app, dice) => {
  const { schema, name, sql } = app.place(dice);
  const strategy = dice.pick(["range", "list", "hash"] as const);
  const table: Table = { schema, name, columns: [], kind: "partitioned", strategy, partitions: 0, key: [] };
  const by = app.names.fresh(dice);
  const integer = enumeratedIntegers();
  table.columns.push({ name: by, type: integer, isGiven: false });
  const parts = [
    `${quoteIdentifier(by)} integer`,
    ...dice.times(0, 2, () => columnDefinition(app, table, dice)),
  ];
  if (dice.once(2)) {
    table.key = table.columns.slice(0, 1);
    parts.push(`PRIMARY KEY (${quoteIdentifier(by)})`);
  }
  app.tables.push(table);
  app.madeTable(table);
  return {
    sql: `CREATE TABLE ${sql} (${parts.join(", ")}) PARTITION BY ${strategy.toUpperCase()} (${quoteIdentifier(by)})`,
    about: [name],
  };
};

/** So few that rows find their partition. */
function enumeratedIntegers(): Column["type"] {
  const value = (dice: Dice) => String(dice.between(0, 39));
  return { sql: "integer", family: "number", isOrdered: true, isCollatable: false, value };
}

export const makePartition: Step = (app, dice) => {
  const parents = app.tables.filter(({ kind }) => kind === "partitioned");
  if (parents.length === 0) return undefined;
  const parent = dice.pick(parents);
  const { schema, name, sql } = app.place(dice);
  const number = parent.partitions++;
  const bounds = {
    range: `FROM (${number * 10}) TO (${number * 10 + 10})`,
    list: `IN (${[0, 1, 2, 3].map((step) => number + step * 10).join(", ")}${number === 0 ? ", NULL" : ""})`,
    hash: `WITH (MODULUS 3, REMAINDER ${number})`,
  };
  const bound =
    parent.strategy !== "hash" && dice.once(4)
      ? "DEFAULT"
      : `FOR VALUES ${bounds[parent.strategy ?? "range"]}`;
  const deeper = dice.once(6) && parent.columns[0] !== undefined;
  const table: Table = {
    ...{ schema, name, columns: parent.columns, key: parent.key, partitions: 0 },
    ...(deeper ? { kind: "partitioned", strategy: "hash" } : { kind: "partition" }),
  };
  app.tables.push(table);
  app.madeTable(table);
  const by = deeper ? ` PARTITION BY HASH (${columnName(parent.columns[0] as Column)})` : "";
  return { sql: `CREATE TABLE ${sql} PARTITION OF ${nameOf(parent)} ${bound}${by}`, about: [name] };
};

export const addColumn: Step = (app, dice) => {
  const tables = app.tables.filter(({ kind }) => kind !== "partition");
  if (tables.length === 0) return undefined;
  const table = dice.pick(tables);
  const definition = columnDefinition(app, table, dice);
  return {
    sql: `ALTER TABLE ${nameOf(table)} ADD COLUMN ${definition}`,
    about: [table.columns.at(-1)?.name ?? ""],
  };
};

export const addReference: Step = (app, dice) => {
  const tables = app.tables.filter(({ kind }) => kind !== "partition");
  const referenced = app.tables.filter(({ key }) => key.length > 0);
  if (tables.length === 0 || referenced.length === 0) return undefined;
  const [table, other] = [dice.pick(tables), dice.pick(referenced)];
  const columns = other.key.map((part): Column => {
    const from = `(SELECT ${columnName(part)} FROM ${nameOf(other)} LIMIT 1)`;
    return { name: app.names.fresh(dice), type: part.type, isGiven: false, from };
  });
  table.columns.push(...columns);
  const name = app.names.fresh(dice);
  app.madeOn("CONSTRAINT", table, name, {
    drop: `ALTER TABLE ${nameOf(table)} DROP CONSTRAINT ${quoteIdentifier(name)}`,
  });
  const added = columns.map((column) => `ADD COLUMN ${columnName(column)} ${column.type.sql}`);
  const clauses = [
    dice.maybe(4, () => " MATCH FULL"),
    dice.maybe(3, () => ` ON DELETE ${dice.pick(["CASCADE", "SET NULL", "SET DEFAULT", "RESTRICT"])}`),
    dice.maybe(4, () => ` ON UPDATE ${dice.pick(["CASCADE", "NO ACTION"])}`),
    dice.maybe(3, () => ` ${dice.pick(["DEFERRABLE", "DEFERRABLE INITIALLY DEFERRED"])}`),
    dice.maybe(6, () => " NOT VALID"),
  ];
  const constraint = `ADD CONSTRAINT ${quoteIdentifier(name)} FOREIGN KEY (${columns.map(columnName).join(", ")}) REFERENCES ${nameOf(other)} (${other.key.map(columnName).join(", ")})${clauses.join("")}`;
  return {
    sql: `ALTER TABLE ${nameOf(table)} ${[...added, constraint].join(", ")}`,
    about: [name, table.name],
  };
};

export const addCheck: Step = (app, dice) => {
  const table = someTable(app, dice);
  if (table === undefined || table.columns.length === 0) return undefined;
  const name = app.names.fresh(dice);
  app.madeOn("CONSTRAINT", table, name, {
    drop: `ALTER TABLE ${nameOf(table)} DROP CONSTRAINT ${quoteIdentifier(name)}`,
  });
  const tail = dice.pick(["", "", " NOT VALID", " NO INHERIT"]);
  return {
    sql: `ALTER TABLE ${nameOf(table)} ADD CONSTRAINT ${quoteIdentifier(name)} CHECK (${condition(operandsOf(table), dice)})${tail}`,
    about: [name],
  };
};

export const addKey: Step = (app, dice) => {
  const table = someTable(app, dice);
  const columns = table?.columns.filter(({ type }) => type.isOrdered) ?? [];
  if (table === undefined || columns.length === 0) return undefined;
  const name = app.names.fresh(dice);
  const chosen = dice.some(columns, 2);
  const isPrimary = table.key.length === 0 && dice.once(2);
  if (isPrimary) table.key = chosen;
  app.madeOn("CONSTRAINT", table, name, {
    drop: `ALTER TABLE ${nameOf(table)} DROP CONSTRAINT ${quoteIdentifier(name)}`,
  });
  const kind = isPrimary ? "PRIMARY KEY" : `UNIQUE${dice.maybe(3, () => " NULLS NOT DISTINCT")}`;
  const tail = dice.maybe(
    4,
    () => ` ${dice.pick(["DEFERRABLE", "DEFERRABLE INITIALLY DEFERRED", "WITH (fillfactor = 50)"])}`,
  );
  const included = dice.maybe(6, () => ` INCLUDE (${columnName(dice.pick(table.columns))})`);
  return {
    sql: `ALTER TABLE ${nameOf(table)} ADD CONSTRAINT ${quoteIdentifier(name)} ${kind} (${chosen.map(columnName).join(", ")})${included}${tail}`,
    about: [name],
  };
};

export const makeIndex: Step = (app, dice) => {
  const table = someTable(app, dice);
  if (table === undefined || table.columns.length === 0) return undefined;
  const name = app.names.fresh(dice);
  const parts = dice.times(1, 2, () => {
    const operand = dice.pick(operandsOf(table));
    const part = dice.once(2) ? operand.sql : `(${derived(operand, dice).sql})`;
    return `${part}${dice.maybe(4, () => " DESC NULLS LAST")}`;
  });
  const method = dice.pick(["btree", "btree", "btree", "hash", "gin", "gist", "brin", "spgist"]);
  const unique = method === "btree" ? dice.maybe(5, () => "UNIQUE ") : "";
  const tail = [
    dice.maybe(6, () => ` INCLUDE (${columnName(dice.pick(table.columns))})`),
    method === "btree"
      ? dice.maybe(5, () => ` WITH (${dice.pick(["fillfactor = 60", "deduplicate_items = off"])})`)
      : "",
    dice.maybe(4, () => ` WHERE ${condition(operandsOf(table), dice)}`),
  ];
  const index = quoteQualified(table.schema, name);
  app.things.push({
    identity: `INDEX ${index}`,
    path: [table.schema, name],
    drop: `DROP INDEX ${index} CASCADE`,
    alter: `ALTER INDEX ${index}`,
  });
  const only = table.kind === "partitioned" ? dice.maybe(4, () => "ONLY ") : "";
  const columns = method === "btree" ? parts : [(parts[0] as string).replace(" DESC NULLS LAST", "")];
  return {
    sql: `CREATE ${unique}INDEX ${quoteIdentifier(name)} ON ${only}${nameOf(table)} USING ${method} (${columns.join(", ")})${tail.join("")}`,
    about: [name],
  };
};

export const makeStatistics: Step = (app, dice) => {
  const table = someTable(app, dice);
  if (table === undefined || table.columns.length < 2) return undefined;
  const { schema, name, sql } = app.place(dice);
  app.made("STATISTICS", schema, name);
  const kinds = dice.maybe(2, () => `(${dice.some(["ndistinct", "dependencies", "mcv"], 3).join(", ")}) `);
  const columns = dice.some(table.columns, 3).map(columnName);
  if (dice.once(3)) columns.push(`(${derived(dice.pick(operandsOf(table)), dice).sql})`);
  return {
    sql: `CREATE STATISTICS ${sql} ${kinds}ON ${columns.join(", ")} FROM ${nameOf(table)}`,
    about: [name],
  };
};

export const insertRows: Step = (app, dice) => {
  const table = someTable(app, dice);
  if (table === undefined) return undefined;
  const columns = table.columns.filter(({ isGiven }) => !isGiven);
  if (columns.length === 0)
    return { sql: `INSERT INTO ${nameOf(table)} DEFAULT VALUES`, about: [table.name] };
  const rows = dice.times(1, 4, () => {
    const values = columns.map(({ type, from, isRequired }) => {
      if (isRequired) return type.value(dice);
      return dice.once(8) ? "DEFAULT" : (from ?? orNull(type, dice));
    });
    return `(${values.join(", ")})`;
  });
  return {
    sql: `INSERT INTO ${nameOf(table)} (${columns.map(columnName).join(", ")}) VALUES ${rows.join(", ")}`,
    about: [table.name],
  };
};

export const changeRows: Step = (app, dice) => {
  const table = someTable(app, dice);
  if (table === undefined) return undefined;
  const columns = table.columns.filter(({ isGiven }) => !isGiven);
  const first = `ctid = (SELECT min(ctid) FROM ONLY ${nameOf(table)})`;
  const about = [table.name];
  if (dice.once(4) || columns.length === 0)
    return { sql: `DELETE FROM ONLY ${nameOf(table)} WHERE ${first}`, about };
  const column = dice.pick(columns);
  return {
    sql: `UPDATE ONLY ${nameOf(table)} SET ${columnName(column)} = ${column.from ?? orNull(column.type, dice)} WHERE ${first}`,
    about,
  };
};

/** The definition of a column, which the table has from now on. */
function columnDefinition(app: Application, table: Table, dice: Dice): string {
  const name = app.names.fresh(dice);
  const add = (type: Column["type"], isGiven: boolean) => table.columns.push({ name, type, isGiven });
  const quoted = quoteIdentifier(name);
  if (dice.once(8)) {
    const type = { ...enumeratedIntegers(), sql: dice.pick(["integer", "bigint", "smallint"]) };
    add(type, true);
    return dice.pick([
      `${quoted} ${type.sql === "integer" ? "serial" : `${type.sql}`.replace("int", "serial")}`,
      `${quoted} ${type.sql} GENERATED ALWAYS AS IDENTITY`,
      `${quoted} ${type.sql} GENERATED BY DEFAULT AS IDENTITY (START 5 INCREMENT -2 MINVALUE -50 MAXVALUE 10 CYCLE)`,
    ]);
  }
  if (dice.once(8) && table.columns.length > 0) {
    const { sql, type } = derived(dice.pick(operandsOf(table)), dice);
    if (type !== "") {
      add({ sql: type, family: "other", isOrdered: true, isCollatable: false, value: () => "NULL" }, true);
      const kind = dice.pick(["STORED", "STORED", "VIRTUAL"]);
      return `${quoted} ${type} GENERATED ALWAYS AS (${sql}) ${kind}`;
    }
  }
  const type = app.type(dice);
  add(type, false);
  const clauses = [
    type.isCollatable ? dice.maybe(6, () => ' COLLATE "C"') : "",
    type.sql === "text" ? dice.maybe(6, () => ` COMPRESSION ${dice.pick(["pglz", "default"])}`) : "",
    dice.maybe(5, () => " NOT NULL"),
    dice.maybe(3, () => ` DEFAULT ${dice.once(8) ? dice.pick(defaults) : type.value(dice)}`),
    dice.maybe(12, () => " UNIQUE"),
  ];
  return `${quoted} ${type.sql}${clauses.join("")}`;
}

const defaults = ["now()", "gen_random_uuid()", "CURRENT_USER", "random()", "clock_timestamp()"];

function keyClause(table: Table, dice: Dice, inTimes: number): string[] {
  const columns = table.columns.filter(({ type }) => type.isOrdered);
  if (columns.length === 0 || !dice.once(inTimes)) return [];
  table.key = dice.some(columns, 2);
  return [`PRIMARY KEY (${table.key.map(columnName).join(", ")})`];
}

export function someTable(app: Application, dice: Dice): Table | undefined {
  return app.tables.length === 0 ? undefined : dice.pick(app.tables);
}
