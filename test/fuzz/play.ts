import { randomBytes } from "node:crypto";
import { runGate } from "../../components/migration/gate/gate.ts";
import type { GateReport } from "../../components/migration/gate/report.ts";
import { ensureJournal } from "../../components/migration/journal/journal.ts";
import { displayName } from "../../components/postgres/catalogue/catalogue.ts";
import { type ConnectionTarget, withConnection } from "../../components/postgres/connection.ts";
import {
  closeTargetFence,
  fenceNewTables,
  inTransaction,
  removeFence,
} from "../../components/postgres/fence/fence.ts";
import { quoteIdentifier, quoteLiteral } from "../../components/postgres/identifiers.ts";
import { dropCopy, listRelationNames } from "../../components/postgres/load/drop-copy.ts";
import { listObjectNames } from "../../components/postgres/load/drop-copy-objects.ts";
import type { LoadThresholds } from "../../components/postgres/load/tables.ts";
import { listTables } from "../../components/postgres/relations.ts";
import type { SequenceState } from "../../components/postgres/sequences.ts";
import { fingerprint, protectedDdl, protectedSchemas, shown } from "../migration/gate/world.ts";
import { preflight } from "../migration/preflight/world.ts";
import { copyAll } from "../postgres/load/fixture.ts";
import { createDatabase, type TestDatabase } from "../world/postgres/databases.ts";
import type { Statement } from "./application.ts";
import { roles } from "./changing.ts";
import { type Contents, differences, dumpScript, readContents } from "./oracle.ts";
import type { Scenario } from "./scenario.ts";

/** A server that databases are made on. */
export interface Server {
  readonly majorVersion: number;
  connection(database?: string): ConnectionTarget;
}

/** Counted over all plays. */
export interface Figures {
  databases: number;
  refusedStatements: number;
  statements: number;
  /** Databases that the preflight refused, by the code of a blocker. */
  readonly refused: Map<string, number>;
  copies: number;
  withoutReference: number;
  changes: number;
  /** Changes that made a difference, and by what the gate was red. */
  redChanges: number;
  /** What servers said to statements that they refused, for whoever mends the grammar. */
  readonly complaints: Map<string, number>;
}

export function newFigures(): Figures {
  return {
    ...{
      databases: 0,
      refusedStatements: 0,
      statements: 0,
      copies: 0,
      withoutReference: 0,
      changes: 0,
      redChanges: 0,
    },
    refused: new Map(),
    complaints: new Map(),
  };
}

/** Two servers, with what all plays on them have in common. */
export class Arena {
  readonly source: Server;
  readonly target: Server;
  readonly figures: Figures;
  readonly #expected: ReadonlySet<string>;
  /** With the extensions that applications use, where both servers have them. */
  readonly #templates: Templates;

