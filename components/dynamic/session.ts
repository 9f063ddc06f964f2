import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import { connect as connectSocket } from "node:net";
import { promisify } from "node:util";
import { z } from "zod";
import type { S3Credentials } from "../backup/destination.ts";
import { CutoverError, describeError } from "../errors.ts";
import { ignoreErrors } from "../ignore-errors.ts";
import { describeStep, type Reporter } from "../migration/reporter.ts";
import { createWebhook, parseWebhookUrl, type Webhook } from "../notify/webhook.ts";
import { defaultSettleTimeoutMs } from "../railway/context.ts";
import { createRailway, type Railway, type RailwayOptions } from "../railway/railway.ts";
import { createRailwayToken, type RailwayToken } from "../railway/token.ts";
import { defaultTransportLimits } from "../railway/transport.ts";

/**
 * What every provider of this process shares: the Railway client, made from the environment and the stack's
 * configuration. Tokens arrive here and nowhere else; they are no inputs, so the state cannot hold them.
 */
export interface ConfigureRequest {
  readonly config: { get(key: string): unknown };
}

let stackConfig: ConfigureRequest["config"] | undefined;
let client: Railway | undefined;

/** The `configure` of every provider. */
export async function configure(request: ConfigureRequest): Promise<void> {
  stackConfig = request.config;
  // Whoever reads what this process prints is gone when the engine was killed. A write that then fails (EPIPE) is an uncaught
  // error without a listener, and Pulumi's handler of those prints it to the same broken pipe, which fails again: the process
  // would do nothing else any more, with both databases fenced and the locks of its run held for good.
  ignoreErrors(process.stdout, process.stderr);
}

/** The Railway client of this process. Throws `RAILWAY_TOKEN_MISSING` when there is no token of the configured kind. */
export function railwayClient(): Railway {
  client ??= createRailway(
    railwayOptions({ kind: configured("tokenKind"), secret: configured("railwayToken") }),
  );
  return client;
}

/**
 * The client for deleting the old database: a project token sees one environment and may not delete, so a wider token
 * is taken from RAILWAY_REMOVAL_TOKEN. Without one, the ordinary client tries.
 */
export function removalClient(): Railway {
  const token = removalToken();
  if (token === undefined) return railwayClient();
  const options = railwayOptions({ kind: configured("tokenKind"), secret: configured("railwayToken") });
  return createRailway({ ...options, token });
}

/** The wider token for what the ordinary one may not delete, from RAILWAY_REMOVAL_TOKEN. */
export function removalToken(): RailwayToken | undefined {
  const { RAILWAY_REMOVAL_TOKEN: value, RAILWAY_REMOVAL_TOKEN_KIND: kind } = environmentSchema.parse(
    process.env,
  );
  return value === undefined ? undefined : createRailwayToken(kind, value);
}

/** For a final backup in an S3 bucket, by the names that every client of S3 reads; `undefined` where they are not set. */
export function s3Credentials(): S3Credentials | undefined {
  const environment = environmentSchema.parse(process.env);
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = environment;
  if (!accessKeyId || !secretAccessKey) return undefined;
  return { accessKeyId, secretAccessKey, sessionToken: environment.AWS_SESSION_TOKEN };
}

/**
 * The webhook by which people are told, from the environment or the stack's secret; `undefined` where there is none. One
 * that cannot be used is told in a line, and nobody is told: it must not keep a cutover from beginning.
 */
export function webhook(report: (line: string) => void): Webhook | undefined {
  try {
    const url = webhookUrl(configured("webhookUrl"));
    return url === undefined ? undefined : createWebhook(url, { report });
  } catch (error) {
    report(describeError(error));
    return undefined;
  }
}

/**
 * Where people are told.
 *
 * @throws CutoverError `WEBHOOK_INVALID`
 */
export function webhookUrl(fallback: string | undefined): URL | undefined {
  const text = environmentSchema.parse(process.env).CUTOVER_WEBHOOK_URL || fallback;
  return text ? parseWebhookUrl(text) : undefined;
}

/** How long a command that is over waits for what people are still to be told. */
export const lastMessagesMs = 5_000;

/** The client's options from the process's environment, falling back to what the stack's configuration holds. */
export function railwayOptions(fallback: {
  kind: string | undefined;
  secret: string | undefined;
}): RailwayOptions {
  const environment = environmentSchema.parse(process.env);
  const kind = tokenKindSchema.parse(fallback.kind ?? "project");
  const variable = kind === "project" ? "RAILWAY_TOKEN" : "RAILWAY_API_TOKEN";
  const value = environment[variable] || fallback.secret;
  if (value === undefined || value === "") {
    throw new CutoverError({
      code: "RAILWAY_TOKEN_MISSING",
      message: `There is no Railway token: one of the kind ${kind} is taken from ${variable}, which is not set.`,
      remedy: `Set ${variable} in the environment. Instead of it \`pulumi\` takes the stack's secret railwayToken, which the npm commands cannot read.`,
    });
  }
  return {
    token: createRailwayToken(kind, value),
    endpoint: environment.RAILWAY_API_URL,
    pollIntervalMs: environment.RAILWAY_POLL_INTERVAL_MS,
    settleTimeoutMs: environment.RAILWAY_SETTLE_TIMEOUT_MS,
    limits: { requestTimeoutMs: environment.RAILWAY_REQUEST_TIMEOUT_MS },
  };
}

