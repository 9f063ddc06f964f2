import { fileURLToPath } from "node:url";
import { z } from "zod";
import { pulumiVersion } from "../test/world/engine/engine.ts";
import { measure } from "./measure.ts";
import { type Spread, spreadOf } from "./statistics.ts";

/** How long `pulumi preview` takes after a cutover, when nothing is to be done. */
export interface PreviewResult {
  /** The engine's. */
  readonly version: string;
  readonly wallMs: Spread;
}

/**
 * @returns `null` where there is no `pulumi` on PATH
 * @throws Error when the cutover or a preview fails; whatever `signal` was aborted with
 */
export async function measurePreview(options: {
  readonly repetitions: number;
  readonly signal: AbortSignal;
  log(line: string): void;
}): Promise<PreviewResult | null> {
  const version = pulumiVersion();
  if (version === undefined) {
    options.log("no preview is measured: there is no `pulumi` on PATH");
    return null;
  }
  const outcome = await measure(
    {
      script: '"$NODE" --no-warnings "$PROGRAM" "$REPETITIONS"',
      environment: {
        NODE: process.execPath,
        PROGRAM: fileURLToPath(new URL("preview-process.ts", import.meta.url)),
        REPETITIONS: String(options.repetitions),
        HOME: process.env.HOME ?? "",
        PATH: process.env.PATH ?? "",
      },
    },
    options.signal,
  );
  if (!outcome.ok) throw new Error(`the preview cannot be measured: ${outcome.reason}`);
  return { version, wallMs: spreadOf(z.array(z.number()).parse(JSON.parse(outcome.output))) };
}
