import { z } from "zod";

/**
 * The stack's outputs, for other tooling: `stackOutputsSchema.parse(JSON.parse(<pulumi stack output --json>))`.
 * None of them is a secret.
 */
export const stackOutputsSchema = z.object({
  /** The database that accepts the application's writes. */
  activeDatabase: z.object({
    service: z.string(),
    /** What a service's variable holds to follow it, such as `${{pgvector.DATABASE_URL}}`. */
    reference: z.string(),
  }),
  /** By service name. */
  serviceStates: z.record(
    z.string(),
    z.object({
      /** Variable name → its reference, or `(literal)`, `(sealed)`, `(absent)`. */
      variables: z.record(z.string(), z.string()),
      deploymentId: z.string().nullable(),
      /** Whether the running deployment was given what the variables hold. */
      deployed: z.boolean(),
    }),
  ),
  /** `null` before the cutover. */
  lastMigration: z
    .object({
      id: z.string(),
      verdict: z.literal("green"),
      promotedAt: z.iso.datetime(),
      writePauseMs: z.number(),
      tables: z.int(),
      rows: z.number(),
    })
    .nullable(),
  /** What is left to do. */
  remaining: z.object({
    /** When the old database may be stopped; `null` before the cutover. */
    soakEndsAt: z.iso.datetime().nullable(),
    legacyPostgres: z.enum(["running", "stopped", "removed"]),
    evidence: z.array(z.string()),
    /** The next reviewed change, in words. */
    next: z.string(),
  }),
});

export type StackOutputs = z.infer<typeof stackOutputsSchema>;

/** What the outputs are computed from, once every resource is known. */
export interface OutputFacts {
  readonly activeService: string;
  readonly reference: string;
  readonly services: ReadonlyArray<{
    readonly service: string;
    readonly observed: StackOutputs["serviceStates"][string];
  }>;
  readonly migration: StackOutputs["lastMigration"];
  readonly retirement: { readonly state: "running" | "stopped" | "removed"; readonly evidence: string[] };
  readonly soakDays: number;
}

/** Composes the outputs and checks them against their schema. */
export function stackOutputs(facts: OutputFacts): StackOutputs {
  const { migration, retirement, soakDays } = facts;
  const soakEndsAt =
    migration === null
      ? null
      : new Date(Date.parse(migration.promotedAt) + soakDays * 24 * 60 * 60_000).toISOString();
  return stackOutputsSchema.parse({
    activeDatabase: { service: facts.activeService, reference: facts.reference },
    serviceStates: Object.fromEntries(facts.services.map(({ service, observed }) => [service, observed])),
    lastMigration: migration,
    remaining: {
      soakEndsAt,
      legacyPostgres: retirement.state,
      evidence: retirement.evidence,
      next: nextStep(migration !== null, retirement.state, soakEndsAt),
    },
  });
}

function nextStep(
  promoted: boolean,
  legacy: "running" | "stopped" | "removed",
  soakEndsAt: string | null,
): string {
  if (!promoted) return "phase: cutover";
  if (legacy === "running") return `legacyPostgres: stop with removal.finalBackup, from ${soakEndsAt}`;
  if (legacy === "stopped")
    return "legacyPostgres: remove, once you have read the final backup with your own key";
  return "nothing";
}
