import type pg from "pg";
import { sqlState } from "../../errors.ts";
import { quoteLiteral } from "../identifiers.ts";

/** A shell command on the server ended with another exit code than 0, or could not be run. */
export class ServerProgramFailure extends Error {
  /** `undefined` where it was ended by a signal, or the server says it in a language that is not read here. */
  readonly exitCode: number | undefined;

  constructor(exitCode: number | undefined, cause: unknown) {
    super(`a command on the server ended with ${exitCode ?? "a signal"}`, { cause });
    this.name = "ServerProgramFailure";
    this.exitCode = exitCode;
  }
}

/**
 * Runs a shell script as the account of the server, in its data folder. COPY … TO PROGRAM needs neither a table nor a
 * transaction that may write; what the script prints is dropped, because the server's log would get it. The text of the
 * script stands in `pg_stat_activity` and may be logged: it holds no secret.
 *
 * @throws ServerProgramFailure
 */
export async function runOnServer(client: pg.Client, script: string): Promise<void> {
  // The row that COPY sends is read first: a command that ends before would break the pipe.
  const text = `cat >/dev/null; exec >/dev/null 2>&1; ${script}`;
  // The exit code is told in DETAIL, in the server's language.
  await client.query("set lc_messages = 'C'");
  try {
    await client.query(`copy (select) to program ${quoteLiteral(text)}`);
  } catch (error) {
    if (sqlState(error) !== externalRoutineException) throw error;
    throw new ServerProgramFailure(exitCodeOf((error as { detail?: string }).detail ?? ""), error);
  }
}

/** SQLSTATE 38000 (manual, appendix A): a program of COPY failed. */
const externalRoutineException = "38000";

/** The shell's own codes for a command that cannot be run and one that is not there are put into words (wait_error.c). */
function exitCodeOf(detail: string): number | undefined {
  if (detail === "command not found") return 127;
  if (detail === "command not executable") return 126;
  const code = /exit code (\d+)$/.exec(detail)?.[1];
  return code === undefined ? undefined : Number(code);
}
