import type { Finding } from "../../finding.ts";
import { findingsOf } from "../definitions.ts";
import type { BoundSetting } from "./settings.ts";

export const readOnlyDefinitions = {
  TARGET_READ_ONLY: {
    severity: "blocker",
    acceptable: false,
    remedy:
      "Reset default_transaction_read_only on the target; if a cutover set it, `npm run status` says so.",
  },
  SOURCE_READ_ONLY: {
    severity: "warning",
    acceptable: false,
    remedy:
      "Find out who set default_transaction_read_only on the source; if a cutover did, `npm run status` says so.",
  },
} as const;

const found = findingsOf(readOnlyDefinitions);

/** What a session of ours shows does not tell: every one sets it itself. */
export const readOnlySetting = "default_transaction_read_only";

/**
 * Whether the applications' own role meets read-only transactions; other roles are nobody's who has to write.
 *
 * @param server the value that the whole server has, if our role may see it
 */
export function checkReadOnly(
  side: "source" | "target",
  bound: readonly BoundSetting[],
  server: string | undefined,
  user: string,
): Finding[] {
  return [
    ...(server === undefined ? [] : [{ scope: "server", value: server }]),
    ...bound.filter((setting) => makesReadOnly(setting, user)),
  ]
    .filter(({ value }) => !["off", "false", "no", "0"].includes(value.toLowerCase()))
    .map(({ scope }) =>
      found(
        side === "target" ? "TARGET_READ_ONLY" : "SOURCE_READ_ONLY",
        side,
        `${readOnlySetting} is set for the ${scope}: applications cannot write there.`,
      ),
    );
}

/** Whether a setting decides for the applications' role, `user`, if its transactions are read-only. */
export function makesReadOnly({ name, scope }: BoundSetting, user: string): boolean {
  return (
    name === readOnlySetting &&
    (!scope.startsWith("role ") || scope === `role ${user}` || scope === `role ${user} in this database`)
  );
}
