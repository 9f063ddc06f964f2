import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/**
 * Runs a program below this folder and kills it, with SIGKILL, at the first line that holds the text.
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
  const [preload = "", main = ""] = ["end-at-line.ts", program].map((file) =>
    fileURLToPath(new URL(file, import.meta.url)),
  );
  const child = spawn(process.execPath, ["--import", preload, main], {
    env: { ...process.env, ...environment, END_AT_LINE: text },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "close");
  for await (const line of createInterface({ input: child.stdout })) lines.push(line);
  const [, signal] = await ended;
  if (signal === "SIGKILL") return;
  throw new Error(`the run ended before it could be killed at "${text}": ${lines.slice(-5).join(" | ")}`);
}
