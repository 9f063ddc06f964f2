import { gunzipSync } from "node:zlib";
import { controlMark } from "./script.ts";

/** Where the script inside was when it ended; `orphan`: it had to end what the command had left at work. */
export type Phase = "prepare" | "network" | "command" | "orphan";

export interface Ending {
  readonly phase: Phase;
  readonly exitCode: number;
}

/** Takes what the script wrote, in pieces of any size, apart: what is to be shown, and what it told. */
export class RunnerOutput {
  #rest = "";
  /** By number: lines of Railway's logs may come in another order. */
  readonly #report = new Map<number, string>();
  #ending: Ending | undefined;
  #commandStarted = false;

  /** @returns the complete lines that are to be shown, each with its line break */
  accept(text: string): string {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    return lines
      .filter((line) => !this.#isControl(line))
      .map((line) => `${line}\n`)
      .join("");
  }

  get ending(): Ending | undefined {
    return this.#ending;
  }

  get commandStarted(): boolean {
    return this.#commandStarted;
  }

  /** The report's text; `undefined` where none came, or not all of it did. */
  get report(): string | undefined {
    if (this.#report.size === 0) return undefined;
    const parts = [...this.#report].sort(([one], [other]) => one - other).map(([, part]) => part);
    try {
      return gunzipSync(Buffer.from(parts.join(""), "base64")).toString("utf8");
    } catch {
      return undefined;
    }
  }

  #isControl(line: string): boolean {
    if (!line.startsWith(`${controlMark} `)) return false;
    const [, what, ...words] = line.trimEnd().split(" ");
    if (what === "report") this.#report.set(Number(words[0]), words[1] ?? "");
    if (what === "phase" && words[0] === "command") this.#commandStarted = true;
    if (what === "end") this.#ending = { phase: words[0] as Phase, exitCode: Number(words[1]) };
    return true;
  }
}
