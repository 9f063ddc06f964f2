import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { joinSockets } from "./join-sockets.ts";
import type { MeshAddress } from "./mesh-process.ts";

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** What can be reached from inside a machine; nothing else can. */
export interface MachineNetwork {
  /** Names of the private network, which exist nowhere else. */
  readonly private: readonly { readonly name: string; readonly port: number; readonly to: Endpoint }[];
  /** Ports of this machine's loopback that stand for the internet. */
  readonly internet: readonly number[];
}

export interface MachineOptions {
  readonly network: MachineNetwork;
  /** All that processes inside see, besides PATH and HOME. */
  readonly variables: Readonly<Record<string, string>>;
}

export interface CommandOutcome {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly timedOut: boolean;
}

/** A computer of its own, as far as network, processes and home folder go. Its tools are this machine's. */
export interface Machine {
  /** Runs a shell command inside; what it leaves in a session of its own goes on. */
  run(command: string, timeoutMs: number): Promise<CommandOutcome>;
  /** Starts a shell command inside whose output is handed on, line by line. */
  start(command: string, onLine: (line: string) => void): RunningCommand;
  /** Kills everything inside and removes its files. May be repeated. */
  destroy(): Promise<void>;
}

export interface RunningCommand {
  /** The exit code, or 128 and the signal's number. */
  readonly ended: Promise<number>;
  /** Sends a signal to the command alone. */
  signal(signal: NodeJS.Signals): void;
}

/** Why this machine can have no others in it; `undefined` when it can. Network, mount and process namespaces take root. */
export function machineObstacle(): string | undefined {
  if (process.platform !== "linux") return "network namespaces need Linux";
  const probe = spawnSync("unshare", [...unshareParameters, "ip", "link", "set", "lo", "up"], {
    encoding: "utf8",
  });
  if (probe.error !== undefined) return "there is no unshare (util-linux)";
  return probe.status === 0
    ? undefined
    : `namespaces are refused here: ${probe.stderr.trim().split("\n")[0]}`;
}