  private constructor(
    source: Server,
    target: Server,
    figures: Figures,
    expected: ReadonlySet<string>,
    templates: Templates,
  ) {
    [this.source, this.target, this.figures] = [source, target, figures];
    [this.#expected, this.#templates] = [expected, templates];
  }

  static async create(source: Server, target: Server, figures: Figures): Promise<Arena> {
    for (const server of new Set([source, target])) await runAll(server.connection("postgres"), [makeRoles]);
    const extensions = await createExtensions(source, target);
    const templates = {
      source: await createTemplate(source, extensions),
      plain: await createTemplate(target, extensions),
      target: await createTemplate(target, [...extensions, protectedDdl]),
    };
    const { connection } = templates.target;
    await withConnection(connection, { purpose: "test" }, ensureJournal);
    const blockers = await blockersOf(templates.source.connection, connection, ["public"]);
    return new Arena(source, target, figures, new Set(blockers), templates);
  }

  async dispose(): Promise<void> {
    await Promise.all(Object.values(this.#templates).map((template) => template.drop()));
  }

  /** @throws Error that says which promise is broken, and by what */
  async play(scenario: Scenario): Promise<void> {
    const databases: TestDatabase[] = [];
    const create = async (server: Server, template: TestDatabase) => {
      const database = await createDatabase(server, { template: template.connection.database });
      databases.push(database);
      return database;
    };
    try {
      await this.#play(scenario, create);
    } finally {
      await Promise.all(databases.map((database) => database.drop()));
    }
  }

  async #play(
    { schemas, statements, changes, asLarge = false }: Scenario,
    create: (server: Server, template: TestDatabase) => Promise<TestDatabase>,
  ): Promise<void> {
    const { figures } = this;
    const source = await create(this.source, this.#templates.source);
    figures.databases += 1;
    await this.#make(source.connection, statements);
    const target = await create(this.target, this.#templates.target);
    const blockers = (await blockersOf(source.connection, target.connection, schemas)).filter(
      (blocker) => !this.#expected.has(blocker),
    );
    if (blockers.length > 0) {
      for (const code of new Set(blockers.map((blocker) => blocker.split(" ")[0] ?? "")))
        figures.refused.set(code, (figures.refused.get(code) ?? 0) + 1);
      return;
    }
    figures.copies += 1;
    const before = await dumpScript(target.connection, ["public", ...protectedSchemas]);
    const { gate, sequences } = await copyFenced(source.connection, target, {
      schemas,
      ...(asLarge ? { thresholds: everyTableIsLarge } : {}),
    });
    const contents = await readContents(target.connection, schemas);
    const different = await this.#compare(source.connection, contents, schemas, create);
    judge({ different, gate, what: "the copy" });
    if (different.length > 0)
      throw new Error(`the copy differs, and the gate says so:\n${different.join("\n")}`);
    for (const change of changes) {
      const changed = await create(this.target, target);
      await this.#change(change, { source: source.connection, changed, schemas, sequences, contents });
      await changed.drop();
    }
    await dropAgain(source.connection, target.connection, schemas);
    const after = await dumpScript(target.connection, ["public", ...protectedSchemas]);
    if (withoutStamps(after) !== withoutStamps(before))
      throw new Error("what was there before the copy is not what is there after it was dropped");
  }

  async #make(database: ConnectionTarget, statements: readonly string[]): Promise<void> {
    const { figures } = this;
    await withConnection(database, { purpose: "test" }, async (client) => {
      for (const statement of statements) {
        figures.statements += 1;
        await client.query(statement).catch((error: Error) => {
          figures.refusedStatements += 1;
          const complaint = `${statement.split(" ").slice(0, 2).join(" ")}: ${error.message.replaceAll(/"[^"]*"/g, '"…"')}`;
          figures.complaints.set(complaint, (figures.complaints.get(complaint) ?? 0) + 1);
        });
      }
    });
  }

  /**
   * pg_dump has to say the same about both, or else about the copy and what it makes of the source by itself, together
   * with the target's server. Where that fails, only rows are compared.
   */
  async #compare(
    source: ConnectionTarget,
    copy: Contents,
    schemas: readonly string[],
    create: (server: Server, template: TestDatabase) => Promise<TestDatabase>,
  ): Promise<string[]> {
    // A copy's materialised views show the rows of now, those of the source what they were when it was refreshed.
    const lasting = (contents: Contents) => chosen(contents, (name) => !name.startsWith("what shows "));
    const original = lasting(await readContents(source, schemas));
    if (differences(original, lasting(copy)).length === 0) return [];
    const isContent = (name: string) => /^(rows of|populated) /.test(name);
    const reference = await create(this.target, this.#templates.plain);
    const script = await dumpScript(source, schemas);
    const isMade = await restore(reference.connection, script);
    if (!isMade) this.figures.withoutReference += 1;
    const restored = isMade ? await readContents(reference.connection, schemas) : copy;
    return [
      ...differences(chosen(lasting(restored), not(isContent)), chosen(lasting(copy), not(isContent))),
      ...differences(chosen(original, isContent), chosen(copy, isContent)),
    ];
  }

  async #change(
    { sql, about }: Statement,
    copy: {
      readonly source: ConnectionTarget;
      readonly changed: TestDatabase;
      readonly schemas: readonly string[];
      readonly sequences: readonly SequenceState[];
      readonly contents: Contents;
    },
  ): Promise<void> {
    const { changed, schemas, sequences, source } = copy;
    const protectedBefore = await fingerprint(changed);
    const isDone = await runAll(changed.connection, [sql]).then(
      () => true,
      () => false,
    );
    if (!isDone) return;
    this.figures.changes += 1;
    const different = differences(copy.contents, await readContents(changed.connection, schemas));
    if (different.length > 0) this.figures.redChanges += 1;
    const gate = await runGate({
      ...{ source, target: changed.connection, schemas, protectedSchemas, protectedBefore },
      ...{ expectedSequences: sequences, accept: [], workers: 2 },
    });
    judge({ different, gate, what: sql, about: await withPartitions(changed.connection, about) });
  }
}

/** What befalls a partitioned table is seen in those that hold its rows. */
async function withPartitions(database: ConnectionTarget, names: readonly string[]): Promise<string[]> {
  return withConnection(database, { purpose: "test" }, async (client) => {
    const { rows } = await client.query<{ name: string }>(
      `SELECT c.relname AS name FROM pg_class t CROSS JOIN pg_partition_tree(t.oid) p JOIN pg_class c ON c.oid = p.relid
        WHERE t.relname = ANY ($1::text[]) AND t.relkind = 'p'`,
      [names],
    );
    return [...names, ...rows.map(({ name }) => name)];
  });
}

interface Templates {
  readonly source: TestDatabase;
  readonly target: TestDatabase;
  /** Of the target's server, with nothing else in it. */
  readonly plain: TestDatabase;
}

async function createTemplate(server: Server, statements: readonly string[]): Promise<TestDatabase> {
  const template = await createDatabase(server);
  await runAll(template.connection, statements);
  return template;
}

/** The statements that create what both servers have of them. */
async function createExtensions(...servers: readonly Server[]): Promise<string[]> {
  const available = await Promise.all(
    servers.map((server) =>
      withConnection(server.connection("postgres"), { purpose: "test" }, (client) =>
        client.query<{ name: string }>("SELECT name FROM pg_available_extensions"),
      ),
    ),
  );
  return usedExtensions
    .filter((wanted) => available.every(({ rows }) => rows.some(({ name }) => name === wanted)))
    .map((name) => `CREATE EXTENSION ${quoteIdentifier(name)} SCHEMA public`);
}

const usedExtensions = [
  "btree_gist",
  "citext",
  "hstore",
  "ltree",
  "pg_stat_statements",
  "pg_trgm",
  "uuid-ossp",
];

function chosen(contents: Contents, isChosen: (name: string) => boolean): Contents {
  return new Map([...contents].filter(([name]) => isChosen(name)));
}

function not(isChosen: (name: string) => boolean): (name: string) => boolean {
  return (name) => !isChosen(name);
}

function judge({
  different,
  gate,
  what,
  about,
}: {
  readonly different: readonly string[];
  readonly gate: GateReport;
  readonly what: string;
  readonly about?: readonly string[];
}): void {
  const found = shown(gate);
  if (different.length === 0 && gate.verdict === "red")
    throw new Error(`${what}: pg_dump sees no difference, and the gate is red:\n${found.join("\n")}`);
  if (different.length > 0 && gate.verdict === "green")
    throw new Error(`${what}: the gate is green, and pg_dump sees a difference:\n${different.join("\n")}`);
  const names = about?.map((name) => displayName([name]));
  if (
    gate.verdict === "red" &&
    names !== undefined &&
    !found.some((line) => names.some((name) => line.includes(name)))
  )
    throw new Error(`${what}: the gate is red and names none of ${names.join(", ")}:\n${found.join("\n")}`);
}

async function blockersOf(
  source: ConnectionTarget,
  target: ConnectionTarget,
  schemas: readonly string[],
): Promise<string[]> {
  const { findings } = await preflight(
    { source, target },
    { inputs: { schemas: [...schemas], protectedSchemas } },
  );
  return findings
    .filter(({ severity }) => severity !== "warning")
    .map(({ code, object }) => `${code} ${object}`);
}

/** As a cutover does: behind a fence that only the loader passes, and everybody waits at afterwards. */
async function copyFenced(
  source: ConnectionTarget,
  target: TestDatabase,
  options: { readonly schemas: readonly string[]; readonly thresholds?: LoadThresholds },
): Promise<{ gate: GateReport; sequences: readonly SequenceState[] }> {
  const { schemas } = options;
  const loaderToken = randomBytes(24).toString("base64url");
  const protectedBefore = await fingerprint(target);
  const onTarget = <Result>(use: Parameters<typeof withConnection<Result>>[2]) =>
    withConnection(target.connection, { purpose: "test" }, use);
  await onTarget((client) => closeTargetFence(client, { tables: [], schemas, loaderToken }));
  const { sequences } = await copyAll(source, target.connection, {
    ...options,
    loaderToken,
    withDefinitions: fenceNewTables(schemas),
  });
  await onTarget(async (client) =>
    closeTargetFence(client, { tables: await listTables(client, schemas), schemas }),
  );
  const gate = await runGate({
    ...{ source, target: target.connection, schemas, protectedSchemas, protectedBefore },
    ...{ expectedSequences: sequences, accept: [], workers: 2 },
  });
  await onTarget(async (client) => {
    await client.query("UPDATE pgvector_cutover.fence SET open = true");
    await removeFence(client);
  });
  return { gate, sequences };
}

/** In pieces of a page, frozen, with indexes side by side and foreign keys checked apart. */
const everyTableIsLarge: LoadThresholds = { piece: 8192, sideBySide: 0, frozen: 0, checkedApart: 0 };

/** As an abort does. */
async function dropAgain(
  source: ConnectionTarget,
  target: ConnectionTarget,
  schemas: readonly string[],
): Promise<void> {
  const expected = await withConnection(source, { purpose: "test" }, async (client) => ({
    relations: await listRelationNames(client, schemas),
    objects: await listObjectNames(client, schemas),
  }));
  await withConnection(target, { purpose: "test" }, (client) =>
    inTransaction(client, () =>
      dropCopy(client, {
        ...{ schemas, expected, mayHoldUnfencedRows: true },
        createdSchemas: schemas.filter((schema) => schema !== "public"),
      }),
    ),
  );
}

/** @returns whether the server took the whole script */
async function restore(database: ConnectionTarget, script: string): Promise<boolean> {
  const statements = script.replaceAll(/^(\\(un)?restrict .*|CREATE SCHEMA public;)$/gm, "");
  return runAll(database, [statements]).then(
    () => true,
    () => false,
  );
}

async function runAll(database: ConnectionTarget, statements: readonly string[]): Promise<void> {
  await withConnection(database, { purpose: "test" }, async (client) => {
    for (const statement of statements) await client.query(statement);
  });
}

const withoutStamps = (script: string) => script.replaceAll(/^(\\(un)?restrict .*|-- Dumped .*)$/gm, "");

const makeRoles = roles
  .map(
    (role) =>
      `DO $do$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = ${quoteLiteral(role)}) THEN CREATE ROLE ${quoteIdentifier(role)}; END IF; END $do$;`,
  )
  .join("\n");
