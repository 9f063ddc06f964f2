import { quoteIdentifier, quoteLiteral, quoteQualified } from "../../components/postgres/identifiers.ts";

/** One column of a generated table. Its values depend on nothing but the row's number, so that each build is the same. */
export interface Column {
  readonly name: string;
  readonly type: string;
  /** SQL for the value in row `n` of the table. */
  value(table: GeneratedTable, rowsOf: (table: string) => number): string;
  readonly index?: "btree" | "gin" | "unique";
  /** The table, as `schema.name`, whose key this is. */
  readonly references?: string;
  readonly isNullable?: boolean;
  /** Of an enum. */
  readonly labels?: readonly string[];
}

/** A table as it is generated; `rows` for one megabyte of data, or for each table of the many small ones. */
export interface GeneratedTable {
  readonly schema: string;
  readonly name: string;
  readonly key: "text" | "uuid" | "serial";
  readonly rows: number;
  readonly columns: readonly Column[];
}

/** The key of row `number` of a table: a cuid, whose beginning grows with time, or a random uuid, as Prisma makes them. */
export function keyValue({ schema, name, key }: GeneratedTable, number: string): string {
  if (key === "serial") return number;
  const hash = `md5(${quoteLiteral(`${schema}.${name}`)} || ${number})`;
  return key === "uuid" ? `${hash}::uuid` : `'c' || lpad(to_hex(${number}), 9, '0') || left(${hash}, 15)`;
}

/** The type of the column that holds such a key. */
export function keyType({ key }: GeneratedTable): string {
  return { text: "text", uuid: "uuid", serial: "integer" }[key];
}

