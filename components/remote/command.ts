/** What can be run inside Railway: the cutover itself, and what looks at it or puts it back. */
export const remoteCommands = ["up", "preview", "status", "drift", "abort"] as const;

export type RemoteCommand = (typeof remoteCommands)[number];

/** The program and its arguments as they run inside; no secret is among them. */
export function commandLine(command: RemoteCommand, stack: string): readonly string[] {
  switch (command) {
    case "up":
      // Asked about here already, and the run inside has no terminal.
      return ["pulumi", "up", "--stack", stack, "--non-interactive", "--yes", "--skip-preview"];
    case "preview":
      return ["pulumi", "preview", "--stack", stack, "--non-interactive"];
    case "abort":
      return ["node", "scripts/abort.ts", "--stack", stack, "--yes"];
    case "status":
    case "drift":
      return ["node", `scripts/${command}.ts`, "--stack", stack];
    default:
      return command satisfies never;
  }
}

/** Writes what is brought back, the page about the newest cutover, for the commands that change its state. */
export function reportLine(command: RemoteCommand, stack: string): readonly string[] | null {
  if (command !== "up" && command !== "abort") return null;
  return ["node", "scripts/report.ts", "--stack", stack, "--out"];
}

/** Whether the engine, and so the state's backend, takes part. */
export function needsEngine(command: RemoteCommand): boolean {
  return command === "up" || command === "preview";
}

/** Whether it changes something, so that somebody has to say yes. */
export function needsConsent(command: RemoteCommand): boolean {
  return command === "up" || command === "abort";
}
