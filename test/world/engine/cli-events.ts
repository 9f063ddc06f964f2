import { readFile } from "node:fs/promises";
import type { EngineStep, StepOperation } from "./engine.ts";

interface StepEvent {
  readonly metadata: { readonly op: string; readonly urn: string; readonly type: string };
}

/** The steps in the order in which the engine began them, from the log that `--event-log` writes. */
export async function readSteps(eventLog: string): Promise<EngineStep[]> {
  const text = await readFile(eventLog, "utf8").catch(() => "");
  const steps = new Map<string, EngineStep>();
  for (const line of text.split("\n").filter((line) => line !== "")) {
    const event: { resourcePreEvent?: StepEvent; resOutputsEvent?: StepEvent } = JSON.parse(line);
    const metadata = (event.resourcePreEvent ?? event.resOutputsEvent)?.metadata;
    const operation = metadata === undefined ? undefined : operations[metadata.op];
    if (metadata === undefined || operation === undefined || isInternal(metadata.type)) continue;
    const name = metadata.urn.split("::").slice(3).join("::");
    // What a refresh found arrives only with its outcome and stands for the refresh itself.
    if (operation !== "refresh") steps.delete(`refresh ${metadata.urn}`);
    steps.set(`${operation} ${metadata.urn}`, { operation, type: metadata.type, name });
  }
  return [...steps.values()];
}

/** A replacement is three events; the one that creates stands for it. */
const operations: Record<string, StepOperation> = {
  same: "same",
  create: "create",
  update: "update",
  delete: "delete",
  read: "read",
  refresh: "refresh",
  "create-replacement": "replace",
};

function isInternal(type: string): boolean {
  return type === "pulumi:pulumi:Stack" || type.startsWith("pulumi:providers:");
}
