import { covers } from "../acceptance.ts";
import { acceptedConsumers } from "../fence/source-sessions.ts";
import type { Finding } from "../finding.ts";
import { gateDifferenceCodes } from "../gate/difference.ts";
import type { Acceptance } from "../inputs.ts";
import { type FindingDefinitions, findingsOf } from "./definitions.ts";

export const acceptanceDefinitions = {
  ACCEPTANCE_STALE: {
    severity: "warning",
    acceptable: false,
    remedy: "Take the entry off `accept`: it would hide the finding if that came back.",
  },
  ACCEPTANCE_IMPOSSIBLE: {
    severity: "warning",
    acceptable: false,
    remedy:
      "Take the entry off `accept` and follow the finding's remedy: going on would lose data or could not work.",
  },
  CONSUMER_CUT_OFF: {
    severity: "warning",
    acceptable: false,
    remedy:
      "Nothing, if that is meant. Otherwise point the consumer at the target or stop it, and take the entry off `accept`.",
  },
} as const;

const found = findingsOf(acceptanceDefinitions);

const gateCodes: readonly string[] = gateDifferenceCodes;

/**
 * Turns accepted blockers into warnings that carry the reason. Stale acceptances are only called so when everything
 * could be checked, and never those of the gate's codes: most of its differences cannot be foreseen.
 */
export function applyAcceptances(
  findings: readonly Finding[],
  acceptances: readonly Acceptance[],
  definitions: FindingDefinitions,
): Finding[] {
  const everythingChecked = findings.every(({ severity }) => severity !== "unchecked");
  const remarks = acceptances
    .filter(({ code }) => code in definitions)
    .flatMap((acceptance): Finding[] => {
      const object = `${acceptance.code} ${acceptance.object}`;
      if (!findings.some((finding) => covers(acceptance, finding, findings))) {
        return everythingChecked && !gateCodes.includes(acceptance.code)
          ? [
              found(
                "ACCEPTANCE_STALE",
                object,
                "The configuration accepts this finding, and it does not occur.",
              ),
            ]
          : [];
      }
      if (definitions[acceptance.code]?.acceptable === true) return [];
      return [
        found(
          "ACCEPTANCE_IMPOSSIBLE",
          object,
          "The configuration accepts a finding that cannot be accepted.",
        ),
      ];
    });
  const cutOff = acceptedConsumers(acceptances).map(({ object, reason }) => ({
    ...found(
      "CONSUMER_CUT_OFF",
      object,
      "Sessions of this name may come back to the source while the services move; the seal ends them and lets none in again.",
    ),
    acceptedBecause: reason,
  }));
  return [
    ...findings.map((finding) => accepted(finding, findings, acceptances, definitions)),
    ...remarks,
    ...cutOff,
  ];
}

function accepted(
  finding: Finding,
  findings: readonly Finding[],
  acceptances: readonly Acceptance[],
  definitions: FindingDefinitions,
): Finding {
  if (finding.severity !== "blocker" || definitions[finding.code]?.acceptable !== true) return finding;
  const acceptance = acceptances.find((each) => covers(each, finding, findings));
  if (acceptance === undefined) return finding;
  return { ...finding, severity: "warning", acceptedBecause: acceptance.reason };
}
