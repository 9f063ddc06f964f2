import { fileURLToPath } from "node:url";

/** The program of an app that answers and writes; it takes everything from its environment. */
export const appCommand: readonly [string, ...string[]] = [
  process.execPath,
  fileURLToPath(new URL("app-process.ts", import.meta.url)),
];
