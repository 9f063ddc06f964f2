import type { S3Credentials } from "../../../components/backup/destination.ts";
import { runCutover } from "../../../components/migration/cutover.ts";
import type { PostgresServiceInputs } from "../../../components/migration/postgres-service.ts";
import type { RetirementRun } from "../../../components/migration/retirement/run.ts";
import { createRailway, type Railway } from "../../../components/railway/railway.ts";
import { createRailwayToken, type RailwayTokenKind } from "../../../components/railway/token.ts";
import { inputsFor, startQuietWorld, untilWritersRest } from "../../dynamic/quiet-world.ts";
import { type S3Server, startS3Server } from "../../world/s3/s3-server.ts";
import type { World } from "../../world/world.ts";
import { killProgramAt } from "../kill-at.ts";

/** All that a run of the retirement is made of, as plain data. */
export interface RunDescription {
  readonly endpoint: string;
  readonly token: { readonly kind: RailwayTokenKind; readonly value: string };
  readonly inputs: PostgresServiceInputs;
  readonly serviceId: string;
  readonly credentials: S3Credentials;
}

/** A world whose cutover is finished, and a bucket for the final backup. */
export interface RetirementWorld {
  readonly world: World;
  readonly s3: S3Server;
  /** Every line that any run reported. */
  readonly lines: string[];
  describe(lifecycle: "stop" | "remove", change?: DescriptionChange): RunDescription;
  run(lifecycle: "stop" | "remove", change?: DescriptionChange): RetirementRun;
  /** Runs it in a process of its own, and kills that at the first line with this text. */
  killAt(text: string, lifecycle: "stop" | "remove", change?: DescriptionChange): Promise<void>;
  stop(): Promise<void>;
}

export interface DescriptionChange {
  readonly tokenKind?: "project" | "account";
  readonly soakDays?: number;
  readonly serviceId?: string;
  readonly removal?: Partial<PostgresServiceInputs["removal"]>;
  readonly transport?: PostgresServiceInputs["transport"];
}

export async function startRetirementWorld(recipient: string): Promise<RetirementWorld> {
  const world = await startQuietWorld({ withStaging: true });
  const s3 = await startS3Server();
  const lines: string[] = [];
  const serviceId = world.railway.inspect().services.find(({ name }) => name === "Postgres")?.id ?? "";
  const { endpoint, region, bucket } = s3;
  const removal = {
    confirmServiceId: serviceId,
    finalBackup: { to: "s3", endpoint, region, bucket, prefix: "", recipients: [recipient] },
  };
  const describe: RetirementWorld["describe"] = (lifecycle, change = {}) => {
    const kind = change.tokenKind ?? (lifecycle === "remove" ? "account" : "project");
    const { source } = inputsFor(world, { legacyPostgres: lifecycle, removal });
    return {
      endpoint: world.environment.RAILWAY_API_URL ?? "",
      token: { kind, value: world.railway.tokens[kind] },
      inputs: {
        ...source,
        soakDays: change.soakDays ?? 0,
        removal: { ...source.removal, ...change.removal },
        transport: change.transport ?? source.transport,
      },
      serviceId: change.serviceId ?? serviceId,
      credentials: s3.credentials,
    };
  };
  return {
    world,
    s3,
    lines,
    describe,
    run: (lifecycle, change) => migrationRunOf(describe(lifecycle, change), (line) => void lines.push(line)),
    killAt: (text, lifecycle, change) => killAt(text, describe(lifecycle, change), lines),
    async stop() {
      await s3.stop();
      await world.stop();
    },
  };
}

/** Moves the world to its new database. */
export async function cutOver(world: World, railway: Railway): Promise<void> {
  const reporter = { step: () => {}, detail: () => {} };
  const { migration: inputs } = inputsFor(world);
  await runCutover({ railway, inputs, reporter, isEngineAlive: async () => true });
  await untilWritersRest(world);
}

export function migrationRunOf(
  { endpoint, token, ...run }: RunDescription,
  report: (line: string) => void,
): RetirementRun {
  const railway = createRailway({
    token: createRailwayToken(token.kind, token.value),
    endpoint,
    pollIntervalMs: 50,
    settleTimeoutMs: 3_000,
  });
  return { ...run, railway, reporter: { step: report, detail: report }, isEngineAlive: async () => true };
}

/** The same client with other answers, also once it is guarded by a run. */
export function withAnswers(railway: Railway, answers: Partial<Railway>): Railway {
  return {
    ...railway,
    ...answers,
    guarded: (check) => withAnswers(railway.guarded(check), answers),
  };
}

function killAt(text: string, description: RunDescription, lines: string[]): Promise<void> {
  return killProgramAt(text, "retirement/process.ts", { RETIREMENT: JSON.stringify(description) }, lines);
}
