import type pg from "pg";
import type { ConnectionTarget } from "../../postgres/connection.ts";
import { inTransaction } from "../../postgres/transaction.ts";
import type { EnvironmentScope, Railway } from "../../railway/railway.ts";
import type { Exclusion } from "../exclusion/exclusion.ts";
import type { Passwords } from "./deployments.ts";
import { type RotationEntry, saveRotation } from "./journal.ts";
import type { RotatedService, RotationRecord } from "./record.ts";
import type { RotationRun } from "./way-in.ts";

/** A rotation that this run alone works on, and what the journal says of it. Held in memory only: it contains passwords. */
export class OwnedRotation {
  readonly run: RotationRun;
  /** Stops as soon as this run is not the only one any more. */
  readonly railway: Railway;
  readonly scope: EnvironmentScope;
  readonly exclusion: Exclusion;
  readonly passwords: Passwords;
  /** The role whose password is changed, as this machine reaches it. The password in it is of no account. */
  readonly #connection: ConnectionTarget;
  #entry: RotationEntry;

  constructor(options: {
    readonly run: RotationRun;
    readonly scope: EnvironmentScope;
    readonly exclusion: Exclusion;
    readonly passwords: Passwords;
    readonly connection: ConnectionTarget;
    readonly entry: RotationEntry;
  }) {
    this.run = options.run;
    this.scope = options.scope;
    this.exclusion = options.exclusion;
    this.passwords = options.passwords;
    this.#connection = options.connection;
    this.#entry = options.entry;
    this.railway = options.run.railway
      .guarded(() => options.exclusion.assertAlone())
      .within(options.exclusion.signal);
  }

  get record(): RotationRecord {
    return this.#entry.record;
  }

  /** The session that holds the exclusion lock: the journal is written through it. */
  get session(): pg.Client {
    return this.exclusion.target;
  }

  get signal(): AbortSignal {
    return this.exclusion.signal;
  }

  /** @throws TypeError when nothing holds it any more: then there is only the way back */
  get newPassword(): string {
    if (this.passwords.new === null) throw new TypeError("the new password is not known any more");
    return this.passwords.new;
  }

  /** How the role logs in with one of the two passwords. */
  login(password: string): ConnectionTarget {
    return { ...this.#connection, password };
  }

  /** Replaces the record. With `effect`, both happen in one transaction or neither. */
  async save(
    record: RotationRecord,
    { effect, session = this.session }: { effect?: () => Promise<void>; session?: pg.Client } = {},
  ): Promise<void> {
    const entry = { ...this.#entry, record };
    if (effect === undefined) await saveRotation(session, entry);
    else {
      await inTransaction(session, async () => {
        await effect();
        await saveRotation(session, entry);
      });
    }
    this.#entry = entry;
  }

  service(name: string): RotatedService {
    const service = this.record.services[name];
    if (service === undefined) throw new TypeError(`the rotation knows no service ${name}`);
    return service;
  }

  /** Services are worked on side by side; what is noted of one keeps what was noted of the others. */
  async saveService(name: string, changes: Partial<RotatedService>): Promise<void> {
    const { record } = this;
    const services = { ...record.services, [name]: { ...this.service(name), ...changes } };
    const entry = { ...this.#entry, record: { ...record, services } };
    this.#entry = entry;
    await saveRotation(this.session, entry);
  }

  /**
   * Works on all services side by side. The first failure stops the waiting for the others; what was sent to Railway by then
   * is waited for.
   */
  async forEachService(
    work: (name: string, bound: ServiceWork) => Promise<void>,
    isMeant: (service: RotatedService) => boolean = () => true,
  ): Promise<void> {
    const failure = new AbortController();
    const signal = AbortSignal.any([this.signal, failure.signal]);
    const railway = this.railway.within(signal);
    await Promise.allSettled(
      Object.entries(this.record.services)
        .filter(([, service]) => isMeant(service))
        .map(([name, service]) =>
          work(name, { service, railway, signal }).catch((error) => failure.abort(error)),
        ),
    );
    signal.throwIfAborted();
  }
}

/** What the work on one service is done with; it ends when another service has failed. */
export interface ServiceWork {
  readonly service: RotatedService;
  readonly railway: Railway;
  readonly signal: AbortSignal;
}