/** Starts a machine. Rejects when its network does not come up. */
export async function startMachine({ network, variables }: MachineOptions): Promise<Machine> {
  const folder = await mkdtemp(path.join(tmpdir(), "machine-"));
  const home = path.join(folder, "home");
  await mkdir(home);
  // As if the image brought the packages: a folder above the project's, where Node looks as well.
  await symlink(path.join(projectFolder, "node_modules"), path.join(home, "node_modules"));
  const doors: Door[] = [];
  const addresses: MeshAddress[] = [];
  const open = async (host: string, port: number, to: Endpoint) => {
    const socketFile = path.join(folder, `${addresses.length}.sock`);
    doors.push(await openDoor(socketFile, to));
    addresses.push({ host, port, socketFile });
  };
  const names = [...new Set(network.private.map(({ name }) => name))];
  const addressOf = (name: string) => `10.77.0.${names.indexOf(name) + 10}`;
  for (const { name, port, to } of network.private) await open(addressOf(name), port, to);
  for (const port of network.internet) await open("127.0.0.1", port, { host: "127.0.0.1", port });
  const hosts = ["127.0.0.1 localhost", ...names.map((name) => `${addressOf(name)} ${name}`)];
  await writeFile(path.join(folder, "hosts"), `${hosts.join("\n")}\n`);

  const setUp = [
    "set -e",
    `mount --bind ${path.join(folder, "hosts")} /etc/hosts`,
    "ip link set lo up",
    ...names.map((name) => `ip address add ${addressOf(name)}/32 dev lo`),
    // bash stays, and takes in orphans, as the first process of a machine has to.
    `"${process.execPath}" "${meshProgram}" & wait`,
  ].join("\n");
  const holder = spawn("unshare", [...unshareParameters, "bash", "-c", setUp], {
    env: { PATH: process.env.PATH, MESH_ADDRESSES: JSON.stringify(addresses) },
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
  // Shown when it does not start: unshare has a word to say about its end as well.
  let complaints = "";
  holder.stderr?.setEncoding("utf8").on("data", (text: string) => {
    complaints += text;
  });
  const gone = new Promise<void>((resolve) => void holder.once("exit", () => resolve()));
  let destroyed: Promise<void> | undefined;
  const end = async () => {
    // Of the first process inside: the holder waits for that one, whose end the kernel delays until nothing is left inside.
    const killed = spawnSync("pkill", ["-KILL", "-P", String(holder.pid)]);
    if (killed.status !== 0) holder.kill("SIGKILL");
    await gone;
    for (const door of doors) door.close();
    await rm(folder, { recursive: true, force: true });
  };
  const destroy = () => (destroyed ??= end());
  const environment = { ...variables, HOME: home, PATH: insidePath() };
  const enter = (command: string, detached: boolean) =>
    spawn("nsenter", [...nsenterParameters(holder.pid ?? 0), "sh", "-c", command], {
      cwd: home,
      env: environment,
      stdio: ["ignore", "pipe", "pipe"],
      detached,
    });
  const ready = await Promise.race([
    new Promise<boolean>((resolve) => void holder.once("message", () => resolve(true))),
    gone.then(() => false),
  ]);
  if (!ready) {
    await destroy();
    throw new Error(`the machine did not start: ${complaints.trim()}`);
  }
  return {
    run: (command, timeoutMs) => outcomeOf(enter(command, true), timeoutMs),
    start: (command, onLine) => running(enter(command, true), onLine),
    destroy,
  };
}

const projectFolder = path.join(import.meta.dirname, "../../..");
const meshProgram = path.join(import.meta.dirname, "mesh-process.ts");
const unshareParameters = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];

function nsenterParameters(pid: number): string[] {
  const of = `/proc/${pid}/ns`;
  return [`--net=${of}/net`, `--mount=${of}/mnt`, `--pid=${of}/pid_for_children`, "--"];
}

/** The image's tools: the system's, the project's Node, and the engine where this machine has one. */
function insidePath(): string {
  const folders = (process.env.PATH ?? "").split(":");
  const engine = folders.filter((folder) => existsSync(path.join(folder, "pulumi")));
  const system = ["/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
  return [path.join(projectFolder, "node_modules/.bin"), ...engine, ...system].join(":");
}

async function outcomeOf(child: ChildProcess, timeoutMs: number): Promise<CommandOutcome> {
  const text = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"] as const) {
    child[stream]?.setEncoding("utf8").on("data", (piece: string) => {
      text[stream] += piece;
    });
  }
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
  }, timeoutMs);
  const exitCode = await new Promise<number>((resolve) => {
    child.once("close", (code) => resolve(code ?? 137));
    child.once("error", () => resolve(127));
  });
  clearTimeout(timer);
  return { exitCode, ...text, timedOut };
}

function running(child: ChildProcess, onLine: (line: string) => void): RunningCommand {
  let rest = "";
  const take = (piece: string) => {
    const lines = (rest + piece).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) onLine(line);
  };
  child.stdout?.setEncoding("utf8").on("data", take);
  child.stderr?.setEncoding("utf8").on("data", take);
  const ended = new Promise<number>((resolve) => {
    child.once("close", (code, signal) => {
      if (rest !== "") onLine(rest);
      resolve(code ?? (signal === "SIGKILL" ? 137 : 143));
    });
  });
  // nsenter waits for its child in the other namespace, which is the command.
  return {
    ended,
    signal: (signal) => void spawnSync("pkill", [`-${signal.slice(3)}`, "-P", String(child.pid)]),
  };
}

interface Door {
  close(): void;
}

async function openDoor(socketFile: string, to: Endpoint): Promise<Door> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((inside) => {
    const outside = connect(to);
    for (const socket of [inside, outside]) {
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
    }
    joinSockets(inside, outside);
  });
  await new Promise<void>((resolve) => server.listen(socketFile, resolve));
  return {
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
