import type { z } from "zod";
import { CutoverError } from "../errors.ts";
import { knownInputs, type Properties } from "./codec.ts";

/**
 * Inputs of an operation that runs for real, where the engine has resolved every value.
 *
 * @throws CutoverError `INPUTS_INVALID`
 */
export function knownOrThrow<Schema extends z.ZodType>(schema: Schema, inputs: Properties): z.output<Schema> {
  const reading = knownInputs(schema, inputs);
  if (reading.kind === "known") return reading.inputs;
  const problems =
    reading.kind === "unknown"
      ? "a value is not known yet"
      : reading.failures.map(({ property, reason }) => `${property}: ${reason}`).join("; ");
  throw new CutoverError({
    code: "INPUTS_INVALID",
    message: `The resource's inputs cannot be used: ${problems}.`,
    remedy: "Correct the stack's configuration.",
  });
}
