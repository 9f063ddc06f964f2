// Plain JavaScript that every Node understands: an older one cannot even load index.ts, and would say so in its own way.
import process from "node:process";

const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 22 || (major === 22 && minor < 18)) {
  throw new Error(
    `NODE_TOO_OLD: this program runs on Node ${process.versions.node}; it needs 22.18 or newer. ` +
      'Remedy: put the project\'s own Node first, export PATH="$PWD/node_modules/.bin:$PATH" (after npm ci), and run again.',
  );
}

export default await import("./index.ts");
