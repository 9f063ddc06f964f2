import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import type { LifeReport } from "../test/protocol/soak/life.ts";
import { type SoakFigures, soak, uncovered } from "../test/protocol/soak/soak.ts";
import { keepCompiledCode } from "../test/world/compile-cache.ts";
import { numberOf, runTrial } from "./trial.ts";

const help = `Plays cutovers under random faults on this machine: real PostgreSQL servers, a simulated Railway, services that keep
writing. Each life is a fresh world, a few faults, and one command that must put everything right; then a checker
decides whether a write was lost or doubled, both databases accepted writes, or anything else was not kept.

  npm run soak -- --faults 500              until so many faults have struck (default 100)
  npm run soak -- --minutes 30              for so long
  npm run soak -- --lives 20                so many lives
  npm run soak -- --seed 7 --from 12 --lives 1   play one life again: what a failure names
  --seed N        where the faults come from (default: drawn, and printed)
  --lanes N       lives side by side, each on two servers of its own (default 1)
  --cover N       fails unless every row of the crash table and every kind of fault came so often
  --keep-going    goes on after a broken promise
  --json FILE     writes the figures
  --outputs       keeps what the commands of every life printed, not of failed ones only

Exit codes: 0 every promise was kept, 1 one was not, 2 wrong arguments.
`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      faults: { type: "string" },
      minutes: { type: "string" },
      lives: { type: "string" },
      seed: { type: "string" },
      from: { type: "string", default: "0" },
      lanes: { type: "string", default: "1" },
      cover: { type: "string", default: "0" },
      json: { type: "string" },
      outputs: { type: "boolean", default: false },
      "keep-going": { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return 0;
  }
  const seed =
    values.seed === undefined ? Math.floor(Math.random() * 1_000_000) : numberOf("seed", values.seed);
  const isBounded = values.minutes !== undefined || values.lives !== undefined;
  const interrupt = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => interrupt.abort());
  keepCompiledCode();
  const folder = await mkdtemp(path.join(tmpdir(), "cutover-soak-log-"));
  console.log(
    `seed ${seed}; what the commands of ${values.outputs ? "the" : "failed"} lives printed goes to ${folder}`,
  );
  const figures = await soak({
    seed,
    from: numberOf("from", values.from),
    faults: values.faults === undefined ? (isBounded ? undefined : 100) : numberOf("faults", values.faults),
    lives: values.lives === undefined ? undefined : numberOf("lives", values.lives),
    durationMs: values.minutes === undefined ? undefined : numberOf("minutes", values.minutes) * 60_000,
    lanes: numberOf("lanes", values.lanes),
    keepGoing: values["keep-going"],
    onLife: (report, soFar) => {
      console.log(describeLife(report, soFar));
      if (report.violations.length > 0 || values.outputs) {
        void writeFile(path.join(folder, `${seed}-${report.plan.number}.log`), report.output);
      }
    },
    log: (line) => console.log(line),
    signal: interrupt.signal,
  });
  const missing = uncovered(figures, numberOf("cover", values.cover));
  console.log(describeFigures(figures, seed));
  if (missing.length > 0) console.log(`too seldom: ${missing.join(", ")}`);
  if (values.json !== undefined)
    await writeFile(values.json, `${JSON.stringify(toJson(figures, seed), null, 2)}\n`);
  return figures.failures.length === 0 && missing.length === 0 ? 0 : 1;
}

function describeLife({ plan, hits, violations, ends, outcome }: LifeReport, soFar: SoakFigures): string {
  const struck =
    hits.map(({ fault }) => `${fault.kind} ${fault.stage} ${fault.row}`).join(", ") || "nothing struck";
  const writes =
    outcome === undefined ? "" : `; ${outcome.verdict.acknowledged} writes, active ${outcome.active}`;
  const head = `life ${plan.number} (${soFar.faults} faults so far): ${struck} | ${ends.join(", ")}${writes}`;
  if (violations.length === 0) return head;
  return `${head}\n  BROKEN: ${violations.join("\n  BROKEN: ")}\n  again: npm run soak -- --seed ${plan.seed} --from ${plan.number} --lives 1`;
}

function describeFigures(figures: SoakFigures, seed: number): string {
  const pauses = figures.pausesMs.toSorted((a, b) => a - b);
  const pause = (share: number) =>
    ((pauses[Math.floor((pauses.length - 1) * share)] ?? 0) / 1_000).toFixed(1);
  const table = (counts: ReadonlyMap<string, number>) =>
    [...counts].map(([name, times]) => `${name} ${times}`).join(", ");
  return `
seed ${seed}: ${figures.lives} lives, ${figures.faults} faults, ${figures.whilePaused} of them between fence and promotion
  ${figures.acknowledged} acknowledged writes judged, ${figures.failures.length} lives with a broken promise
  from the last write on the old database to the first on the new one: median ${pause(0.5)} s, longest ${pause(1)} s (${pauses.length} cutovers)
  by row: ${table(figures.byRow)}
  by kind: ${table(figures.byKind)}
  commands ended: ${table(figures.ends)}`;
}

function toJson(figures: SoakFigures, seed: number) {
  const { lives, faults, whilePaused, acknowledged, pausesMs } = figures;
  return {
    seed,
    ...{ lives, faults, whilePaused, acknowledged, pausesMs },
    byRow: Object.fromEntries(figures.byRow),
    byKind: Object.fromEntries(figures.byKind),
    ends: Object.fromEntries(figures.ends),
    failures: figures.failures.map(({ plan, violations }) => ({ plan, violations })),
  };
}

await runTrial(main);
