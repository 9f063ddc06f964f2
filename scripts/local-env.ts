import { parseArgs } from "node:util";
import { CutoverError } from "../components/errors.ts";
import { resolveDatabase } from "../components/migration/decide/resolve.ts";
import { type Transport, transportSchema } from "../components/migration/inputs.ts";
import { databaseUrl, withConnection } from "../components/postgres/connection.ts";
import { type Change, planSetting, planUndo, variableName } from "./local-env/changes.ts";
import { type EnvFile, findRoot, readEnvFiles, writeEnvFile } from "./local-env/env-files.ts";
import { gitState } from "./local-env/git-state.ts";
import { renderChanges, warningsOf } from "./local-env/render-changes.ts";
import { type FileRecord, readUndo, undoLocation, writeUndo } from "./local-env/undo-record.ts";
import { readStack, runScript, type StackContext, wrongArguments } from "./stack.ts";

const help = `Sets ${variableName} for development on this machine: in apps/doctor/.env.local, packages/database/.env and .env of
the application's monorepo, to the new database as this machine reaches it. Everything else in the files stays as it
is, byte for byte. The password is read from Railway, tried, and never printed.

  npm run local-env -- --monorepo ../clinic [--stack prod] [--via tunnel --port 15432] [--yes [--allow-tracked]]
  npm run local-env -- --monorepo ../clinic --undo [--yes]

Without --yes it only shows what would change.

--via   how this machine reaches the database: tunnel (--port: what a tunnel forwards), tls (its TCP proxy; --fingerprint:
        of its certificate), private. Default: as the stack's transport.target says, if that is not private.
--allow-tracked  writes into files that git tracks, too, from where the next commit takes the password. Refused without.
--undo  puts back what stood there before the first call. Kept for that in $XDG_STATE_HOME/railway-pgvector-cutover
        (or ~/.local/state), readable by you alone, and deleted afterwards.

With tls the certificate is held against the fingerprint here; the application's own client then encrypts without looking at
it, so a tunnel is safer. Clear text is taken only where the stack's transport.target says plaintext, with its reason.

Exit codes:
  0  written, taken back, or shown; or nothing to change
  1  failed or refused: the error says why
  2  wrong arguments
`;

