import type { EventEmitter } from "node:events";

/** A stream of this process whose other end may go away: its failures (EPIPE, EIO) end nothing. Safe to repeat. */
export function ignoreErrors(...streams: readonly EventEmitter[]): void {
  for (const stream of streams) {
    if (!stream.listeners("error").includes(ignore)) stream.on("error", ignore);
  }
}

function ignore(): void {}
