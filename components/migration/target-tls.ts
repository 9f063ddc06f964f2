import { withConnection } from "../postgres/connection.ts";
import type { ServerCertificate } from "../postgres/secure-socket.ts";
import type { Railway } from "../railway/railway.ts";
import { type ResolvedDatabase, resolveDatabase } from "./decide/resolve.ts";
import { exclusivelyOnTarget } from "./exclusion/exclusive-run.ts";
import type { MigrationInputs } from "./inputs.ts";
import type { Reporter } from "./reporter.ts";
import { type ClientVariable, readClientVariables } from "./target-tls/client-variables.ts";
import { observeTargetTls, type TargetTlsObservation } from "./target-tls/observe.ts";
import {
  planTargetTls,
  standOf,
  type TargetTlsPlan,
  type TargetTlsRequest,
  type TlsStand,
} from "./target-tls/plan.ts";
import { renew, switchOff, switchOn, type TlsSwitch } from "./target-tls/switch.ts";

/** The target's TLS, and who is concerned by a change of it. Plain data without a secret. */
export interface TargetTlsLook {
  readonly stand: TlsStand;
  readonly seen: TargetTlsObservation;
  readonly variables: readonly ClientVariable[];
}

export interface TargetTlsRun {
  readonly railway: Railway;
  readonly inputs: MigrationInputs;
  readonly reporter: Reporter;
  /** Default 825 days. */
  readonly validDays?: number;
  /** Default 15 s. */
  readonly reloadTimeoutMs?: number;
}

/**
 * Looks at the target's server and at the variables that lead there. Reads only.
 *
 * @throws CutoverError `TLS_NOT_SUPERUSER`, and what reaching the target throws
 */
export async function lookAtTargetTls({ railway, inputs }: TargetTlsRun): Promise<TargetTlsLook> {
  const scope = await railway.resolveEnvironment(inputs);
  const target = await resolveDatabase(railway, scope, inputs, "target");
  const seen = await withConnection(target.connection, { purpose: "status", readOnly: true }, (client) =>
    observeTargetTls(client, target.connection),
  );
  return { stand: standOf(seen), seen, variables: await readClientVariables(railway, scope, target.service) };
}

/** What was done; `certificate` is what the server serves now. */
export interface TargetTlsOutcome {
  readonly plan: Exclude<TargetTlsPlan, { action: "refuse" }>;
  readonly certificate: ServerCertificate | null;
}

/**
 * Switches the target's TLS on or off, as the only command at work there. Safe to repeat, and to go on with after an
 * interruption at whatever point. docs/target-tls.md has what an interruption leaves.
 *
 * @throws CutoverError `ANOTHER_RUN_ACTIVE`, every `TLS_…` of docs/errors.md
 */
export async function switchTargetTls(
  run: TargetTlsRun,
  request: TargetTlsRequest,
): Promise<TargetTlsOutcome> {
  const { railway, inputs, reporter } = run;
  const scope = await railway.resolveEnvironment(inputs);
  const target = await resolveDatabase(railway, scope, inputs, "target");
  const hosts = await hostsOf(railway, scope, target);
  return exclusivelyOnTarget(
    { railway, inputs, reporter, isEngineAlive: async () => true },
    { scope, target, services: [] },
    ({ world: { target: alone } }) =>
      withConnection(alone.connection, { purpose: "target-tls" }, async (client) => {
        const { connection } = alone;
        const seen = await observeTargetTls(client, connection);
        const plan = planTargetTls(request, seen, new Date());
        if (plan.action === "refuse") throw plan.error;
        const { validDays = defaultValidDays, reloadTimeoutMs = defaultReloadTimeoutMs } = run;
        const work = { client, connection, reporter, hosts, validDays, reloadTimeoutMs };
        return { plan, certificate: await carryOut(work, plan, seen) };
      }),
  );
}

function carryOut(
  work: TlsSwitch,
  plan: TargetTlsOutcome["plan"],
  { served }: TargetTlsObservation,
): Promise<ServerCertificate | null> {
  switch (plan.action) {
    case "nothing":
      return Promise.resolve(served);
    case "switch-on":
      return switchOn(work, plan);
    case "renew":
      return renew(work);
    case "switch-off":
      return switchOff(work).then(() => null);
    default:
      return plan satisfies never;
  }
}

/** The longest that Apple's systems take from a certificate of one's own; Railway's own image takes 820 days. */
const defaultValidDays = 825;
const defaultReloadTimeoutMs = 15_000;

/** What clients call the server: its private name, and the public address that leads to it. */
async function hostsOf(
  railway: Railway,
  scope: Parameters<Railway["renderedVariables"]>[0],
  { service, privateHost }: ResolvedDatabase,
): Promise<string[]> {
  const proxy = (await railway.renderedVariables(scope, service.id)).get("RAILWAY_TCP_PROXY_DOMAIN");
  return [privateHost, proxy].filter((host) => typeof host === "string" && host !== "") as string[];
}