await runScript(async () => {
  const { values } = parseArgs({
    options: {
      stack: { type: "string", default: "prod" },
      monorepo: { type: "string" },
      via: { type: "string" },
      port: { type: "string" },
      fingerprint: { type: "string" },
      undo: { type: "boolean", default: false },
      "allow-tracked": { type: "boolean", default: false },
      yes: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return 0;
  }
  const { monorepo, via, port, fingerprint } = values;
  const way = [via, port, fingerprint].some((value) => value !== undefined);
  if (monorepo === undefined) {
    throw wrongArguments("--monorepo is missing: the root of the application's monorepo");
  }
  if (values.undo && way) throw wrongArguments("--undo takes neither --via nor --port nor --fingerprint");
  const modes = { yes: values.yes, allowTracked: values["allow-tracked"] };
  const transport = way ? parseTransport(via, port, fingerprint) : undefined;
  const files = await readEnvFiles(monorepo);
  const place = undoLocation(await findRoot(monorepo));
  const records = await readUndo(place);
  return values.undo
    ? takeBack(files, records, place, values.yes)
    : set(files, records, place, modes, await urlFor(await readStack(values.stack), transport));
});

async function set(
  files: readonly EnvFile[],
  records: readonly FileRecord[],
  place: string,
  { yes, allowTracked }: { readonly yes: boolean; readonly allowTracked: boolean },
  url: string,
): Promise<number> {
  const changes = files
    .map((file) => planSetting(file, url, recordOf(file, records)))
    .filter((change) => change !== undefined);
  process.stdout.write(renderChanges(changes));
  const tracked: string[] = [];
  for (const file of files) {
    const git = await gitState(file.location);
    for (const warning of warningsOf(file, git)) process.stdout.write(`${warning}\n`);
    if (git === "tracked" && changes.some((change) => change.file === file)) tracked.push(file.name);
  }
  if (tracked.length > 0 && yes && !allowTracked) throw isTracked(tracked);
  if (changes.length > 0 && yes) {
    const noted = changes.map(({ record }) => record).filter((record) => record !== null);
    const others = records.filter(({ location }) => !noted.some((record) => record.location === location));
    // The note comes first: whatever is interrupted can be taken back.
    await writeUndo(place, [...others, ...noted]);
    for (const { file, text } of changes) await writeEnvFile(file, text);
  }
  process.stdout.write(`${conclusion(changes, yes, "Written.")}\n`);
  return 0;
}

async function takeBack(
  files: readonly EnvFile[],
  records: readonly FileRecord[],
  place: string,
  yes: boolean,
): Promise<number> {
  const plans = files.map((file) => {
    const record = recordOf(file, records);
    return { file, record, change: record === undefined ? undefined : planUndo(file, record) };
  });
  const changes = plans.flatMap(({ change }) => (typeof change === "object" ? [change] : []));
  const left = plans.filter(({ change }) => change === "changed since");
  const elsewhere = records.filter(({ location }) => !files.some((file) => file.location === location));
  process.stdout.write(renderChanges(changes));
  if (yes) {
    for (const { file, text } of changes) await writeEnvFile(file, text);
    await writeUndo(place, [
      ...elsewhere,
      ...left.flatMap(({ record }) => (record === undefined ? [] : [record])),
    ]);
  }
  process.stdout.write(`${conclusion(changes, yes, "Taken back.")}\n`);
  if (elsewhere.length > 0) throw isElsewhere(elsewhere, place);
  if (left.length === 0) return 0;
  throw new CutoverError({
    code: "LOCAL_ENV_CHANGED_SINCE",
    message: `${variableName} holds another value than was written in ${left.map(({ file }) => file.name).join(", ")}, which is left as it is.`,
    remedy: "Somebody set it since: change it by hand if it is to be as before.",
  });
}

function isTracked(names: readonly string[]): CutoverError {
  return new CutoverError({
    code: "LOCAL_ENV_TRACKED",
    message: `git tracks ${names.join(", ")}: the next commit would publish the password. Nothing was written.`,
    remedy: `Stop that: git rm --cached ${names.join(" ")}, and a line in .gitignore. --allow-tracked writes it all the same.`,
  });
}

function isElsewhere(records: readonly FileRecord[], place: string): CutoverError {
  return new CutoverError({
    code: "LOCAL_ENV_ELSEWHERE",
    message: `${variableName} was written into ${records.map(({ location }) => location).join(", ")}, where none of the monorepo's files leads any more. That is left as it is, and stays noted.`,
    remedy: `Restore the link that led there and take it back once more; or change it by hand and delete ${place}.`,
  });
}

function recordOf({ location }: EnvFile, records: readonly FileRecord[]): FileRecord | undefined {
  return records.find((record) => record.location === location);
}

function conclusion(changes: readonly Change[], yes: boolean, done: string): string {
  if (changes.length === 0) return "Nothing to change.";
  return yes ? done : "Nothing was written. Once more with --yes does it.";
}

function parseTransport(
  via: string | undefined,
  port: string | undefined,
  fingerprint: string | undefined,
): Transport {
  const parsed = transportSchema.safeParse({
    via: via ?? (fingerprint === undefined ? "tunnel" : "tls"),
    ...(port === undefined ? {} : { port: Number(port) }),
    ...(fingerprint === undefined ? {} : { fingerprint }),
  });
  if (parsed.success && parsed.data.via !== "plaintext") return parsed.data;
  throw wrongArguments(
    "Say --via private, --via tunnel with the --port that it forwards, or --via tls with the certificate's --fingerprint",
  );
}

/** The target's URL as this machine reaches it, tried with a session that can write nothing. */
async function urlFor({ railway, inputs }: StackContext, chosen: Transport | undefined): Promise<string> {
  const { transport } = inputs;
  const target = chosen ?? transport.target;
  if (chosen === undefined && target.via === "private") {
    throw wrongArguments(
      "The stack reaches the database inside Railway's network; say how this machine does: --via tunnel with --port, or --via tls with --fingerprint",
    );
  }
  const scope = await railway.resolveEnvironment(inputs);
  const reached = { ...inputs, transport: { ...transport, target } };
  const { connection } = await resolveDatabase(railway, scope, reached, "target");
  await withConnection(connection, { purpose: "local-env", readOnly: true }, async () => {});
  const url = databaseUrl(connection);
  return connection.tls === "off" ? url : `${url}?sslmode=require`;
}
