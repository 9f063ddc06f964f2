import { createHash, randomUUID } from "node:crypto";
import { CutoverError, describeError, hasCode } from "../errors.ts";
import { isLostContact, type Sandbox } from "../railway/sandboxes.ts";
import {
  type Leftover,
  type Reading,
  type Runner,
  type RunnerJob,
  type RunnerPlace,
  removeInVain,
  type StartOptions,
} from "./runner.ts";
import { quoted } from "./script.ts";

/**
 * Nobody else is likely to choose it, so it tells which sandboxes are worth a look inside: a sandbox has no name. It is
 * also how long a run goes on after everybody has left it, of at most 120 minutes.
 */
const idleTimeoutMinutes = 113;
const startTimeoutMs = 180_000;
/** Of base64 in one command; Linux takes at most 128 KiB in one argument (execve(2)). */
const pieceLength = 90_000;
/** Of output in one reading. Railway documents no limit; what it cuts off is asked for again in smaller pieces. */
const readingBytes = 48_000;
const smallestReadingBytes = 1_000;
const attemptsOfCommand = 4;
/** The feature is off for the workspace, the token may not, or the plan has another limit: Railway has many words for it. */
export const refusals = [
  "RAILWAY_NOT_AUTHORIZED",
  "RAILWAY_REQUEST_FAILED",
  "RAILWAY_SCHEMA_CHANGED",
] as const;

const folder = '"$HOME/cutover-runner"';
const markVariable = "CUTOVER_RUNNER";
/** Of one run: tells the sandbox that was just made from any other, should Railway's answer be lost. */
const idVariable = "CUTOVER_RUNNER_ID";

/** What the script does to unpack the project; see {@link RunnerJob.archive}. */
export const unpackInSandbox = 'tar -xzf "$runner/project.tar.gz"';

/**
 * Makes a sandbox for the job in the private network.
 *
 * @throws CutoverError `SANDBOX_NOT_STARTED`, `SANDBOX_NOT_PRIVATE`, and those of the transport; by then the sandbox is removed
 *   again
 */
export async function createRunnerSandbox(
  place: RunnerPlace,
  job: RunnerJob,
  { region, signal }: { readonly region?: string | undefined; readonly signal: AbortSignal },
): Promise<Sandbox> {
  signal.throwIfAborted();
  const runId = randomUUID();
  const variables = { ...job.variables, [markVariable]: job.mark, [idVariable]: runId };
  return place.client.createSandbox(
    place.scope,
    { idleTimeoutMinutes, variables, ...(region === undefined ? {} : { region }) },
    ({ id }) => hasValue(place, id, idVariable, runId),
    startTimeoutMs,
  );
}

/**
 * Brings script and project into the sandbox, and starts the job in the background.
 *
 * @throws CutoverError `RUNNER_COMMAND_FAILED`, what `beforeStart` throws, and those of the transport; by then the sandbox is removed again, and the job
 *   was certainly not started
 */
export async function startInSandbox(
  place: RunnerPlace,
  job: RunnerJob,
  sandbox: Sandbox,
  { signal, beforeStart }: StartOptions,
): Promise<Runner> {
  const { log } = place;
  const runner = sandboxRunner(place, sandbox.id);
  try {
    log(
      `${runner.name} runs in the private network; sending the project (${Math.ceil(job.archive.length / 1024)} KB)`,
    );
    await upload(place, sandbox.id, "project.tar.gz", job.archive, signal);
    await upload(place, sandbox.id, "runner.sh", Buffer.from(job.script), signal);
    await beforeStart({ name: runner.name, since: sandbox.createdAt });
    signal.throwIfAborted();
    await startJob(place, sandbox.id);
    return runner;
  } catch (error) {
    await removeInVain(runner, place);
    throw error;
  }
}

/** @throws CutoverError when the job was certainly not started */
async function startJob(place: RunnerPlace, id: string): Promise<void> {
  try {
    await commandOnce(place, id, startCommand);
  } catch (error) {
    if (!isLostContact(error)) throw error;
    // It may run by now, so whatever another attempt is answered, it is followed: the next reading tells, and nothing is
    // removed from under a cutover.
    await command(place, id, startCommand).catch((again: unknown) => {
      place.log(
        `it is uncertain whether the run in the sandbox ${id} began (${describeError(again)}); looking`,
      );
    });
  }
}

