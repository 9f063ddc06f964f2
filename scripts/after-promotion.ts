import { spawn } from "node:child_process";
import { railwayOptions } from "../components/dynamic/session.ts";
import { CutoverError, describeError } from "../components/errors.ts";
import { migrationInputsSchema } from "../components/migration/inputs.ts";
import { readPrimary } from "../components/migration/primary.ts";
import type { ConnectionTarget } from "../components/postgres/connection.ts";
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
  const { primary, target } = await readPrimary(railway, inputs);
  if (primary !== "target" || command === undefined) {
    throw new CutoverError({
      code: "NOT_PROMOTED",
      message:
        "The afterPromotion command was not run: the journal does not say that the target is the primary.",
      remedy: "Run `pulumi up` with phase: cutover first.",
    });
  }
  return run(command, urlOf(target.connection));
}

function run(command: string, databaseUrl: string): Promise<number> {
  const { RAILWAY_TOKEN: _project, RAILWAY_API_TOKEN: _account, ...environment } = process.env;
  return new Promise((resolve, reject) => {
    const child = spawn("sh", ["-c", command], {
      env: { ...environment, DATABASE_URL: databaseUrl },
      stdio: ["ignore", "inherit", "inherit"],
    });
    child.once("error", reject);
    child.once("exit", (code) => resolve(code ?? 1));
  });
}

function urlOf({ host, port, user, password, database }: ConnectionTarget): string {
  const url = new URL(`postgresql://${host.includes(":") ? `[${host}]` : host}:${port}`);
  url.username = encodeURIComponent(user);
  url.password = encodeURIComponent(password);
  url.pathname = `/${encodeURIComponent(database)}`;
  return url.href;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(describeError(error));
  process.exitCode = 1;
}
