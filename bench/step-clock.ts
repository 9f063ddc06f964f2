import type { Reporter } from "../components/migration/reporter.ts";

/** Tells from the steps that a run reports how long each of them took. */
export class StepClock implements Reporter {
  /** Which pg_dump read the schema, as reported. */
  dumpClient = "";
  readonly #now: () => number;
  readonly #began: Array<readonly [title: string, at: number]> = [];

  constructor(now = () => performance.now()) {
    this.#now = now;
  }

  step(title: string): void {
    this.#began.push([title.toLowerCase(), this.#now()]);
  }

  detail(text: string): void {
    const client = /^schema read by (.*)$/.exec(text)?.[1];
    if (client === undefined) return;
    this.dumpClient = client;
    this.step("load");
  }

  /** Milliseconds by step, the last one until now. A step that came twice has the sum. */
  finish(): Record<string, number> {
    const phases: Record<string, number> = {};
    const ends = [...this.#began.slice(1).map(([, at]) => at), this.#now()];
    for (const [index, [title, at]] of this.#began.entries())
      phases[title] = (phases[title] ?? 0) + ((ends[index] as number) - at);
    return phases;
  }
}