/** The sandboxes of this project and stack that are still there. Where sandboxes are refused, there are none. */
export async function findSandboxRunners(place: RunnerPlace, mark: string): Promise<Leftover[]> {
  const alive = await place.client.listSandboxes(place.scope).catch((error: unknown) => {
    if (!hasCode(error, ...refusals)) throw error;
    place.log(`Railway lists no sandboxes here (${error.code}), so there are none to look into`);
    return [];
  });
  const candidates = alive.filter(
    (one) => one.idleTimeoutMinutes === idleTimeoutMinutes && one.networkIsolation === "PRIVATE",
  );
  const found = await Promise.all(
    candidates.map(async (candidate) => {
      const sandbox = await untilMade(place, candidate);
      return sandbox === undefined ? undefined : inspect(place, sandbox, mark);
    }),
  );
  return found.filter((one) => one !== undefined);
}

/** Nobody can look into one that is still being made, and another command may be about to begin in it. */
async function untilMade(
  { client, scope, log }: RunnerPlace,
  sandbox: Sandbox,
): Promise<Sandbox | undefined> {
  if (sandbox.status !== "CREATING") return sandbox;
  log(
    `the sandbox ${sandbox.id} is being made, perhaps by another command; waiting until one can look into it`,
  );
  return client.sandboxMade(scope, sandbox.id, startTimeoutMs);
}

async function inspect(place: RunnerPlace, sandbox: Sandbox, mark: string): Promise<Leftover | undefined> {
  if (sandbox.status !== "RUNNING" || !(await hasValue(place, sandbox.id, markVariable, mark)))
    return undefined;
  const answer = await look(
    place,
    sandbox.id,
    `cd ${folder} 2> /dev/null && ${aliveProbe} || echo preparing`,
  );
  if (answer === undefined) return undefined;
  const state = answer as Leftover["state"];
  return { runner: sandboxRunner(place, sandbox.id), state, since: sandbox.createdAt };
}

function sandboxRunner(place: RunnerPlace, id: string): Runner {
  const { client, scope } = place;
  let offset = 0;
  let bytes = readingBytes;
  let rest = Buffer.alloc(0);

  async function readPiece(): Promise<{ piece: Buffer; running: boolean }> {
    for (let isAgain = false; ; ) {
      // Alive before the output: whatever a job wrote before its end is then in the output.
      const text = `cd ${folder} && ${aliveProbe} && tail -c +${offset + 1} log | head -c ${bytes} | base64 -w 0`;
      const { exitCode, output, truncated } = await client.exec(scope, id, text);
      if (truncated && bytes > smallestReadingBytes) {
        bytes = Math.max(smallestReadingBytes, bytes >> 1);
        continue;
      }
      // A machine on its way out fails first, and says that it is gone when it is asked again.
      if (exitCode !== 0 && !isAgain) {
        isAgain = true;
        continue;
      }
      if (truncated || exitCode !== 0) throw unreadable(id);
      const [state = "", encoded = ""] = output.split("\n");
      return { piece: Buffer.from(encoded, "base64"), running: state === "running" };
    }
  }

  return {
    name: `sandbox ${id}`,
    async read(): Promise<Reading> {
      const { piece, running } = await readPiece();
      offset += piece.length;
      // A character may be cut in two.
      const all = Buffer.concat([rest, piece]);
      const end = running || piece.length > 0 ? completeLength(all) : all.length;
      rest = all.subarray(end);
      return {
        text: all.subarray(0, end).toString("utf8"),
        running: running || piece.length > 0,
        more: piece.length === bytes,
      };
    },
    keepAlive: () => client.heartbeat(scope, id),
    // May arrive more than once: the script passes only one SIGINT on to the command.
    interrupt: async () => {
      await command(place, id, `cd ${folder} && kill -INT "$(cat pid)" || true`);
    },
    remove: () => client.destroySandbox(scope, id),
  };
}

