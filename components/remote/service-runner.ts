import { CutoverError, describeError, hasCode } from "../errors.ts";
import type { Deployment, LogLine } from "../railway/runners.ts";
import type { RailwayService } from "../railway/services.ts";
import {
  type Leftover,
  type Runner,
  type RunnerJob,
  type RunnerPlace,
  removeInVain,
  type StartOptions,
} from "./runner.ts";

/** What a command of the operator's may take to finish after Ctrl-C, at most. */
const drainingSeconds = 3_600;
/** In one variable. Railway documents no limit of a variable's length. */
const pieceLength = 30_000;
/** Railway's log lines may come late, and out of order. */
const logOverlapMs = 10_000;
const logPatienceMs = 15_000;

const markVariable = "CUTOVER_RUNNER";
const sinceVariable = "CUTOVER_RUNNER_SINCE";
const scriptVariable = "CUTOVER_RUNNER_SCRIPT";
const projectVariable = "CUTOVER_RUNNER_PROJECT_";

/** What the script does to unpack the project; see {@link RunnerJob.archive}. */
export const unpackInService = `for piece in \${!${projectVariable}@}; do printf %s "\${!piece}"; done | base64 -d | tar -xz && unset \${!${projectVariable}@} ${scriptVariable}`;

/** A shell that is the container's first process, so that the signal of a stop reaches the script. */
const startCommand = `/bin/bash -c 'eval "$(printf %s "$${scriptVariable}" | base64 -d)"'`;

/**
 * Makes a service in the project's own network that runs the job once, and deploys it. Everything reaches it as variables,
 * because nobody can run a command in a service through the API.
 *
 * @throws CutoverError `RUNNER_SERVICE_NOT_CREATED`, `DEPLOYMENT_NOT_STARTED`, `RAILWAY_ALREADY_EXISTS`, what
 *   `beforeStart` throws, and those of the transport; by then the service is removed again, unless somebody else's has its name
 */
export async function startServiceRunner(
  place: RunnerPlace,
  job: RunnerJob,
  { image, now, signal, beforeStart }: StartOptions & { readonly image: string; readonly now: Date },
): Promise<Runner> {
  const { client, scope } = place;
  const name = serviceName(job.mark);
  signal.throwIfAborted();
  try {
    const { serviceId, deploymentId } = await client.runOnce(scope, {
      ...{ name, image, startCommand, drainingSeconds },
      beforeDeployment: async (serviceId) => {
        await beforeStart({ name: runnerName(serviceId), since: now });
        signal.throwIfAborted();
      },
      marks: { [markVariable]: job.mark, [sinceVariable]: now.toISOString() },
      variables: {
        ...job.variables,
        [scriptVariable]: Buffer.from(job.script).toString("base64"),
        ...piecesOf(job.archive),
      },
    });
    return serviceRunner(place, serviceId, deploymentId);
  } catch (error) {
    // By its time as well: nobody else's is removed.
    const found = await findServiceRunners(place, job.mark).catch((unseen: unknown) => {
      place.log(
        `the service ${name} may be there and hold the secrets of this run: it could not be looked up (${describeError(unseen)}); look in Railway's dashboard`,
      );
      return [];
    });
    const own = found.find(({ since }) => since.getTime() === now.getTime());
    // It was deployed after all: nothing is removed from under a cutover.
    if (own?.state === "running") return own.runner;
    if (own !== undefined) await removeInVain(own.runner, place);
    throw error;
  }
}

/** The services that run this project and stack, if any are left. */
export async function findServiceRunners(place: RunnerPlace, mark: string): Promise<Leftover[]> {
  const { client, scope } = place;
  const services = await client.listServices(scope);
  const service = services.find(({ name }) => name === serviceName(mark));
  if (service === undefined) return [];
  const variables = await client.variables(scope, service.id);
  if (variables?.get(markVariable) !== mark) return [];
  const deployment = service.latestDeployment;
  return [
    {
      runner: serviceRunner(place, service.id, deployment?.id),
      state: stateOf(service),
      since: new Date(variables.get(sinceVariable) ?? 0),
    },
  ];
}

function serviceRunner(place: RunnerPlace, serviceId: string, deploymentId: string | undefined): Runner {
  const { client, remover, scope } = place;
  const seen = new SeenLines();
  let overSince: number | undefined;
  return {
    name: runnerName(serviceId),
    async read() {
      if (deploymentId === undefined) return { text: "", running: false, more: false };
      const fresh = seen.take(await client.logs(deploymentId, seen.since));
      if (fresh.length > 0)
        return { text: fresh.map(({ text }) => `${text}\n`).join(""), running: true, more: false };
      if (isGoingOn(await client.deployment(deploymentId))) return { text: "", running: true, more: false };
      overSince ??= performance.now();
      return { text: "", running: performance.now() - overSince < logPatienceMs, more: false };
    },
    keepAlive: async () => {},
    interrupt: async () => {
      if (deploymentId !== undefined) await client.requestStop(deploymentId);
    },
    async remove() {
      try {
        await remover.deleteService(scope, serviceId);
      } catch (error) {
        if (!hasCode(error, "RAILWAY_NOT_AUTHORIZED")) throw error;
        const left = await forgetSecrets(place, serviceId, deploymentId).then(
          () => undefined,
          (failure: unknown) => describeError(failure),
        );
        throw notRemoved(serviceId, left, error);
      }
    },
  };
}

