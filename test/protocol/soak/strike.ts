import { setTimeout as delay } from "node:timers/promises";
import { withConnection } from "../../../components/postgres/connection.ts";
import { healthcareServiceNames } from "../../world/railway/healthcare-world.ts";
import type { DeploymentFault } from "../../world/railway/platform.ts";
import type { RequestFaultMode } from "../../world/railway/request-faults.ts";
import type { World } from "../../world/world.ts";
import type { Side } from "../crash-table.ts";
import type { Arena } from "./arena.ts";
import type { RunningCommand } from "./commands.ts";
import type { FaultKind } from "./faults.ts";
import type { Random } from "./random.ts";

/** What a fault has to do with. */
export interface Target {
  readonly arena: Arena;
  readonly world: World;
  readonly command: RunningCommand;
  readonly random: Random;
  /** Starts another command beside the one that is under way. */
  startAnother(command: "up" | "abort"): void;
  /** Awaited before the next command: what the fault has started, and what ends it. */
  readonly aftermath: Array<Promise<unknown>>;
  /** Done between this command and the next one. */
  readonly before: Array<() => Promise<unknown>>;
}

/** The deployment fault a kind plans before the command starts; `undefined` for kinds that strike at an effect. */
export function plannedDeploymentFault(kind: FaultKind): DeploymentFault | undefined {
  if (kind === "hold") return "BUILD";
  return kind.startsWith("deployment-") ? (kind.slice("deployment-".length) as DeploymentFault) : undefined;
}

/** Does it, at the very effect. The answer is for the session or request whose effect it is. */
export async function strike(kind: FaultKind, target: Target): Promise<"go-on" | "drop"> {
  const { arena, world, command, random, aftermath, before } = target;
  const [action = "", ...rest] = kind.split("-");
  const side = (rest[0] === "source" ? "source" : "target") satisfies Side;
  switch (kind) {
    case "kill":
      command.kill("SIGKILL");
      return "drop";
    case "interrupt-twice":
      command.kill("SIGINT");
      // The engine gives a provider some seconds after the second Ctrl-C.
      aftermath.push(delay(1_000).then(() => command.kill("SIGKILL")));
      return "go-on";
    case "orphan":
      command.loseEngine();
      target.startAnother("up");
      return "go-on";
    case "second-up":
      target.startAnother("up");
      return "go-on";
    case "parallel-abort":
      target.startAnother("abort");
      return "go-on";
    case "disk-full":
      await arena.disk?.fill();
      before.push(async () => arena.disk?.free());
      return "go-on";
    case "kill-and-rotate-source":
    case "kill-and-rotate-target":
      command.kill("SIGKILL");
      before.push(() => rotate(arena, world, kind === "kill-and-rotate-source" ? "source" : "target"));
      return "drop";
    case "kill-and-rename":
    case "kill-and-wait":
      command.kill("SIGKILL");
      return "drop";
    case "railway-down": {
      world.railway.failRequests({ mode: "500", times: Number.POSITIVE_INFINITY });
      aftermath.push(delay(4_000).then(() => world.railway.clearRequestFaults()));
      return "go-on";
    }
    case "reads-lag":
      world.railway.setPace({ readLagMs: [500, 3_000] });
      return "go-on";
    case "renders-late":
      world.railway.setPace({ renderLagMs: 1_500 });
      return "go-on";
    case "push":
      world.railway.pushDeployment(random.pick(healthcareServiceNames));
      return "go-on";
    default:
  }
  switch (action) {
    case "cut":
      arena.proxies[side].cut();
      return "drop";
    case "swallow":
      arena.proxies[side].swallow();
      aftermath.push(delay(16_000).then(() => arena.proxies[side].restore()));
      return "drop";
    case "restart":
      aftermath.push(restart(arena, side));
      return "drop";
    case "cancel":
      aftermath.push(signalSessions(arena, side, "pg_cancel_backend(pid)", "state = 'active'"));
      return "go-on";
    case "terminate":
      aftermath.push(signalSessions(arena, side, "pg_terminate_backend(pid)", "true", 1));
      return "go-on";
    case "railway": {
      const mode = kind.slice("railway-".length) as RequestFaultMode;
      const afterApply = mode.endsWith("after-apply");
      world.railway.failRequests({
        mode,
        times: random.upTo(2),
        ...(afterApply ? { kind: "mutation" as const } : {}),
      });
      before.push(async () => world.railway.clearRequestFaults());
      return "go-on";
    }
    default:
      throw new TypeError(`no way to do ${kind}`);
  }
}

async function restart(arena: Arena, side: Side): Promise<void> {
  await arena.servers[side].stop("immediate");
  await delay(200);
  await arena.servers[side].start();
}

/** What an administrator does to the run's sessions on one server, in whichever of its databases they are. */
async function signalSessions(
  arena: Arena,
  side: Side,
  call: string,
  condition: string,
  limit = 100,
): Promise<void> {
  await withConnection(arena.servers[side].connection("postgres"), { purpose: "world" }, (client) =>
    client.query(
      `SELECT ${call} FROM (SELECT pid FROM pg_stat_activity
        WHERE application_name LIKE 'pgvector_cutover:%' AND application_name <> 'pgvector_cutover:world'
          AND ${condition} ORDER BY random() LIMIT ${limit}) one`,
    ),
  );
}

/** The server first, then Railway, which deploys whatever refers to it: sessions that are open go on. */
async function rotate(arena: Arena, world: World, side: Side): Promise<void> {
  const password = await arena.rotatePassword(side);
  const service = side === "source" ? "Postgres" : "pgvector";
  const host = `${service.toLowerCase()}.railway.internal`;
  const users = healthcareServiceNames.filter((name) => {
    const serving = world.railway.deployments(name).findLast(({ status }) => status === "SUCCESS");
    return new URL(serving?.variables.DATABASE_URL ?? "none:").hostname === host;
  });
  world.railway.setVariableByHand(service, "POSTGRES_PASSWORD", password);
  for (const name of users) world.railway.pushDeployment(name);
  await world.railway.settle();
}
