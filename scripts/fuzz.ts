import { parseArgs } from "node:util";
import fc from "fast-check";
import { Arena, type Figures, newFigures } from "../test/fuzz/play.ts";
import { Scenarios } from "../test/fuzz/scenario.ts";
import { keepCompiledCode } from "../test/world/compile-cache.ts";
import { postgresOfMajor } from "../test/world/postgres/postgres-versions.ts";
import { type PostgresServer, startServer } from "../test/world/postgres/server.ts";
import { numberOf, runTrial } from "./trial.ts";

const help = `Makes random applications on real PostgreSQL servers, copies them, and holds copy, gate and abort against pg_dump.

  npm run fuzz -- --runs 100                      so many databases (default 20)
  npm run fuzz -- --minutes 5                     no new one after so long
  npm run fuzz -- --seed 7 --path 3:0:1           one again: what a failure names
  --pair 15-17     from and to which major version (default: 15-17)
  --seed N         where the applications come from (default: drawn, and printed)
  --statements N   of each application (default 60)
  --changes N      of each copy, each to a copy of its own (default 6)
  --complaints     shows what the servers said to statements that they refused

Exit codes: 0 every promise was kept, 1 one was not, 2 wrong arguments.
`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      runs: { type: "string", default: "20" },
      minutes: { type: "string", default: "60" },
      seed: { type: "string" },
      path: { type: "string" },
      pair: { type: "string", default: "15-17" },
      statements: { type: "string", default: "60" },
      changes: { type: "string", default: "6" },
      complaints: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return 0;
  }
  keepCompiledCode();
  const seed =
    values.seed === undefined ? Math.floor(Math.random() * 1_000_000) : numberOf("seed", values.seed);
  const size = {
    statements: numberOf("statements", values.statements),
    changes: numberOf("changes", values.changes),
  };
  const [from = 0, to = 0] = values.pair.split("-").map((major) => numberOf("pair", major));
  const servers = new Map<number, PostgresServer>();
  const figures = newFigures();
  try {
    for (const major of new Set([from, to])) servers.set(major, await start(major));
    const [source, target] = [servers.get(from), servers.get(to)] as [PostgresServer, PostgresServer];
    const arena = await Arena.create(source, target, figures);
    console.log(`seed ${seed}, from PostgreSQL ${from} to ${to}`);
    const result = await fc.check(
      fc.asyncProperty(new Scenarios(size), (scenario) => arena.play(scenario)),
      {
        seed,
        numRuns: numberOf("runs", values.runs),
        interruptAfterTimeLimit: numberOf("minutes", values.minutes) * 60_000,
        markInterruptAsFailure: false,
        ...(values.path === undefined ? {} : { path: values.path }),
      },
    );
    if (result.failed) console.log(`${fc.defaultReportMessage(result)}\n${result.errorInstance}`);
    console.log(describe(figures, values.complaints));
    return result.failed ? 1 : 0;
  } finally {
    await Promise.all([...servers.values()].map((server) => server.dispose()));
  }
}

async function start(major: number): Promise<PostgresServer> {
  const installation = await postgresOfMajor(major, console.log);
  if (installation === undefined) throw new Error(`this machine has no PostgreSQL ${major}`);
  return startServer({ role: "target", installation, tls: false });
}

function describe(figures: Figures, withComplaints: boolean): string {
  const listed = (counts: ReadonlyMap<string, number>) =>
    [...counts].sort((a, b) => b[1] - a[1]).map(([name, times]) => `${times} ${name}`);
  return [
    `${figures.databases} databases of ${figures.statements} statements (${figures.refusedStatements} refused by the server)`,
    `${figures.copies} copied, ${figures.databases - figures.copies} refused by the preflight: ${listed(figures.refused).join(", ")}`,
    `${figures.withoutReference} that pg_dump alone cannot move`,
    `${figures.changes} changes to copies, ${figures.redChanges} of them differences`,
    ...(withComplaints ? listed(figures.complaints) : []),
  ].join("\n");
}

await runTrial(main);
