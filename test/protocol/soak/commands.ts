import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { stringify } from "yaml";
import type { MigrationInputs } from "../../../components/migration/inputs.ts";
import { startProviderProcess } from "../../dynamic/provider-process.ts";
import type { World } from "../../world/world.ts";

const repository = resolve(import.meta.dirname, "../../..");

export interface CommandEnd {
  readonly ok: boolean;
  /** The error's text; empty when it succeeded. */
  readonly error: string;
  readonly output: string;
  /** A signal was sent to it: whatever it answers, it may be gone without a word. */
  readonly wasKilled: boolean;
}

/** A command of the operator's, under way. */
export interface RunningCommand {
  readonly ended: Promise<CommandEnd>;
  kill(signal: NodeJS.Signals): void;
  /** Its engine dies; what it had started lives on. */
  loseEngine(): void;
}

/** `pulumi up` as the engine carries it out for the migration: `create` in Pulumi's own provider process. */
export async function startUp(world: World, inputs: MigrationInputs): Promise<RunningCommand> {
  const process = await startProviderProcess(world.railway, { environment: environmentOf(world) });
  const provider = await process.provider("data-migration");
  let wasKilled = false;
  const ended = provider.create(inputs).then(
    () => ({ ok: true, error: "" }),
    (error: unknown) => ({ ok: false, error: error instanceof Error ? error.message : String(error) }),
  );
  return {
    ended: ended.then(async (end) => {
      await process.stop();
      return { ...end, output: process.printed(), wasKilled };
    }),
    kill: (signal) => {
      wasKilled = true;
      process.kill(signal);
    },
    loseEngine: () => process.loseEngine(),
  };
}

/** `npm run abort -- --stack soak --yes` in a folder with the stack's files. */
export async function startAbort(world: World, inputs: MigrationInputs): Promise<RunningCommand> {
  const folder = await stackFolder(world, inputs);
  const child = spawn(process.execPath, [join(repository, "scripts/abort.ts"), "--stack", "soak", "--yes"], {
    cwd: folder,
    env: { ...process.env, ...environmentOf(world) },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  let wasKilled = false;
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text) => {
      output += text;
    });
  }
  const ended = once(child, "close").then(async ([code]) => {
    await rm(folder, { recursive: true });
    const lines = output.trim().split("\n");
    return { ok: code === 0, error: code === 0 ? "" : (lines.at(-1) ?? "no output"), output, wasKilled };
  });
  const kill = (signal: NodeJS.Signals) => {
    wasKilled = true;
    child.kill(signal);
  };
  return { ended, kill, loseEngine: () => {} };
}

/** A command that never ends is a defect of its own: nobody waits for ever. */
export async function endOf(command: RunningCommand, limitMs: number): Promise<CommandEnd | "never"> {
  const timer = new AbortController();
  const never = delay(limitMs, "never" as const, { signal: timer.signal }).catch(() => "never" as const);
  const end = await Promise.race([command.ended, never]);
  timer.abort();
  if (end === "never") command.kill("SIGKILL");
  return end;
}

function environmentOf({ railway }: World): Record<string, string> {
  return {
    RAILWAY_TOKEN: railway.tokens.project,
    RAILWAY_API_URL: railway.url,
    RAILWAY_POLL_INTERVAL_MS: "50",
    RAILWAY_REQUEST_TIMEOUT_MS: "2000",
  };
}

async function stackFolder({ config }: World, inputs: MigrationInputs): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "cutover-soak-"));
  await copyFile(join(repository, "Pulumi.yaml"), join(folder, "Pulumi.yaml"));
  const values = { ...config, phase: "cutover", accept: inputs.accept };
  const qualified = Object.entries(values).map(([key, value]) => [`railway-pgvector-cutover:${key}`, value]);
  await writeFile(join(folder, "Pulumi.soak.yaml"), stringify({ config: Object.fromEntries(qualified) }));
  return folder;
}
