import { z } from "zod";
import { type WriteKind, writeKinds } from "./write-kinds.ts";

/** How an app writes. */
export interface WriterSettings {
  /** One writer each, with a session and one transaction at a time. */
  readonly lanes: readonly WriteKind[];
  /** Writers that only draw numbers from a sequence. No fence holds a sequence, so a cutover can give one number twice. */
  readonly numberLanes: number;
  /** From one write to the next, per lane. */
  readonly intervalMs: number;
  /** How long a `long` transaction stays open. */
  readonly holdMs: number;
  /** The account of the lanes of kind `own-role`; without it there are none of these. */
  readonly role?: RoleAccount;
}

export interface RoleAccount {
  readonly user: string;
  readonly password: string;
}

export const defaultWriterSettings: WriterSettings = {
  lanes: ["plain", "plain", "long", "replica", "prepared", "own-role"],
  numberLanes: 0,
  intervalMs: 80,
  holdMs: 300,
};

/** The settings as variables of a service, the defaults where they say nothing. */
export function writerVariables(settings: Partial<WriterSettings> = {}): Record<string, string> {
  const { lanes, numberLanes, intervalMs, holdMs, role } = { ...defaultWriterSettings, ...settings };
  const possible = lanes.filter((kind) => kind !== "own-role" || role !== undefined);
  return {
    WRITE_LANES: possible.join(","),
    NUMBER_LANES: String(numberLanes),
    WRITE_INTERVAL_MS: String(intervalMs),
    WRITE_HOLD_MS: String(holdMs),
    ...(role === undefined ? {} : { WRITER_ROLE: role.user, WRITER_ROLE_PASSWORD: role.password }),
  };
}

/** Parses what {@link writerVariables} made. */
export const writerVariablesSchema = z
  .object({
    WRITE_LANES: z
      .string()
      .transform((text) => text.split(",").filter((kind) => kind !== ""))
      .pipe(z.array(z.enum(writeKinds))),
    NUMBER_LANES: z.coerce.number().int().nonnegative(),
    WRITE_INTERVAL_MS: z.coerce.number().positive(),
    WRITE_HOLD_MS: z.coerce.number().nonnegative(),
    WRITER_ROLE: z.string().min(1).optional(),
    WRITER_ROLE_PASSWORD: z.string().min(1).optional(),
  })
  .refine(
    ({ WRITE_LANES, WRITER_ROLE_PASSWORD }) =>
      WRITER_ROLE_PASSWORD !== undefined || !WRITE_LANES.includes("own-role"),
    "lanes of kind own-role need an account of their own",
  )
  .transform((variables): WriterSettings => {
    const { WRITER_ROLE: user, WRITER_ROLE_PASSWORD: password } = variables;
    return {
      lanes: variables.WRITE_LANES,
      numberLanes: variables.NUMBER_LANES,
      intervalMs: variables.WRITE_INTERVAL_MS,
      holdMs: variables.WRITE_HOLD_MS,
      ...(user === undefined || password === undefined ? {} : { role: { user, password } }),
    };
  });
