import { z } from "zod";
import { type NextStep, nextStepSchema, type Status, statusSchema } from "../components/migration/status.ts";

const stepWithCommand = nextStepSchema.extend({
  /** The exact command line; `null` where there is none. */
  command: z.string().nullable(),
});

/** What `npm run status -- --json` prints: the status, and the commands for this stack. */
export const statusDocumentSchema = statusSchema.extend({
  stack: z.string(),
  next: stepWithCommand,
  alternative: stepWithCommand.nullable(),
});

export type StatusDocument = z.infer<typeof statusDocumentSchema>;

/** The status with the commands for a stack, checked against its schema. */
export function statusDocument(status: Status, stack: string): StatusDocument {
  const withCommand = (step: NextStep) => ({ ...step, command: commandFor(step, stack) });
  return statusDocumentSchema.parse({
    ...status,
    stack,
    next: withCommand(status.next),
    alternative: status.alternative === null ? null : withCommand(status.alternative),
  });
}

/** The status as one screen of text, label and value in two columns. */
export function renderStatus(status: Status, stack: string): string {
  const { migration, rotation, services, history, unseen } = status;
  const lines = [
    ["stack", stack],
    [
      "migration",
      migration === null
        ? noMigration(status)
        : `${migration.id}, ${migration.state} since ${migration.since}`,
    ],
    ...(rotation === null ? [] : [["rotation", `unfinished, ${rotation.state} since ${rotation.since}`]]),
    ["who can write", status.writes.text],
    ["old database", status.source],
    ["", `reached ${status.transport.source}`],
    ["new database", status.target],
    ["", `reached ${status.transport.target}`],
    ["going on", describeRun(status.run)],
    ...services.map(({ name, state }) => [name, state]),
    ...history.map(({ at, text }, index) => [index === 0 ? "history" : "", `${at}  ${text}`]),
    ...unseen.map(({ what, why }) => ["NOT SEEN", `${what}: ${why}`]),
    ...renderStep("next", status.next, stack),
    ...(status.alternative === null ? [] : renderStep("or", status.alternative, stack)),
  ];
  const width = Math.max(...lines.map(([label = ""]) => label.length));
  return `${lines.map(([label = "", text = ""]) => `${label.padEnd(width)}  ${text}`.trimEnd()).join("\n")}\n`;
}

/** The command on a line of its own, to be copied; what it does on the next one. */
function renderStep(label: string, step: NextStep, stack: string): string[][] {
  const command = commandFor(step, stack);
  return command === null
    ? [[label, step.why]]
    : [
        [label, command],
        ["", step.why],
      ];
}

function commandFor({ action }: NextStep, stack: string): string | null {
  switch (action) {
    case "begin":
      return `pulumi preview --stack ${stack}`;
    case "up":
    case "nothing":
      return `pulumi up --stack ${stack}`;
    case "abort":
      return `npm run abort -- --stack ${stack} --yes`;
    case "rotate":
      return `npm run rotate-password -- --stack ${stack} --yes`;
    case "put-rotation-back":
      return `npm run rotate-password -- --stack ${stack} --put-back --yes`;
    case "wait":
    case "look-again":
      return `npm run status -- --stack ${stack}`;
    case "by-hand":
      return null;
    default:
      return action satisfies never;
  }
}

function noMigration({ unseen }: Status): string {
  return unseen.some(({ what }) => what === "target" || what === "railway") ? "not known" : "none yet";
}

function describeRun({ isActive, since, from }: Status["run"]): string {
  if (isActive === null) return "not known";
  if (!isActive) return "no run is at work";
  return `a run is at work${since === null ? "" : ` since ${since}`}${from === null ? "" : `, from ${from}`}`;
}
