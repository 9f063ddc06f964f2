import type { MigrationState, RecordIn } from "../../components/migration/journal/record.ts";
import type { StatementOnTheWire } from "./wire-proxy.ts";

/** The rows of the crash table in docs/protocol.md whose effects are seen on the wire, in its order. */
export const crashRows = [
  ...[
    "1",
    "2",
    "v",
    "3",
    "4",
    "5",
    "6",
    "7",
    "8",
    "9",
    "10",
    "11",
    "12",
    "13",
    "14",
    "15",
    "16",
    "17",
    "18",
    "19",
    "20",
  ],
  ...["t", "a", "c", "d", "e", "f", "g", "h", "i"],
] as const;

export type CrashRow = (typeof crashRows)[number];

export type Side = "source" | "target";

type Services = RecordIn<"switching">["fence"]["services"];

/**
 * Reads which row of the crash table a statement or a mutation of a run belongs to. It follows the journal as the run
 * writes it, so one reader accompanies one run.
 */
export class EffectReader {
  /** Statements and mutations with an effect that no row speaks of: a hole in the table. */
  readonly unknown: string[] = [];
  /** Every row that was come to. */
  readonly seen = new Set<CrashRow>();
  #state: MigrationState | "none";
  #services: Services;
  #isSealed = false;
  #isOpened = false;
  #last: CrashRow = "1";
  #lastMutation: CrashRow | undefined;
  readonly #open = new Map<string, CrashRow>();

  constructor(journal: { state: MigrationState | "none"; services?: Services }) {
    this.#state = journal.state;
    this.#services = journal.services ?? {};
  }

  /** Between the fence and the promotion. */
  get isPaused(): boolean {
    return this.#state === "switching" && this.#last !== "9" && this.#last !== "10";
  }

  /** The row of the mutation that was sent last. */
  get lastMutationRow(): CrashRow | undefined {
    return this.#lastMutation;
  }

  /** `undefined`: it changes nothing. */
  rowOfStatement(
    side: Side,
    { session, connection, text, parameters }: StatementOnTheWire,
  ): CrashRow | undefined {
    const statement = text.trim().replaceAll(/\s+/g, " ");
    const purpose = session.slice(session.indexOf(":") + 1);
    if (readsOnly(purpose, statement)) return undefined;
    const place = `${side} ${connection}`;
    const row = this.#classify(side, purpose, place, statement, parameters);
    if (row === undefined) {
      this.unknown.push(`${side} ${purpose}: ${statement.slice(0, 120)}`);
      return undefined;
    }
    if (/^(commit|rollback)\b/i.test(statement)) this.#open.delete(place);
    else this.#open.set(place, row);
    this.#last = row;
    this.seen.add(row);
    return row;
  }

  rowOfMutation(rootField: string): CrashRow | undefined {
    const row = this.#rowOfMutation(rootField);
    this.#lastMutation = row;
    if (row === undefined) this.unknown.push(`Railway: ${rootField} while ${this.#state}`);
    else {
      this.#last = row;
      this.seen.add(row);
    }
    return row;
  }

  #rowOfMutation(rootField: string): CrashRow | undefined {
    if (rootField === "variableCollectionUpsert") return "2";
    if (rootField === "volumeInstanceBackupCreate") return "v";
    if (this.#state === "aborting") return "f";
    if (this.#state === "promoted") return "18";
    if (this.#state !== "switching") return undefined;
    return rootField === "serviceInstanceDeployV2" ? "13" : "12";
  }

  #classify(
    side: Side,
    purpose: string,
    place: string,
    statement: string,
    parameters: readonly (string | null)[],
  ): CrashRow | undefined {
    if (/^(commit|begin)\b/i.test(statement)) return this.#open.get(place) ?? this.#last;
    switch (`${side} ${purpose}`) {
      case "source renew":
      case "target renew":
        return "1";
      case "source lock":
        return /^lock table/i.test(statement) ? "4" : "10";
      case "source monitor":
        return "4";
      case "source settle":
        return "11";
      case "source seal":
        return "16";
      case "source abort":
        return this.#rowOfAbort(statement);
      case "source control":
        return this.#rowOnSourceControl(statement);
      case "target load":
        return "6";
      case "target hook":
        return "7";
      case "target fence":
        return /loader_hash = null/.test(statement) ? "8" : "6";
      case "target control":
        return this.#rowOnTargetControl(statement, parameters);
      default:
        return undefined;
    }
  }

  #rowOfAbort(statement: string): CrashRow {
    if (/^delete from pgvector_cutover\.witness/i.test(statement)) {
      this.#isOpened = true;
      return "e";
    }
    return this.#isOpened ? "g" : "e";
  }

