import { spawnSync } from "node:child_process";
import { createCliEngine } from "./cli-engine.ts";
import { createMockEngine } from "./mock-engine.ts";

/** Whatever can run a Pulumi program: the real CLI, or a small host on Pulumi's testing mocks. */
export interface Engine {
  /** Which of the two this is, for the reader of a report. */
  readonly description: string;
  readonly kind: "cli" | "mocks";
  preview(options?: OperationOptions): Promise<EngineResult>;
  /** Applies the program at once: a preview, where one is wanted, is a call of its own. */
  up(options?: OperationOptions): Promise<EngineResult>;
  /** Reads every resource of the state again, and by default saves what it saw; the program is not run. */
  refresh(options?: OperationOptions & { readonly previewOnly?: boolean }): Promise<EngineResult>;
  /** Deletes every resource; protected ones are refused unless `ignoreProtect`. */
  destroy(options?: { readonly ignoreProtect?: boolean }): Promise<EngineResult>;
  /** Merges values into the stack's configuration, in memory and in a temporary folder; `undefined` removes a key. */
  setConfig(values: Record<string, unknown>): Promise<void>;
  /** The stack's outputs after the last `up`; secret ones read `[secret]`. */
  outputs(): Promise<Record<string, unknown>>;
  /** The state as the engine stores it, secrets encrypted or hidden. */
  exportState(): Promise<string>;
  /** Removes state and configuration; the resources stay as they are. */
  dispose(): Promise<void>;
}

export interface OperationOptions {
  /** Ends with exit code 7 when something changed or would change. */
  readonly expectNoChanges?: boolean;
}

export interface EngineResult {
  /** Pulumi's: 0 done, 1 failed, 7 changes where none were expected. */
  readonly exitCode: number;
  /** Everything that was printed, standard output and error in the order in which they came. */
  readonly output: string;
  /** What was begun (or planned), resource by resource; the stack itself and providers are left out. */
  readonly steps: readonly EngineStep[];
  /** Whether any step is more than `same`, `read` or `refresh`. */
  readonly changes: boolean;
}

export interface EngineStep {
  readonly operation: StepOperation;
  /** The resource's full type, such as `pulumi-nodejs:dynamic/railway:DataMigration`. */
  readonly type: string;
  readonly name: string;
}

export type StepOperation = "create" | "update" | "replace" | "delete" | "same" | "read" | "refresh";

export interface EngineOptions {
  /** The folder with `Pulumi.yaml`; its stack files are neither read nor written. */
  readonly projectDirectory: string;
  readonly stack: string;
  /** By key, without the project's name; objects and arrays as they are. */
  readonly config: Record<string, unknown>;
  /** Added to this process's environment for the program and its providers. */
  readonly environment: Record<string, string>;
  readonly onOutput?: (chunk: string) => void;
  /** By default the CLI, where a `pulumi` is on PATH. */
  readonly kind?: "cli" | "mocks";
}

/** Creates an empty stack whose state lives in a temporary folder. */
export function createEngine(options: EngineOptions): Promise<Engine> {
  const version = options.kind === "mocks" ? undefined : pulumiVersion();
  if (version !== undefined) return createCliEngine(options, version);
  if (options.kind === "cli") throw new Error("there is no `pulumi` on PATH");
  return createMockEngine(options);
}

/** What `pulumi version` says, or `undefined` where there is none on PATH. */
export function pulumiVersion(): string | undefined {
  const { status, stdout } = spawnSync("pulumi", ["version"], { encoding: "utf8" });
  return status === 0 ? stdout.trim() : undefined;
}

export function hasChanges(steps: readonly EngineStep[]): boolean {
  return steps.some(({ operation }) => !["same", "read", "refresh"].includes(operation));
}
