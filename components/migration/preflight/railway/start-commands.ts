import type { RailwayService } from "../../../railway/railway.ts";

/**
 * Why a service would write before it serves, one predicate a reason: it runs a pre-deploy command, which may do anything,
 * or its start command says that it migrates or seeds. What hides behind `npm start` or in an image is not seen.
 */
export function writesBeforeStart({
  preDeployCommand,
  startCommand,
  fileSettings,
}: Pick<RailwayService, "preDeployCommand" | "startCommand"> &
  Partial<Pick<RailwayService, "fileSettings">>): string[] {
  const reasons: string[] = [];
  const before = [...preDeployCommand, ...(fileSettings?.preDeployCommand ?? [])];
  if (before.some((command) => command.trim() !== "")) reasons.push("runs a pre-deploy command");
  const said = findWritingCommand(fileSettings?.startCommand ?? startCommand ?? "");
  if (said !== undefined) reasons.push(`says "${said}" in its start command`);
  return reasons;
}

/** Only the words that were looked for, and nothing around them: a command line may contain a password. */
function findWritingCommand(command: string): string | undefined {
  for (const pattern of writingCommands) {
    const [said] = pattern.exec(command) ?? [];
    if (said !== undefined) return said.replaceAll(/\s+/g, " ");
  }
  return undefined;
}

/** Prisma, Drizzle, Knex, TypeORM, Sequelize, Rails, Django, Alembic, Flyway, dbmate, Atlas, and scripts named after it. */
const writingCommands = [
  /\b(?:prisma\s+)?migrat(?:e|ions?)\b(?:\s+(?:deploy|dev|reset|latest|run|up)\b)?(?![\s:]+(?:status|diff|list|show|check)\b)/i,
  /\b(?:prisma\s+)?db(?:\s+|[:-])(?:push|seed|execute)\b/i,
  /\bdrizzle-kit\s+push\b/i,
  /\balembic\s+upgrade\b/i,
  /\bdbmate\s+up\b/i,
  /\bschema[\s:](?:apply|update|load)\b/i,
  /\bseed\b/i,
];
