import { spawn } from "node:child_process";
import type pg from "pg";
import { railwayOptions } from "../components/dynamic/session.ts";
import { CutoverError, describeError } from "../components/errors.ts";
import { readPrimary } from "../components/migration/decide/primary.ts";
import { recordBaseline } from "../components/migration/drift/baseline.ts";
import { migrationInputsSchema } from "../components/migration/inputs.ts";
import { addEvent, readEvents } from "../components/migration/journal/journal.ts";
import { databaseUrl, withConnection } from "../components/postgres/connection.ts";
import { withRelay } from "../components/postgres/relay.ts";
import { createRailway } from "../components/railway/railway.ts";

/**
 * Runs the `afterPromotion` command with the new database's URL, read from Railway, in its environment. Called by the
 * AfterPromotion resource; refuses unless the journal says that the target is the primary.
 */
async function main(): Promise<number> {
  const {
    AFTER_PROMOTION_COMMAND: command,
    AFTER_PROMOTION_MIGRATION: text,
    RAILWAY_TOKEN_KIND: kind,
  } = process.env;
  const inputs = migrationInputsSchema.parse(JSON.parse(text ?? "null"));
  const railway = createRailway(railwayOptions({ kind, secret: undefined }));
  const { entry, primary, target } = await readPrimary(railway, inputs);
  if (primary !== "target" || entry === undefined || command === undefined) {
    throw new CutoverError({
      code: "NOT_PROMOTED",
      message:
        "The afterPromotion command was not run: the journal does not say that the target is the primary.",
      remedy: "Run `pulumi up` with phase: cutover first.",
    });
  }
  const onTarget = <Result>(work: (client: pg.Client) => Promise<Result>) =>
    withConnection(target.connection, { purpose: "after-promotion" }, work);
  // The journal, not Pulumi's state, knows whether it ran: a second stack or a lost state must not repeat it.
  const events = await onTarget((client) => readEvents(client, entry.id));
  if (events.some(({ text }) => text === doneText)) return 0;
  // No session of ours is open meanwhile: the command may take hours, and every run that begins ends those of others.
  const exitCode = await withRelay(target.connection, (reached) => run(command, databaseUrl(reached)));
  if (exitCode !== 0) return exitCode;
  await onTarget((client) => addEvent(client, entry, entry.record.state, doneText));
  // What the command changed is how the cutover leaves things.
  if (entry.record.state === "finished") await recordBaseline(railway, inputs).catch(sayNotRecorded);
  return 0;
}

const doneText = "afterPromotion command done";

/** The command is done all the same; looking for drift then tells what it changed. */
function sayNotRecorded(error: unknown): void {
  console.error(
    `The base for drift was not recorded; npm run drift -- --record-baseline does it. ${describeError(error)}`,
  );
}

function run(command: string, url: string): Promise<number> {
  const {
    RAILWAY_TOKEN: _project,
    RAILWAY_API_TOKEN: _account,
    RAILWAY_REMOVAL_TOKEN: _removal,
    CUTOVER_WEBHOOK_URL: _webhook,
    AWS_ACCESS_KEY_ID: _bucketUser,
    AWS_SECRET_ACCESS_KEY: _bucketPassword,
    AWS_SESSION_TOKEN: _bucketSession,
    ...environment
  } = process.env;
  return new Promise((resolve, reject) => {
    const child = spawn("sh", ["-c", command], {
      env: { ...environment, DATABASE_URL: url },
      stdio: ["ignore", "inherit", "inherit"],
    });
    child.once("error", reject);
    child.once("exit", (code) => resolve(code ?? 1));
  });
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(describeError(error));
  process.exitCode = 1;
}
