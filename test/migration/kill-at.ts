import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/**
 * Runs a program of this folder and kills it, with SIGKILL, at the first line that holds the text.
 *
 * @param lines gets what it printed until then
 * @throws Error when it ends before
 */
export async function killProgramAt(
  text: string,
  program: string,
  environment: Readonly<Record<string, string>>,
  lines: string[] = [],
): Promise<void> {
  const child = spawn(process.execPath, [fileURLToPath(new URL(program, import.meta.url))], {
    env: { ...process.env, ...environment },
    stdio: ["ignore", "pipe", "inherit"],
  });
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
    if (!line.includes(text)) continue;
    child.kill("SIGKILL");
    await once(child, "close");
    return;
  }
  throw new Error(`the run ended before it could be killed at "${text}": ${lines.slice(-5).join(" | ")}`);
}
