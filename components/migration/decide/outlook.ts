import { describeError } from "../../errors.ts";
import { withConnection } from "../../postgres/connection.ts";
import type { Railway } from "../../railway/railway.ts";
import { isRunActive } from "../exclusion/exclusion.ts";
import type { MigrationInputs } from "../inputs.ts";
import { decide } from "./decide.ts";
import { observeTolerantly } from "./observe.ts";
import { previewLine } from "./preview-line.ts";
import { readPrimary } from "./primary.ts";
import { refused } from "./refusals.ts";

/** What an `up` would do about what the journal knows. Without secrets. */
export interface Outlook {
  /**
   * - `begin`: it would begin, or the journal could not be read: the plan tells the rest.
   * - `resume`: it would go on, put back, or finish what an earlier run began.
   * - `refuse`: it would refuse, as `refusal` says.
   * - `wait`: another run is at work.
   * - `unknown`: it depends on the source, which could not be looked at.
   */
  readonly action: "begin" | "resume" | "refuse" | "wait" | "unknown";
  /** The same in a line; `null` where it would begin. */
  readonly line: string | null;
  /** With code and remedy; `null` unless it would refuse. */
  readonly refusal: string | null;
  /** What else the reader should know, above all what could not be looked at. */
  readonly remarks: readonly string[];
}

/** Looks at the journal and both databases, as far as they can be reached. Reads only, and does not throw. */
export async function readOutlook(railway: Railway, inputs: MigrationInputs): Promise<Outlook> {
  try {
    const primary = await readPrimary(railway, inputs);
    const { connection } = primary.target;
    if (await withConnection(connection, { purpose: "observe", readOnly: true }, isRunActive)) return wait;
    const { seen, sourceFailure } = await observeTolerantly(railway, primary, inputs);
    const decision = decide("up", primary.entry, seen);
    const line = previewLine(primary.entry, decision);
    if (line === undefined) return begin;
    const remarks = sourceFailure === null ? [] : [`not checked: ${sourceFailure}`];
    if (decision.action !== "refuse") {
      if (decision.warning !== null) remarks.push(decision.warning);
      return { action: "resume", line, refusal: null, remarks };
    }
    // A source out of reach is for the real run to insist on.
    if (decision.code === "SERVER_UNREACHABLE") return { action: "unknown", line, refusal: null, remarks };
    return { action: "refuse", line, refusal: refused(decision).describe(), remarks };
  } catch (error) {
    return { ...begin, remarks: [`the journal was not checked: ${describeError(error)}`] };
  }
}

const begin: Outlook = { action: "begin", line: null, refusal: null, remarks: [] };

const wait: Outlook = {
  action: "wait",
  line: "A run of the cutover is at work: up is refused until it has ended",
  refusal: null,
  remarks: [],
};
