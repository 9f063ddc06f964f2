// Plain JavaScript that every Node understands: an older one cannot even load index.ts, and would say so in its own way.
import module from "node:module";
import { resolve } from "node:path";
import process from "node:process";

const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 22 || (major === 22 && minor < 18)) {
  throw new Error(
    `NODE_TOO_OLD: this program runs on Node ${process.versions.node}; it needs 22.18 or newer. ` +
      'Remedy: put the project\'s own Node first, export PATH="$PWD/node_modules/.bin:$PATH" (after npm ci), and run again.',
  );
}

// Loading is most of what a preview without changes costs.
module.enableCompileCache(resolve(import.meta.dirname, "node_modules/.cache/node-compile"));

export default await import("./index.ts");
