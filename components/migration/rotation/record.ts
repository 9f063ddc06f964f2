import { z } from "zod";
import { previousValueSchema } from "../journal/record.ts";

/**
 * The life of one rotation, as the journal in the target keeps it:
 *
 *     begun ──► changed ──► finished
 *       │          │
 *       └────►─────┴─► putting-back ──► put-back
 *
 * - `begun`: the server has the old password. The service's variables may hold the new one, deployments with it may be under way.
 * - `changed`: the server has the new password; the transaction that changed it wrote this state.
 * - `putting-back`: the server has the old password again, by the same kind of transaction; can only become `put-back`.
 * - `finished`, `put-back`: nothing of it is left but this row. What led to the old password is erased.
 */
export const rotationStates = ["begun", "changed", "putting-back", "finished", "put-back"] as const;

export type RotationState = (typeof rotationStates)[number];

/** How a variable of the database's own service holds the password. */
export const holderSchema = z.object({
  name: z.string(),
  /** `whole`: the text is the password. `url`: it is the password of a database URL. */
  kind: z.enum(["whole", "url"]),
});

export const rotatedServiceSchema = z.object({
  serviceId: z.string(),
  /** Its variables that render to the password. */
  variables: z.array(z.string()),
  /** Deployments from before the variables were changed: whatever else is deployed was given the new password. */
  replaces: z.array(z.string()),
  /** When a deployment was asked for, noted before: from then on one may come although nobody knows its id. */
  askedAt: z.iso.datetime().nullable(),
  deploymentId: z.string().nullable(),
  provenAt: z.iso.datetime().nullable(),
});

const commonShape = {
  serviceId: z.string(),
  role: z.string(),
  holders: z.array(holderSchema),
  /** By name. */
  services: z.record(z.string(), rotatedServiceSchema),
};

/** What leads back, for as long as there is a way back. */
const wayBackSchema = z.object({
  /** What the server stored of the old password. */
  verifier: z.string(),
  /** The old password, encrypted with a key derived from the new one. */
  password: previousValueSchema,
});

export const rotationRecordSchema = z.discriminatedUnion("state", [
  z.object({ state: z.literal("begun"), ...commonShape, wayBack: wayBackSchema }),
  z.object({
    state: z.literal("changed"),
    ...commonShape,
    wayBack: wayBackSchema,
    /** The server's clock when the new password was surely in force; `null` until it was asked. */
    changedAt: z.string().nullable(),
  }),
  z.object({
    state: z.literal("putting-back"),
    ...commonShape,
    wayBack: wayBackSchema,
    reason: z.string(),
  }),
  z.object({ state: z.literal("finished"), ...commonShape, changedAt: z.string() }),
  z.object({ state: z.literal("put-back"), ...commonShape, reason: z.string() }),
]);

export type RotationRecord = z.infer<typeof rotationRecordSchema>;
export type RotationIn<State extends RotationState> = Extract<RotationRecord, { state: State }>;
export type RotatedService = z.infer<typeof rotatedServiceSchema>;
export type Holder = z.infer<typeof holderSchema>;
export type UnfinishedRotation = RotationIn<"begun" | "changed" | "putting-back">;

export function isUnfinished(record: RotationRecord): record is UnfinishedRotation {
  return record.state !== "finished" && record.state !== "put-back";
}
