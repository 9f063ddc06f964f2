import { z } from "zod";

/** Who ran a command, as far as the machine, git, a CI service and Railway tell. Claims, not proofs: each can be set by hand. */
export const operatorSchema = z.object({
  osUser: z.string().nullable(),
  host: z.string().nullable(),
  /** What CUTOVER_OPERATOR says, for a machine that everybody uses under one name. */
  stated: z.string().nullable(),
  /** `Name <address>` as git is configured there. */
  gitUser: z.string().nullable(),
  /** `null` outside of the CI services that are known. */
  ci: z.object({ service: z.string(), actor: z.string().nullable(), run: z.string().nullable() }).nullable(),
  railway: z.object({
    tokenKind: z.string(),
    /** The project token's name, or the account's user; never a part of the token. `null` where Railway does not tell. */
    identity: z.string().nullable(),
  }),
});

/** This program, and what it ran on. */
export const programSchema = z.object({
  version: z.string(),
  /** `null` outside of a git repository. */
  commit: z.string().nullable(),
  /** Whether files that git tracks differed from the commit. */
  hasLocalChanges: z.boolean().nullable(),
  node: z.string(),
  platform: z.string(),
  /** The Pulumi CLI's and SDK's versions, or what else drove the run; `null` for a script. */
  engine: z.string().nullable(),
});

/** The configuration that a run worked by. */
export const configurationSchema = z.object({
  /** Of the settings as canonical JSON: sorted keys, no blanks. */
  sha256: z.string(),
  /** Without secrets; of a command only its hash. `null`: the same as in the run before. */
  settings: z.record(z.string(), z.json()).nullable(),
});

/** One run on a migration, as the journal keeps it. */
export const runNoteSchema = z.object({
  /** By which the history names its lines. */
  epoch: z.int(),
  command: z.enum(["up", "abort"]),
  /** By the clock of the machine that ran it. */
  startedAt: z.iso.datetime(),
  operator: operatorSchema,
  program: programSchema,
  configuration: configurationSchema,
});

const serverNoteSchema = z.object({
  version: z.string(),
  extensions: z.array(z.object({ name: z.string(), version: z.string(), schema: z.string() })),
});

/** What the preflight saw right before writers were paused. */
export const preflightNoteSchema = z.object({
  /** As `npm run plan -- --json` has it, by that version of the program: a document of its own version. */
  plan: z.record(z.string(), z.json()),
  source: serverNoteSchema,
  target: serverNoteSchema,
  dumpClient: z.string().nullable(),
});

export type Operator = z.infer<typeof operatorSchema>;
export type Program = z.infer<typeof programSchema>;
export type RunNote = z.infer<typeof runNoteSchema>;
export type PreflightNote = z.infer<typeof preflightNoteSchema>;