  #rowOnSourceControl(statement: string): CrashRow | undefined {
    if (/advisory_lock/i.test(statement)) return "1";
    if (/allow_connections false/i.test(statement)) {
      this.#isSealed = true;
      return "15";
    }
    if (/allow_connections true/i.test(statement)) {
      this.#isSealed = false;
      return this.#state === "aborting" ? "d" : "11";
    }
    if (/pg_terminate_backend/i.test(statement)) {
      if (this.#state === "aborting") return "c";
      return /backend_type/.test(statement) ? "15" : "1";
    }
    return undefined;
  }

  #rowOnTargetControl(statement: string, parameters: readonly (string | null)[]): CrashRow | undefined {
    if (/advisory_lock/i.test(statement)) return "1";
    if (/pg_terminate_backend/i.test(statement)) {
      if (/usename/.test(statement)) return "h";
      return this.#state === "aborting" ? "c" : "1";
    }
    if (/^create schema if not exists pgvector_cutover/i.test(statement)) return "3";
    if (/^with begun as \( insert into pgvector_cutover\.migration/i.test(statement)) {
      this.#state = "loading";
      return "5";
    }
    if (/^insert into pgvector_cutover\.event/i.test(statement)) return this.#last;
    if (/set epoch = epoch \+ 1/i.test(statement)) return "t";
    if (/^with moved as \( update pgvector_cutover\.migration set state/i.test(statement))
      return this.#rowOfTransition(parameters);
    if (/setval\(/i.test(statement)) return this.#isSealed ? "16" : "11";
    if (this.#state === "promoted" || this.#state === "finished") return "19";
    return this.#state === "aborting" ? "h" : undefined;
  }

  #rowOfTransition([, , from, to, record]: readonly (string | null)[]): CrashRow | undefined {
    this.#state = to as MigrationState;
    const services: Services = JSON.parse(record ?? "{}").fence?.services ?? {};
    const former = this.#services;
    this.#services = services;
    switch (`${from} ${to}`) {
      case "loading loading":
        return "7";
      case "loading switching":
        return "9";
      case "switching switching":
        return rowOfService(former, services);
      case "switching promoted":
        return "17";
      case "promoted promoted":
        return "18";
      case "promoted finished":
        return "20";
      default:
        if (to === "aborting") return "a";
        return to === "aborted" ? "i" : undefined;
    }
  }
}

/** Which of the three notes about a service a new record makes. */
function rowOfService(former: Services, services: Services): CrashRow {
  for (const [name, { provenAt, deploymentId, askedAt = null }] of Object.entries(services)) {
    if (provenAt !== (former[name]?.provenAt ?? null)) return "14";
    if (askedAt !== (former[name]?.askedAt ?? null)) return "13";
    if (deploymentId !== (former[name]?.deploymentId ?? null)) return "13";
  }
  return "12";
}

/**
 * Sessions that the server itself keeps from writing, and statements that touch nothing but their own session. What
 * follows such a statement in the same message counts.
 */
function readsOnly(purpose: string, message: string): boolean {
  const statement = message.replace(/^(set [^;]*; *)+(?=.)/i, "");
  if (/^(observe|preflight|watch|status|gate|copy|dump|snapshot|abort-check)$/.test(purpose)) return true;
  if (/^(set|show|rollback|release|begin|start|discard)\b/i.test(statement)) return true;
  if (!/^(select|with)\b/i.test(statement)) return false;
  return !/pg_terminate_backend|pg_cancel_backend|pg_(try_)?advisory_lock|setval\(|emit_message|(insert into|update) pgvector_cutover\./i.test(
    statement,
  );
}