/**
 * Ends this process soon if its engine is gone. Nobody else would: Pulumi leaves an orphan running for good, with the
 * token in its environment.
 */
export async function endOrphan(): Promise<void> {
  if (await isEngineAlive()) return;
  setTimeout(() => process.exit(), answerTimeMs);
}

/** For whoever may still listen to get the operation's answer. */
const answerTimeMs = 1_000;

/** Prints to the provider process's standard output, which the engine shows live under the stack. */
export const reporter: Reporter = {
  step: (text, writesPausedMs) => console.log(`── ${describeStep(text, writesPausedMs)}`),
  detail: (text) => console.log(`   ${text}`),
};

/**
 * Whether the engine that started this process still answers on its address, the first argument of the dynamic
 * provider process. Without an engine (a host on mocks, a script) the process itself is in charge.
 */
export async function isEngineAlive(): Promise<boolean> {
  const address = engineAddress();
  if (address === null) return true;
  return new Promise((resolve) => {
    const socket = connectSocket({
      host: address[1] ?? "127.0.0.1",
      port: Number(address[2]),
      timeout: 2_000,
    });
    const settle = (alive: boolean) => {
      socket.destroy();
      resolve(alive);
    };
    socket.once("connect", () => settle(true));
    socket.once("error", () => settle(false));
    // A machine too busy to accept in time is no proof that the engine is gone.
    socket.once("timeout", () => settle(true));
  });
}

function engineAddress(): RegExpExecArray | null {
  return /^(?:(.+):)?(\d+)$/.exec(process.argv[2] ?? "");
}

/**
 * What drives this process, for the evidence: the CLI on PATH, which started the engine unless somebody called another one
 * by its path, and the SDK. `null` without an engine. The CLI gets no secret of this process's environment, and asks no
 * server for newer versions.
 */
export async function describeEngine(): Promise<string | null> {
  if (engineAddress() === null) return null;
  const { PATH, HOME } = process.env;
  const options = { env: { PATH, HOME, PULUMI_SKIP_UPDATE_CHECK: "true" }, timeout: versionTimeoutMs };
  const cli = await promisify(execFile)("pulumi", ["version"], options).then(
    ({ stdout }) => stdout.trim(),
    () => "of unknown version",
  );
  const sdk: { version: string } = createRequire(import.meta.url)("@pulumi/pulumi/package.json");
  return `Pulumi CLI ${cli}, SDK ${sdk.version}`;
}

const versionTimeoutMs = 3_000;

const tokenKindSchema = z.enum(["account", "workspace", "project"]);

const environmentSchema = z.object({
  RAILWAY_TOKEN: z.string().optional(),
  RAILWAY_API_TOKEN: z.string().optional(),
  RAILWAY_REMOVAL_TOKEN: z.string().optional(),
  /** Where people are told, as Slack's incoming webhooks take it. */
  CUTOVER_WEBHOOK_URL: z.string().optional(),
  AWS_ACCESS_KEY_ID: z.string().optional(),
  AWS_SECRET_ACCESS_KEY: z.string().optional(),
  AWS_SESSION_TOKEN: z.string().optional(),
  RAILWAY_REMOVAL_TOKEN_KIND: z.enum(["account", "workspace"]).default("account"),
  /** Another endpoint than Railway's own, for rehearsals. */
  RAILWAY_API_URL: z.url().optional(),
  /** Deployments are waited for while writes are paused; the client slows down by itself when the hour's budget runs low. */
  RAILWAY_POLL_INTERVAL_MS: z.coerce.number().int().positive().default(3_000),
  /** For one request and its answer, in rehearsals. */
  RAILWAY_REQUEST_TIMEOUT_MS: z.coerce
    .number()
    .int()
    .positive()
    .default(defaultTransportLimits.requestTimeoutMs),
  /** For a write to show in reads, in rehearsals. */
  RAILWAY_SETTLE_TIMEOUT_MS: z.coerce.number().int().positive().default(defaultSettleTimeoutMs),
});

function configured(key: string): string | undefined {
  const value = stackConfig?.get(key);
  return typeof value === "string" ? value : undefined;
}

/**
 * Looks for what speaks against adopting something, for `check`: a failure that the operator must mend, or nothing.
 * What cannot be reached now is told as not checked: the real run will insist.
 */
export async function failuresOf(
  property: string,
  look: () => Promise<unknown>,
): Promise<{ property: string; reason: string }[]> {
  try {
    await look();
    return [];
  } catch (error) {
    if (!(error instanceof CutoverError)) throw error;
    if (!unreachable.has(error.code)) return [{ property, reason: error.describe() }];
    reporter.detail(`not checked: ${error.message}`);
    return [];
  }
}

const unreachable = new Set(["RAILWAY_UNREACHABLE", "RAILWAY_RATE_LIMITED", "SERVER_UNREACHABLE"]);