/** SQL for a number from 0 to `limit - 1` that looks random and is the same for the same row, column and table. */
function random(table: GeneratedTable, column: string, limit: number | string): string {
  const salt = [...`${table.schema}.${table.name}.${column}`].reduce(
    (sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 1_000_003,
    7,
  );
  return `((hashint8extended(n, ${salt}) & 9007199254740991) % ${limit})`;
}

/** A foreign key, which Prisma's users index by hand. */
export function reference(name: string, to: GeneratedTable, { isNullable = false } = {}): Column {
  return {
    name,
    type: keyType(to),
    references: `${to.schema}.${to.name}`,
    index: "btree",
    isNullable,
    value(table, rowsOf) {
      const rows = rowsOf(`${to.schema}.${to.name}`);
      const key = keyValue(to, `(1 + ${random(table, name, rows)})`);
      return isNullable ? `CASE WHEN ${random(table, `${name}?`, 4)} > 0 THEN ${key} END` : key;
    },
  };
}

const words =
  "control follow-up headache pressure sleep therapy anxiety medication morning evening left right pain mild severe";

/** Two words and a number. */
export function label(name: string, { unique = false } = {}): Column {
  const pick = (table: GeneratedTable, part: string) =>
    `split_part('${words}', ' ', 1 + ${random(table, `${name}${part}`, 15)}::int)`;
  return {
    name,
    type: "text",
    ...(unique ? { index: "unique" } : {}),
    value: (table) => `${pick(table, "a")} || ' ' || ${pick(table, "b")} || ' ' || n`,
  };
}

/** About `paragraphs` times 450 letters of prose; long ones are compressed and stored out of line. */
export function prose(name: string, paragraphs: number): Column {
  return { name, type: "text", value: (table) => proseValue(table, name, paragraphs) };
}

function proseValue(table: GeneratedTable, name: string, paragraphs: number): string {
  const numbers = Array.from({ length: paragraphs }, (_, part) =>
    random(table, `${name}${part}`, paragraphCount),
  );
  return `(SELECT string_agg(body, ' ') FROM building.paragraph WHERE number IN (${numbers.join(", ")}))`;
}

const paragraphCount = 4096;

const syllables =
  "ka lo mi ta re nu so pe vi da la no ce ri mo tu sa be go fi la pa ro de li ma te na du si co ve";

/** A word, the ones with low numbers more often, as in a language. */
const word = `split_part('${syllables}', ' ', 1 + mod(pick * pick / 331, 32)) || split_part('${syllables}', ' ', 1 + mod(pick, 32))
  || CASE WHEN pick % 3 = 0 THEN split_part('${syllables}', ' ', 1 + mod(pick / 7, 32)) ELSE '' END`;

/** Statements that make what {@link prose} is taken from, and the one that drops it. */
export const paragraphs = {
  make: [
    "CREATE SCHEMA building",
    `CREATE TABLE building.paragraph AS
       SELECT number, (SELECT string_agg(${word}, ' ')
                         FROM generate_series(1, 80) AS place,
                              LATERAL (SELECT (sqrt(hashint4(number * 80 + place)::bigint & 1048575))::int AS pick) AS picked) AS body
         FROM generate_series(0, ${paragraphCount - 1}) AS number`,
    "CREATE UNIQUE INDEX ON building.paragraph (number)",
    "ANALYZE building.paragraph",
  ],
  drop: "DROP SCHEMA building CASCADE",
} as const;

/** A document with a few fields, and with prose in it where `paragraphs` is given. */
export function document(name: string, { paragraphs = 0, indexed = false } = {}): Column {
  return {
    name,
    type: "jsonb",
    ...(indexed ? { index: "gin" } : {}),
    value(table) {
      const fields = [
        `'version', ${random(table, name, 9)}`,
        `'source', 'form-' || ${random(table, `${name}s`, 40)}`,
        `'vitals', jsonb_build_object('pulse', 50 + ${random(table, `${name}p`, 60)}, 'systolic', 100 + ${random(table, `${name}y`, 60)})`,
        `'tags', jsonb_build_array('t' || ${random(table, `${name}t`, 200)}, 't' || ${random(table, `${name}u`, 200)})`,
      ];
      if (paragraphs > 0) fields.push(`'text', ${proseValue(table, name, paragraphs)}`);
      return `jsonb_build_object(${fields.join(", ")})`;
    },
  };
}

export function timestamp(name: string, { indexed = false } = {}): Column {
  return {
    name,
    type: "timestamp with time zone",
    ...(indexed ? { index: "btree" } : {}),
    value: (table) =>
      `timestamptz '2023-01-01 00:00:00Z' + n * interval '1 second' + ${random(table, name, 86_400_000)} * interval '1 millisecond'`,
  };
}

/** Labels of an enum type named after the table and the column. */
export function enumeration(name: string, labels: readonly string[]): Column {
  return {
    name,
    type: "enum",
    labels,
    value: (table) =>
      `(ARRAY[${literals(labels)}])[1 + ${random(table, name, labels.length)}]::${enumType(table, name)}`,
  };
}

/** What an enum column's type is called. */
export function enumType({ schema, name }: GeneratedTable, column: string): string {
  return quoteQualified(schema, `${name}_${column}`);
}

/** The statement that makes an enum column's type. */
export function makeEnum(table: GeneratedTable, { name, labels = [] }: Column): string {
  return `CREATE TYPE ${enumType(table, name)} AS ENUM (${literals(labels)})`;
}

function literals(texts: readonly string[]): string {
  return texts.map((text) => quoteLiteral(text)).join(", ");
}

export function amount(name: string): Column {
  return { name, type: "numeric(12,2)", value: (table) => `${random(table, name, 1_000_000)} / 100.0` };
}

export function flag(name: string): Column {
  return { name, type: "boolean", value: (table) => `${random(table, name, 2)} = 1` };
}

export function tags(name: string): Column {
  return {
    name,
    type: "text[]",
    index: "gin",
    value: (table) =>
      `ARRAY['tag-' || ${random(table, `${name}a`, 300)}, 'tag-' || ${random(table, `${name}b`, 300)}]`,
  };
}

/** A column as `CREATE TABLE` has it. */
export function columnDefinition(table: GeneratedTable, { name, type, isNullable }: Column): string {
  const typeName = type === "enum" ? enumType(table, name) : type;
  return `${quoteIdentifier(name)} ${typeName}${isNullable ? "" : " NOT NULL"}`;
}
