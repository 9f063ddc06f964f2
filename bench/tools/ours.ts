import { fileURLToPath } from "node:url";
import { z } from "zod";
import type { CopyJob, Tool, ToolSettings } from "./tool.ts";

const connectionSchema = z.object({
  label: z.string(),
  host: z.string(),
  port: z.int(),
  database: z.string(),
  user: z.string(),
  password: z.string(),
  tls: z.union([z.enum(["off", "require"]), z.object({ fingerprint: z.string().nullable() })]),
});

/** What the process of {@link ourTools} reads: the job, and whether the gate is to compare both sides. */
export const ourJobSchema = z.object({
  source: connectionSchema,
  target: connectionSchema,
  schemas: z.array(z.string()),
  workers: z.int(),
  withGate: z.boolean(),
});
export type OurJob = z.infer<typeof ourJobSchema>;

/** What it prints at its end. */
export const ourReportSchema = z.object({
  phasesMs: z.record(z.string(), z.number()),
  dumpClient: z.string(),
});
export type OurReport = z.infer<typeof ourReportSchema>;

/** This project's own copy, in a process of its own as the peers. */
export function ourTools({ workers, dumpFolder }: ToolSettings): Tool[] {
  const program = fileURLToPath(new URL("ours-process.ts", import.meta.url));
  const tool = (name: Tool["name"], title: string, withGate: boolean): Tool => ({
    name,
    title,
    command: ({ source, target, schemas }: CopyJob) => ({
      script: '"$NODE" --no-warnings "$PROGRAM"',
      environment: {
        NODE: process.execPath,
        PROGRAM: program,
        ...(process.env.NODE_COMPILE_CACHE === undefined
          ? {}
          : { NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE }),
        ...(dumpFolder === undefined ? {} : { PATH: `${dumpFolder}:/usr/sbin:/usr/bin:/sbin:/bin` }),
      },
      input: JSON.stringify({ source, target, schemas: [...schemas], workers, withGate } satisfies OurJob),
    }),
    phases: (output) => ourReportSchema.parse(JSON.parse(output)).phasesMs,
  });
  const streams = `${workers} workers`;
  return [
    tool("ours", `ours, ${streams}, behind its fence`, false),
    tool("ours-gate", `ours with write pause and gate, ${streams}`, true),
  ];
}
