import { execFile } from "node:child_process";
import { promisify } from "node:util";

/** The Node process of the dynamic providers: Pulumi starts a shell script, and that starts it. */
export async function findProvider(cliPid: number): Promise<number> {
  const { stdout } = await run("ps", ["-A", "-o", "pid=,ppid=,args="]);
  const processes = stdout.split("\n").map((line) => {
    const [, pid, parent, command = ""] = /^ *(\d+) +(\d+) (.*)$/.exec(line) ?? [];
    return { pid: Number(pid), parent: Number(parent), command };
  });
  const script = processes.find(
    ({ parent, command }) => parent === cliPid && command.includes("pulumi-resource-pulumi-nodejs"),
  );
  const provider = processes.find(({ parent }) => parent === script?.pid);
  if (provider === undefined) throw new Error(`pulumi (${cliPid}) has not started its dynamic providers`);
  return provider.pid;
}

/** Whether a process still does something: one that has ended and was not waited for does not. */
export async function isAlive(pid: number): Promise<boolean> {
  const { stdout } = await run("ps", ["-o", "stat=", "-p", String(pid)]).catch(() => ({ stdout: "" }));
  return stdout.trim() !== "" && !stdout.trim().startsWith("Z");
}

const run = promisify(execFile);
