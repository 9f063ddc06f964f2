import type { FenceState } from "../../../postgres/fence/fence.ts";
import type { Finding } from "../../finding.ts";
import { findingsOf } from "../definitions.ts";

export const leftoverFenceDefinitions = {
  SOURCE_FENCED: {
    severity: "blocker",
    acceptable: false,
    remedy:
      "`npm run status` says what that migration left; `npm run abort -- --yes` gives the source back when its target still holds the journal.",
  },
} as const;

const found = findingsOf(leftoverFenceDefinitions);

/** Whether a migration left the source fenced. What it left beside its witness is part of this one finding. */
export function checkLeftoverFence(witness: FenceState["witness"]): Finding[] {
  if (witness === null) return [];
  return [
    found(
      "SOURCE_FENCED",
      "source",
      `The fence of migration ${witness.migrationId} stands on it: the moved tables refuse every write.`,
    ),
  ];
}
