import type { Finding } from "../../finding.ts";
import { findingsOf, listNames } from "../definitions.ts";

export const eventTriggerDefinitions = {
  EVENT_TRIGGERS_OFF: {
    severity: "blocker",
    acceptable: false,
    remedy:
      "Reset event_triggers (ALTER SYSTEM, ALTER DATABASE or ALTER ROLE … RESET event_triggers): the fence refuses definitions by event triggers.",
  },
} as const;

const found = findingsOf(eventTriggerDefinitions);

/** @param scopes where they are switched off, see `eventTriggersOff` */
export function checkEventTriggers(side: "source" | "target", scopes: readonly string[]): Finding[] {
  if (scopes.length === 0) return [];
  return [
    found(
      "EVENT_TRIGGERS_OFF",
      side,
      `Event triggers are switched off there (${listNames(scopes)}), so nothing would refuse a definition behind the fence.`,
    ),
  ];
}
