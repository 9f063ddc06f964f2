import type { JournalEntry } from "../journal/journal.ts";
import type { UpDecision } from "./decide.ts";

/**
 * What a preview prints instead of the plan when `up` would not begin; `undefined` when it would, and the plan tells
 * the rest. Pure. docs/protocol.md has the lines as a table, which a test compares.
 */
export function previewLine(entry: JournalEntry | undefined, decision: UpDecision): string | undefined {
  const unfinished = entry === undefined || entry.record.state === "aborted" ? undefined : entry;
  const interrupted = `Migration ${unfinished?.id} was interrupted (${unfinished?.record.state})`;
  switch (decision.action) {
    case "start":
      return undefined;
    case "go-on":
      return `${interrupted}: up goes on where it stopped`;
    case "put-back":
      return `${interrupted}: up puts everything back and starts afresh`;
    case "finish":
      return `Migration ${unfinished?.id} is promoted already: up only finishes the rest`;
    case "nothing":
      return `Migration ${unfinished?.id} is finished already: up records it and moves nothing`;
    case "refuse":
      if (decision.code !== "SERVER_UNREACHABLE") return `up is refused (${decision.code})`;
      // A preview may be made where the source is out of reach: the plan tells what it could not check.
      return unfinished === undefined ? undefined : `${interrupted}: what up does depends on the source`;
    default:
      return decision satisfies never;
  }
}
