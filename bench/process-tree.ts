import { readdir, readFile } from "node:fs/promises";

/** One process as `/proc/<pid>/stat` tells of it. */
export interface ProcessLine {
  readonly pid: number;
  readonly parent: number;
}

/** Reads `/proc/<pid>/stat` (proc(5)). The program's name, in parentheses, may hold anything. Pure. */
export function parseStat(text: string): ProcessLine {
  const afterName = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { pid: Number.parseInt(text, 10), parent: Number(afterName[1]) };
}

/** The process and all that descend from it. Pure. */
export function descendants(root: number, processes: readonly ProcessLine[]): number[] {
  const found = [root];
  for (const pid of found) {
    for (const child of processes)
      if (child.parent === pid && !found.includes(child.pid)) found.push(child.pid);
  }
  return found;
}

/**
 * Memory of a process and its descendants, in bytes: what each has for itself and its share of what several use (Pss of
 * `smaps_rollup`), so that a program that forks is not charged for its code again and again. `undefined` where there is no
 * `/proc`.
 */
export async function treeMemory(root: number): Promise<number | undefined> {
  const names = await readdir("/proc").catch(() => undefined);
  if (names === undefined) return undefined;
  const read = (file: string) => readFile(`/proc/${file}`, "utf8").catch(() => "");
  const stats = await Promise.all(
    names.filter((name) => /^\d+$/.test(name)).map((name) => read(`${name}/stat`)),
  );
  const processes = stats.filter((text) => text !== "").map(parseStat);
  const shares = await Promise.all(
    descendants(root, processes).map(async (pid) => parsePss(await read(`${pid}/smaps_rollup`))),
  );
  return shares.reduce((sum, bytes) => sum + bytes, 0);
}

/** Pure. */
export function parsePss(text: string): number {
  return Number(/^Pss:\s+(\d+) kB$/m.exec(text)?.[1] ?? 0) * 1024;
}
