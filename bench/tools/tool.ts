import type { ConnectionTarget } from "../../components/postgres/connection.ts";
import type { PeerPrograms } from "../../test/world/postgres/debian-peers.ts";
import type { ToolCommand } from "../measure.ts";

/** One copy that a tool has to make. */
export interface CopyJob {
  readonly source: ConnectionTarget;
  readonly target: ConnectionTarget;
  readonly schemas: readonly string[];
}

export interface ToolSettings {
  readonly peers: PeerPrograms;
  /** Parallel jobs of the peers. */
  readonly jobs: number;
  /** Parallel streams of ours. */
  readonly workers: number;
  /** A folder with a `pg_dump` for ours; without one it takes what it finds, at last its own of WebAssembly. */
  readonly dumpFolder: string | undefined;
}

export interface Tool {
  readonly name: ToolName;
  /** With its version and settings, for people. */
  readonly title: string;
  command(job: CopyJob): ToolCommand;
  /** Where the time went, in milliseconds, from what the tool printed. */
  phases?(output: string): Readonly<Record<string, number>>;
}

export const toolNames = ["ours", "ours-gate", "dump-psql", "dump-restore", "pgcopydb"] as const;
export type ToolName = (typeof toolNames)[number];