/** Lines of a log that is read again and again with an overlap. */
class SeenLines {
  #lines: LogLine[] = [];

  get since(): string | undefined {
    const newest = this.#lines.at(-1)?.timestamp;
    return newest === undefined ? undefined : new Date(Date.parse(newest) - logOverlapMs).toISOString();
  }

  /** @returns those that were not there before */
  take(lines: readonly LogLine[]): LogLine[] {
    const known = new Map<string, number>();
    for (const line of this.#lines) known.set(keyOf(line), (known.get(keyOf(line)) ?? 0) + 1);
    const fresh = lines.filter((line) => {
      const times = known.get(keyOf(line)) ?? 0;
      known.set(keyOf(line), times - 1);
      return times <= 0;
    });
    this.#lines = [...this.#lines, ...fresh].sort((one, other) =>
      one.timestamp < other.timestamp ? -1 : one.timestamp > other.timestamp ? 1 : 0,
    );
    const from = this.since;
    if (from !== undefined)
      this.#lines = this.#lines.filter(({ timestamp }) => Date.parse(timestamp) >= Date.parse(from));
    return fresh;
  }
}

function keyOf({ text, timestamp }: LogLine): string {
  return `${timestamp} ${text}`;
}

function stateOf({ latestDeployment }: RailwayService): Leftover["state"] {
  if (latestDeployment === null) return "preparing";
  return isGoingOn(latestDeployment) ? "running" : "over";
}

/** Under way, or its container runs. Unknown statuses mean "still running". */
function isGoingOn({ status, stopped, instances }: Deployment): boolean {
  if (["FAILED", "CRASHED", "REMOVED", "SKIPPED"].includes(status) || stopped) return false;
  return !instances.some((instance) => ["EXITED", "CRASHED", "STOPPED", "REMOVED"].includes(instance.status));
}

/** A token that may make a service and may not delete it must not leave the run's secrets there. */
async function forgetSecrets(
  { client, scope, log }: RunnerPlace,
  serviceId: string,
  deploymentId: string | undefined,
): Promise<void> {
  // One that is over may not be stopped any more; its secrets go all the same.
  if (deploymentId !== undefined)
    await client.requestStop(deploymentId).catch((error: unknown) => {
      log(`the deployment of the service ${serviceId} could not be stopped: ${describeError(error)}`);
    });
  const variables = await client.variables(scope, serviceId);
  const names = [...(variables?.keys() ?? [])].filter(
    (name) => name !== markVariable && name !== sinceVariable && !isProvided(name),
  );
  await client.setVariables(scope, serviceId, Object.fromEntries(names.map((name) => [name, "removed"])));
}

/** Railway gives it, so nobody can overwrite it. The token of the run, of ours, has such a name as well. */
function isProvided(name: string): boolean {
  return name.startsWith("RAILWAY_") && !name.endsWith("_TOKEN");
}

function piecesOf(archive: Buffer): Record<string, string> {
  const encoded = archive.toString("base64");
  return Object.fromEntries(
    Array.from({ length: Math.ceil(encoded.length / pieceLength) }, (_, index) => [
      `${projectVariable}${String(index).padStart(4, "0")}`,
      encoded.slice(index * pieceLength, (index + 1) * pieceLength),
    ]),
  );
}

function runnerName(serviceId: string): string {
  return `service ${serviceId}`;
}

function serviceName(mark: string): string {
  return `cutover-runner-${mark.split("/").at(-1)}`;
}

/** @param left why the secrets are still there, if they are */
function notRemoved(serviceId: string, left: string | undefined, cause: unknown): CutoverError {
  return new CutoverError({
    code: "RUNNER_NOT_REMOVED",
    message: `The temporary service ${serviceId} is over, but this token may not delete it. The values of its variables ${
      left === undefined
        ? "were overwritten; Railway may show those of its deployment still."
        : `could not be overwritten, so the secrets of the run are still there (${left}).`
    }`,
    remedy:
      "Delete the service in Railway's dashboard, or run with `--stop` and a wider token in `RAILWAY_REMOVAL_TOKEN`; then replace the secrets that it was given.",
    cause,
  });
}