/** Prints `preparing`, `running` or `over`. */
const aliveProbe =
  'if [ ! -e started ]; then echo preparing; elif [ ! -s pid ] || kill -0 "$(cat pid)" 2> /dev/null; then echo running; else echo over; fi';

/**
 * The folder `started` lets only one of several such commands through: one of which nobody knows whether it ran may be sent
 * again. `setsid --fork` takes the job out of the command's session, and does not make it deaf for SIGINT, as `&` does.
 */
const startCommand = `cd ${folder} && { mkdir started 2> /dev/null || exit 0; } && setsid --fork bash -c 'echo $$ > pid; exec bash runner.sh' > log 2>&1 < /dev/null`;

async function hasValue(place: RunnerPlace, id: string, name: string, value: string): Promise<boolean> {
  return (await look(place, id, `printenv ${name} || true`)) === value;
}

/**
 * @returns what a command that only reads wrote; `undefined` where the machine is gone: Railway's reads lag, and whoever made it
 *   may remove it meanwhile
 */
async function look(place: RunnerPlace, id: string, text: string): Promise<string | undefined> {
  try {
    // A machine on its way out fails first, and says that it is gone when it is asked again.
    const mayBeLeaving = (error: unknown) => isLostContact(error) || hasCode(error, "RUNNER_COMMAND_FAILED");
    return (await command(place, id, text, mayBeLeaving)).trim();
  } catch (error) {
    if (hasCode(error, "SANDBOX_GONE")) return undefined;
    throw error;
  }
}

/** Each piece is a file of its own, so that sending one twice does no harm. */
async function upload(
  place: RunnerPlace,
  id: string,
  name: string,
  content: Buffer,
  signal: AbortSignal,
): Promise<void> {
  const encoded = content.toString("base64");
  const pieces = Math.max(1, Math.ceil(encoded.length / pieceLength));
  const files = Array.from({ length: pieces }, (_, index) => `${name}.${String(index).padStart(4, "0")}`);
  for (const [index, file] of files.entries()) {
    signal.throwIfAborted();
    const piece = encoded.slice(index * pieceLength, (index + 1) * pieceLength);
    await command(
      place,
      id,
      `umask 077 && mkdir -p ${folder} && cd ${folder} && printf %s ${quoted(piece)} > ${quoted(file)}`,
    );
  }
  const hash = createHash("sha256").update(content).digest("hex");
  await command(
    place,
    id,
    `cd ${folder} && cat ${files.map(quoted).join(" ")} | base64 -d > ${quoted(name)} && echo '${hash}  ${name}' | sha256sum -c --quiet`,
  );
}

/** Runs a short command that may run more than once, and again when nobody knows whether it did. */
async function command(
  place: RunnerPlace,
  id: string,
  text: string,
  isWorthAnother: (error: unknown) => boolean = isLostContact,
): Promise<string> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await commandOnce(place, id, text);
    } catch (error) {
      if (attempt === attemptsOfCommand || !isWorthAnother(error)) throw error;
      await place.client.rest();
    }
  }
}

async function commandOnce({ client, scope }: RunnerPlace, id: string, text: string): Promise<string> {
  const { exitCode, output } = await client.exec(scope, id, text);
  if (exitCode !== 0) throw commandFailed(id, exitCode);
  return output;
}

/** How many bytes end with a complete character. */
function completeLength(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back] ?? 0;
    if ((byte & 0xc0) === 0x80) continue;
    const needs = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return needs > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}

function commandFailed(id: string, exitCode: number): CutoverError {
  return new CutoverError({
    code: "RUNNER_COMMAND_FAILED",
    message: `A command in the sandbox ${id} that prepares or looks at the run ended with exit code ${exitCode}.`,
    remedy:
      "Run the same command again. With a run under way, `--attach` follows it; if that fails too, look at the sandbox in Railway's dashboard.",
  });
}

function unreadable(id: string): CutoverError {
  return new CutoverError({
    code: "RUNNER_OUTPUT_UNREADABLE",
    message: `The output of the run in the sandbox ${id} could not be read. The run itself goes on.`,
    remedy: "Run with `--attach`; `npm run cutover:remote -- --run status` says how far the cutover is.",
  });
}
