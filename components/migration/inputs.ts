import { z } from "zod";

/** How the runner reaches one database. */
export const transportSchema = z.discriminatedUnion(
  "via",
  [
    /** The service's private URL: the runner itself is inside Railway's network. */
    z.strictObject({ via: z.literal("private") }),
    /** `DATABASE_PUBLIC_URL` (the TCP proxy) with TLS, to the server with this certificate and to no other. */
    z.strictObject({
      via: z.literal("tls"),
      /** SHA-256 of the server's certificate; `null` as long as nobody has looked, and then nobody logs in. */
      fingerprint: z
        .string()
        .regex(
          /^[0-9a-f]{2}(:[0-9a-f]{2}){31}$/i,
          "not a fingerprint as `openssl x509 -noout -fingerprint -sha256` prints it: 32 pairs of hexadecimal digits with colons",
        )
        .toUpperCase()
        .nullable()
        .default(null),
    }),
    /** A local port that a tunnel forwards (`railway connect --tunnel-only`); credentials still come from Railway. */
    z.strictObject({ via: z.literal("tunnel"), port: z.int().min(1).max(65_535) }),
    /** `DATABASE_PUBLIC_URL` in clear text: whoever is on the way reads along. */
    z.strictObject({
      via: z.literal("plaintext"),
      reason: z.string().trim().min(10, "say why, in at least ten characters"),
    }),
  ],
  {
    error: ({ code }) =>
      code === "invalid_union"
        ? "one of private, tls, tunnel and plaintext (public of former versions is tls with a fingerprint, or plaintext with a reason)"
        : undefined,
  },
);

/**
 * The ways to both databases as a resource's inputs hold them. A state that was written before `public` was replaced does not
 * say what certificate it meant: nobody is logged in to by it until an `up` has written the present configuration.
 */
const transportsSchema = z.object({
  source: z.preprocess(withoutPublic, transportSchema),
  target: z.preprocess(withoutPublic, transportSchema),
});

function withoutPublic(transport: unknown): unknown {
  const isFormer = typeof transport === "object" && transport !== null && "via" in transport;
  return isFormer && transport.via === "public" ? { via: "tls", fingerprint: null } : transport;
}

export const serviceInputsSchema = z.object({
  name: z.string().min(1),
  /** The variables that point at the database: all get the reference to the target's `DATABASE_URL`. */
  variables: z.array(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/)).min(1),
  /** Those of them that the service is to get with the cutover; absent where a former version wrote it down. */
  newVariables: z.array(z.string()).optional(),
  /** Asked for a 200 after the deployment is up, beside Railway's own health check; `null` for a service without a domain. */
  healthCheckUrl: z.url().nullable(),
  /** Services of the lowest wave are the canaries; each further wave starts when the one before is proven. */
  wave: z.int().min(0),
  /** `false`: the service must write while it starts, so it is deployed after promotion. */
  startsReadOnly: z.boolean(),
});

export const acceptanceSchema = z.object({
  /** A finding's or a difference's code. */
  code: z.string().min(1),
  /** The object exactly as the finding or difference names it; its aspect, in parentheses, where several differ. */
  object: z.string().min(1),
  reason: z.string().min(10, "say why, in at least ten characters"),
});

/** The longest limit: a timer of more than 2^31 - 1 ms (24.8 days) would fire at once. */
export const longestLimitMs = 24 * 60 * 60_000;

/** Railway's backups of both databases' volumes, made before anything is paused. */
export const backupInputsSchema = z
  .strictObject({
    beforeCutover: z.enum(["required", "skip"]).default("required"),
    /** Why it is acceptable to begin without; `null` unless they are skipped. */
    reason: z.string().min(10, "say why, in at least ten characters").nullable().default(null),
    /** One that is younger, and was not made by a schedule, is not made again; 0 always makes a new one. */
    reuseForMs: z
      .int()
      .min(0)
      .max(longestLimitMs)
      .default(60 * 60_000),
    /** For one backup to be made and listed. */
    timeoutMs: z
      .int()
      .min(1_000)
      .max(longestLimitMs)
      .default(15 * 60_000),
  })
  .refine(({ beforeCutover, reason }) => beforeCutover === "required" || reason !== null, {
    path: ["reason"],
    message: "beforeCutover: skip needs a written reason",
  });

/** Everything the cutover needs to know, as plain data: the inputs of the DataMigration resource. */
export const migrationInputsSchema = z.object({
  /** Railway project and environment, by name or id. */
  project: z.string().min(1),
  environment: z.string().min(1),
  /** Names of the two Railway services that run PostgreSQL. */
  source: z.string().min(1),
  target: z.string().min(1),
  /** Schemas to move. */
  schemas: z.array(z.string().min(1)).min(1),
  /** Schemas of the target that must not change. */
  protectedSchemas: z.array(z.string().min(1)),
  services: z.array(serviceInputsSchema).min(1),
  accept: z.array(acceptanceSchema),
  limits: z.object({
    /** Writes are never paused longer than this; the cutover aborts by itself. */
    writePauseMs: z.int().min(1_000).max(longestLimitMs),
    /** Total time to get every table lock before the attempt is given up. */
    lockTimeoutMs: z.int().min(100).max(longestLimitMs),
    deploymentTimeoutMs: z.int().min(1_000).max(longestLimitMs),
    /**
     * How long each service must have stayed healthy on the target before the promotion; 0 does not wait. A state that was
     * written before there was this limit has none.
     */
    healthyForMs: z.int().min(0).max(longestLimitMs).default(10_000),
  }),
  /**
   * What a failed switch does: `put-back` returns everything to the source by itself; `hold` leaves both databases
   * fenced as they stand, for a human to go on (`up`) or back (`abort`). Before the switch it always puts back.
   */
  onFailure: z.enum(["put-back", "hold"]).default("put-back"),
  copy: z.object({ workers: z.int().min(1).max(32) }),
  /** A state that was written before there were backups has the defaults. */
  backups: backupInputsSchema.prefault({}),
  hooks: z.object({
    /** A shell command that runs between the gate and the switch, with a role that owns the moved schemas only. */
    beforeSwitch: z.string().min(1).nullable(),
  }),
  transport: transportsSchema,
});

export type MigrationInputs = z.infer<typeof migrationInputsSchema>;
export type ServiceInputs = z.infer<typeof serviceInputsSchema>;
export type Acceptance = z.infer<typeof acceptanceSchema>;
export type Transport = z.infer<typeof transportSchema>;
