import { join, resolve } from "node:path";

const folder = join(resolve(import.meta.dirname, "../.."), "node_modules", ".cache", "node-compile");

/**
 * Lets every Node process that is started from here on keep its compiled code: loading is most of what a small process
 * costs, and a rehearsal starts dozens of the same.
 */
export function keepCompiledCode(): void {
  process.env.NODE_COMPILE_CACHE ??= folder;
}
