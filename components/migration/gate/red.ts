import { CutoverError } from "../../errors.ts";
import { nameDifference } from "./difference.ts";
import type { GateReport } from "./report.ts";

/** Stops the switch, and brings the whole verdict along for the journal. */
export class GateRedError extends CutoverError {
  readonly gate: Pick<GateReport, "verdict" | "compared" | "differences" | "writtenByOthers">;

  constructor({ verdict, compared, differences, writtenByOthers }: GateReport) {
    const open = differences.filter(({ accepted }) => accepted === null);
    const shown = open
      .slice(0, 20)
      .map(({ code, object, aspect }) => `${code} ${nameDifference(object, aspect)}`);
    super({
      code: "GATE_RED",
      message: `The copy differs from its source in ${open.length} places: ${shown.join("; ")}${open.length > shown.length ? "; …" : ""}.`,
      remedy:
        "Mend the cause, or accept a difference by its code and object, as they stand here, with a reason under `accept` in the stack's configuration.",
    });
    this.gate = { verdict, compared, differences, writtenByOthers };
  }
}

/** @throws GateRedError `GATE_RED` */
export function assertGreen(gate: GateReport): void {
  if (gate.verdict !== "green") throw new GateRedError(gate);
}
