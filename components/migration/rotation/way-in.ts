import { CutoverError } from "../../errors.ts";
import { type ConnectionTarget, withConnection } from "../../postgres/connection.ts";
import type { EnvironmentScope, Railway, RailwayService } from "../../railway/railway.ts";
import { resolveDatabase } from "../decide/resolve.ts";
import type { MigrationInputs } from "../inputs.ts";
import { type JournalEntry, readJournal } from "../journal/journal.ts";
import type { Reporter } from "../reporter.ts";
import { type RotationEntry, readRotation } from "./journal.ts";
import { asRotationRole, isRefusal, type RoleFacts, readRole } from "./server.ts";

/** What a rotation was given to work with. */
export interface RotationRun {
  readonly railway: Railway;
  readonly inputs: MigrationInputs;
  readonly reporter: Reporter;
  readonly timing?: Partial<RotationTiming>;
}

export interface RotationTiming {
  /** Between two looks at the deployments before the server's password is changed. */
  readonly watchIntervalMs: number;
  /** How long a container that is refused may wait for those that are still built. */
  readonly patienceMs: number;
  /** How long a session of the old password may take to finish its transaction. */
  readonly sessionGraceMs: number;
}

/** The target as it can be logged in to now, and what it knows. Held in memory only: it contains passwords. */
export interface WayIn {
  readonly scope: EnvironmentScope;
  readonly service: RailwayService;
  /** As the service's variables say, whether or not the server agrees. */
  readonly own: ConnectionTarget;
  /** As whom the server lets us in. `rotation`: the variables hold the new password and the server still has the old one. */
  readonly account: "own" | "rotation";
  readonly migration: JournalEntry | undefined;
  readonly rotation: RotationEntry | undefined;
  readonly role: RoleFacts;
}

/**
 * Logs in with what Railway's variables hold, as the role they name or as the rotation's own. Reads only.
 *
 * @throws CutoverError `WRONG_PASSWORD` when the server refuses both
 */
export async function findWayIn({ railway, inputs }: RotationRun): Promise<WayIn> {
  const scope = await railway.resolveEnvironment(inputs);
  const { service, connection: own } = await resolveDatabase(railway, scope, inputs, "target");
  try {
    return await asWhoIsLetIn(own, (connection, account) =>
      withConnection(connection, { purpose: "observe", readOnly: true }, async (client) => ({
        ...{ scope, service, own, account },
        migration: await readJournal(client),
        rotation: await readRotation(client),
        role: await readRole(client, own.user),
      })),
    );
  } catch (error) {
    if (!isRefusal(error)) throw error;
    throw new CutoverError({
      code: "WRONG_PASSWORD",
      message: `${service.name} refuses the password that its variables hold, and knows of no rotation that it could belong to.`,
      remedy:
        "Somebody changed it on one side only. Set the variable to the password that the server has, or give the server the variable's: in the service's shell on Railway `psql -U postgres` needs none.",
      cause: error,
    });
  }
}

/**
 * Works on the target as the role that the variables name or, where the server refuses that one in the middle of a rotation, as
 * the rotation's own. What is done must be such that it may be begun twice.
 *
 * @throws CutoverError `WRONG_PASSWORD` when the server refuses both
 */
export async function asWhoIsLetIn<Result>(
  own: ConnectionTarget,
  work: (connection: ConnectionTarget, account: WayIn["account"]) => Promise<Result>,
): Promise<Result> {
  try {
    return await work(own, "own");
  } catch (error) {
    if (!isRefusal(error)) throw error;
    return await work(asRotationRole(own, own.password), "rotation").catch((other: unknown) => {
      throw isRefusal(other) ? error : other;
    });
  }
}
