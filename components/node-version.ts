import { CutoverError } from "./errors.ts";

/** The oldest Node that runs TypeScript itself in the program and in Pulumi's provider process. */
const required = [22, 18] as const;

/** Refuses a Node that would fail later with errors nobody understands. Throws `NODE_TOO_OLD`. */
export function assertNodeVersion(version = process.versions.node): void {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major > required[0] || (major === required[0] && minor >= required[1])) return;
  throw new CutoverError({
    code: "NODE_TOO_OLD",
    message: `This program runs on Node ${version}; it needs ${required.join(".")} or newer.`,
    remedy: 'Put the project\'s own Node first: export PATH="$PWD/node_modules/.bin:$PATH" (after npm ci).',
  });
}
