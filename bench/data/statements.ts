import { quoteIdentifier, quoteLiteral, quoteQualified } from "../../components/postgres/identifiers.ts";
import { columnDefinition, type GeneratedTable, keyType, keyValue, makeEnum } from "./columns.ts";

/** The schemas of the tables, sorted. */
export function schemasOf(tables: readonly GeneratedTable[]): string[] {
  return [...new Set(tables.map(({ schema }) => schema))].toSorted();
}

/** Schemas, enum types and tables, without any index or constraint. */
export function definitions(tables: readonly GeneratedTable[]): string[] {
  return [
    ...schemasOf(tables).map((schema) => `CREATE SCHEMA IF NOT EXISTS ${quoteIdentifier(schema)}`),
    ...tables.flatMap((table) => [
      ...table.columns.filter(({ type }) => type === "enum").map((column) => makeEnum(table, column)),
      `CREATE TABLE ${nameOf(table)} (${[
        `id ${keyType(table)} NOT NULL`,
        ...table.columns.map((column) => columnDefinition(table, column)),
      ].join(", ")})`,
    ]),
  ];
}

/** Fills a table; the rows that others refer to need not be there yet. */
export function fill(table: GeneratedTable, tables: readonly GeneratedTable[]): string {
  const rowsOf = (name: string) =>
    tables.find(({ schema, name: other }) => `${schema}.${other}` === name)?.rows ?? 1;
  const values = [keyValue(table, "n"), ...table.columns.map((column) => column.value(table, rowsOf))];
  return `INSERT INTO ${nameOf(table)} SELECT ${values.join(", ")} FROM generate_series(1, ${table.rows}) AS n`;
}

/** Primary keys and indexes of a table, one statement each. */
export function indexes(table: GeneratedTable): string[] {
  return [
    `ALTER TABLE ${nameOf(table)} ADD PRIMARY KEY (id)`,
    ...table.columns.flatMap(({ name, index }) => {
      if (index === undefined) return [];
      const unique = index === "unique" ? "UNIQUE " : "";
      const method = index === "gin" ? "gin" : "btree";
      return `CREATE ${unique}INDEX ON ${nameOf(table)} USING ${method} (${quoteIdentifier(name)})`;
    }),
  ];
}

/** What comes last: foreign keys, and the sequences behind the numbered keys. */
export function constraints(table: GeneratedTable): string[] {
  const { schema, name, key, columns, rows } = table;
  const foreignKeys = columns.flatMap(({ name: column, references }) => {
    if (references === undefined) return [];
    const [toSchema = "", toTable = ""] = references.split(".");
    return `ALTER TABLE ${nameOf(table)} ADD FOREIGN KEY (${quoteIdentifier(column)}) REFERENCES ${quoteQualified(toSchema, toTable)} ON UPDATE CASCADE ON DELETE CASCADE`;
  });
  if (key !== "serial") return foreignKeys;
  const sequence = quoteQualified(schema, `${name}_id_seq`);
  return [
    ...foreignKeys,
    `CREATE SEQUENCE ${sequence} OWNED BY ${nameOf(table)}.id`,
    `ALTER TABLE ${nameOf(table)} ALTER COLUMN id SET DEFAULT nextval(${quoteLiteral(sequence)})`,
    `SELECT setval(${quoteLiteral(sequence)}, ${rows})`,
  ];
}

function nameOf({ schema, name }: GeneratedTable): string {
  return quoteQualified(schema, name);
}
