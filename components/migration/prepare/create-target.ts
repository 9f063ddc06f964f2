import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { CutoverError, hasCode } from "../../errors.ts";
import { withConnection } from "../../postgres/connection.ts";
import { isNotPinned } from "../../postgres/secure-socket.ts";
import { creationMark } from "../../railway/postgres-service.ts";
import type { EnvironmentScope, PostgresServiceRequest, Railway } from "../../railway/railway.ts";
import { type ResolvedDatabase, resolveDatabase } from "../decide/resolve.ts";
import type { MigrationInputs } from "../inputs.ts";
import type { Reporter } from "../reporter.ts";

/**
 * Creates the target service with its volume at PGDATA's parent, the variables of Railway's pgvector template and a TCP
 * proxy, and waits until it accepts connections. A half-made one is completed, a
 * whole one is left as it is.
 *
 * @throws CutoverError `TARGET_NOT_READY`; `TLS_NOT_OFFERED` and `CERTIFICATE_NOT_PINNED`, which no waiting cures
 */
export async function createTarget(
  railway: Railway,
  scope: EnvironmentScope,
  inputs: MigrationInputs,
  reporter: Reporter,
): Promise<void> {
  reporter.step(`Create or adopt ${inputs.target} (${image})`);
  const { deploymentTimeoutMs } = inputs.limits;
  await railway.createPostgresService(scope, { ...describeTarget(inputs.target), deploymentTimeoutMs });
  await waitUntilReady(railway, scope, inputs);
}

/** The service that is created for a target of that name, with a new password. */
export function describeTarget(name: string): PostgresServiceRequest {
  const variables = templateVariables(randomBytes(24).toString("base64url"));
  return { name, image, mountPath, variables, tcpProxyPort: 5432 };
}

/** Only in a database of our own making: in an adopted one a missing extension means that it is the wrong one. */
async function createExtension(
  railway: Railway,
  scope: EnvironmentScope,
  database: ResolvedDatabase,
): Promise<void> {
  const variables = await railway.rawVariables(scope, database.service.id);
  if (!variables.has(creationMark)) return;
  await withConnection(database.connection, { purpose: "create" }, (client) =>
    client.query("create extension if not exists vector schema public"),
  );
}

const image = "pgvector/pgvector:pg17";
const mountPath = "/var/lib/postgresql/data";

function templateVariables(password: string): Record<string, string> {
  return {
    POSTGRES_USER: "postgres",
    POSTGRES_PASSWORD: password,
    POSTGRES_DB: "railway",
    // A volume's root holds lost+found, and initdb refuses a folder that is not empty.
    PGDATA: `${mountPath}/pgdata`,
    PGHOST: "${{RAILWAY_PRIVATE_DOMAIN}}",
    PGPORT: "5432",
    PGUSER: "${{POSTGRES_USER}}",
    PGPASSWORD: "${{POSTGRES_PASSWORD}}",
    PGDATABASE: "${{POSTGRES_DB}}",
    DATABASE_URL:
      "postgresql://${{POSTGRES_USER}}:${{POSTGRES_PASSWORD}}@${{RAILWAY_PRIVATE_DOMAIN}}:5432/${{POSTGRES_DB}}",
    DATABASE_PUBLIC_URL:
      "postgresql://${{POSTGRES_USER}}:${{POSTGRES_PASSWORD}}@${{RAILWAY_TCP_PROXY_DOMAIN}}:${{RAILWAY_TCP_PROXY_PORT}}/${{POSTGRES_DB}}",
  };
}

async function waitUntilReady(
  railway: Railway,
  scope: EnvironmentScope,
  inputs: MigrationInputs,
): Promise<void> {
  const giveUpAt = performance.now() + inputs.limits.deploymentTimeoutMs;
  for (;;) {
    try {
      const database = await resolveDatabase(railway, scope, inputs, "target");
      await withConnection(database.connection, { purpose: "observe", readOnly: true }, (client) =>
        client.query("select 1"),
      );
      return await createExtension(railway, scope, database);
    } catch (cause) {
      if (hasCode(cause, "TLS_NOT_OFFERED") || isNotPinned(cause)) throw cause;
      if (performance.now() < giveUpAt) {
        await delay(2_000);
        continue;
      }
      throw new CutoverError({
        code: "TARGET_NOT_READY",
        message: `${inputs.target} exists on Railway but did not accept connections in time.`,
        remedy: "Look at its deployment on Railway, and at the configured transport; then run again.",
        cause,
      });
    }
  }
}
