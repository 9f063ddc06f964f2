import { quoteIdentifier, quoteQualified } from "../../components/postgres/identifiers.ts";
import type { Dice } from "./dice.ts";
import type { Operand } from "./expressions.ts";
import { Names } from "./names.ts";
import { arrayOf, builtInType, type ColumnType } from "./types.ts";

export interface Column {
  readonly name: string;
  readonly type: ColumnType;
  /** Computed or numbered by the server: no statement writes it. */
  readonly isGiven: boolean;
  /** NOT NULL. */
  readonly isRequired?: boolean;
  /** Taken from another table's key instead of the type's values. */
  readonly from?: string;
}

export interface Table {
  readonly schema: string;
  name: string;
  readonly columns: Column[];
  readonly kind: "table" | "partitioned" | "partition";
  /** Of a partitioned table. */
  readonly strategy?: "range" | "list" | "hash";
  partitions: number;
  /** Columns of its primary key. */
  key: readonly Column[];
}

/** Something that was made, by the words that other statements use for it. */
export interface Thing {
  /** As COMMENT ON, and most of them as DROP, name it: `TABLE "a"."b"`, `TRIGGER "t" ON "a"."b"`. */
  readonly identity: string;
  /** Names without quotes; the last one is its own. */
  readonly path: readonly string[];
  readonly drop: string;
  /** What GRANT takes after ON, with the privileges that it knows. */
  readonly grant?: { readonly on: string; readonly privileges: readonly string[] };
  readonly ownable?: boolean;
  /** Before RENAME TO and SET SCHEMA. */
  readonly alter?: string;
}

export interface Statement {
  readonly sql: string;
  /** The names, without quotes, of what it is about: a gate that is red because of it says one of them. */
  readonly about: readonly string[];
}

/**
 * What has been made so far, as far as the next statement has to know it. A statement may fail on the server: then it is
 * left out, and what was to come of it fails, too.
 */
export class Application {
  readonly names = new Names();
  readonly schemas: readonly string[];
  readonly tables: Table[] = [];
  readonly userTypes: ColumnType[] = [];
  readonly views: Table[] = [];
  readonly sequences: Array<{ schema: string; name: string }> = [];
  readonly triggerFunctions: string[] = [];
  /** Quoted, of one text argument, immutable. */
  readonly functions: string[] = [];
  readonly things: Thing[] = [];
  readonly statements: Statement[] = [];

  constructor(schemas: readonly string[]) {
    this.schemas = schemas;
  }

  add(statement: Statement | undefined): void {
    if (statement !== undefined) this.statements.push(statement);
  }

  /** A schema and a fresh name in it. */
  place(dice: Dice): { schema: string; name: string; sql: string } {
    const schema = dice.pick(this.schemas);
    const name = this.names.fresh(dice);
    return { schema, name, sql: quoteQualified(schema, name) };
  }

  type(dice: Dice): ColumnType {
    const base = this.userTypes.length > 0 && dice.once(4) ? dice.pick(this.userTypes) : builtInType(dice);
    return dice.once(8) ? arrayOf(base) : base;
  }

  /** A thing of a kind: its word and its quoted name. */
  made(kind: string, schema: string, name: string, more: Partial<Thing> = {}): Thing {
    return this.#madeAs(`${kind} ${quoteQualified(schema, name)}`, [schema, name], more);
  }

  /** A routine, by its word and its arguments. */
  madeRoutine(kind: string, schema: string, name: string, args: string): Thing {
    const identity = `${kind} ${quoteQualified(schema, name)}(${args})`;
    return this.#madeAs(identity, [schema, name], { grant: { on: identity, privileges: ["EXECUTE"] } });
  }

  #madeAs(identity: string, path: readonly string[], more: Partial<Thing>): Thing {
    const thing = {
      identity,
      path,
      drop: `DROP ${identity} CASCADE`,
      alter: `ALTER ${identity}`,
      ownable: true,
      ...more,
    };
    this.things.push(thing);
    return thing;
  }

  madeTable({ schema, name }: Pick<Table, "schema" | "name">): void {
    this.made("TABLE", schema, name, {
      grant: {
        on: `TABLE ${quoteQualified(schema, name)}`,
        privileges: ["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"],
      },
    });
  }

  /** A thing on a table: a trigger, a policy, a constraint. */
  madeOn(kind: string, table: Pick<Table, "schema" | "name">, name: string, more: Partial<Thing> = {}): void {
    const identity = `${kind} ${quoteIdentifier(name)} ON ${nameOf(table)}`;
    this.things.push({
      identity,
      path: [table.schema, table.name, name],
      drop: `DROP ${identity}`,
      ...(kind === "CONSTRAINT" ? {} : { alter: `ALTER ${identity}` }),
      ...more,
    });
  }
}

export function nameOf({ schema, name }: Pick<Table, "schema" | "name">): string {
  return quoteQualified(schema, name);
}

export function operandsOf({ columns }: Table, qualifier = ""): Operand[] {
  return columns.map(({ name, type: { family, value } }) => ({
    sql: qualifier + quoteIdentifier(name),
    ...{ family, value },
  }));
}

/** A column's name as SQL. */
export function columnName({ name }: Pick<Column, "name">): string {
  return quoteIdentifier(name);
}
