import { writeFile } from "node:fs/promises";
import os from "node:os";
import { parseArgs } from "node:util";
import { bench, clean } from "../bench/bench.ts";
import { sizeNames } from "../bench/data/sizes.ts";
import { renderComparison, renderReport } from "../bench/report.ts";
import { toolNames } from "../bench/tools/tool.ts";
import { keepCompiledCode } from "../test/world/compile-cache.ts";

const help = `Measures how fast the copy is on this machine, side by side with pg_dump and pgcopydb, and with what the two servers can
do at most. Needs Debian and root: the peers come from Debian's packages. The data is built once and kept.

  npm run bench                              everything; takes an hour
  npm run bench -- --sizes 50MB,tables       of ${sizeNames.join(", ")} (default: all)
  npm run bench -- --tools ours,pgcopydb     of ${toolNames.join(", ")}, limit, pause, preview (default: all)
  npm run bench -- --clean                   deletes the built data
  --slow-link SIZES   measured over 40 ms and 200 Mbit/s as well (default 500MB; none)
  --repetitions N     runs of each tool (default 3)
  --jobs N            parallel jobs of the peers (default: the cores; at least 4 over the slow link)
  --workers N         parallel streams of ours (default: as the peers' jobs)
  --dump-client NAME  what ours reads the schema with: installed (default, the peers' pg_dump) or wasm
  --json FILE         writes every figure; kept up to date while it runs
  --markdown FILE     writes the tables
  --data FOLDER       where the data is kept: on a real disk (default ${defaultFolder()})

Exit codes: 0 everything was measured, 1 something failed, 2 wrong arguments.
`;

const everything = [...toolNames, "limit", "pause", "preview"] as const;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      sizes: { type: "string", default: sizeNames.join(",") },
      tools: { type: "string", default: everything.join(",") },
      "slow-link": { type: "string", default: "500MB" },
      repetitions: { type: "string", default: "3" },
      jobs: { type: "string", default: String(os.availableParallelism()) },
      workers: { type: "string", default: String(os.availableParallelism()) },
      "dump-client": { type: "string", default: "installed" },
      json: { type: "string" },
      markdown: { type: "string" },
      data: { type: "string", default: defaultFolder() },
      clean: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return 0;
  }
  if (values.clean) {
    await clean(values.data);
    return 0;
  }
  const [dumpClient] = chosen("dump-client", values["dump-client"], ["installed", "wasm"] as const);
  const tools = chosen("tools", values.tools, everything);
  const options = {
    sizes: chosen("sizes", values.sizes, sizeNames),
    slowSizes: values["slow-link"] === "none" ? [] : chosen("slow-link", values["slow-link"], sizeNames),
    tools: toolNames.filter((name) => tools.includes(name)),
    withLimit: tools.includes("limit"),
    withPause: tools.includes("pause"),
    withPreview: tools.includes("preview"),
    repetitions: atLeastOne("repetitions", values.repetitions),
    jobs: atLeastOne("jobs", values.jobs),
    workers: atLeastOne("workers", values.workers),
    dumpClient: dumpClient ?? "installed",
    folder: values.data,
  };
  keepCompiledCode();
  const interrupt = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const)
    process.once(name, () =>
      interrupt.abort(new Error("interrupted; the servers are stopped, the data is kept")),
    );
  const result = await bench({
    ...options,
    signal: interrupt.signal,
    log: (line) => console.error(line),
    onComparison: async (soFar) => {
      const newest = soFar.comparisons.at(-1);
      if (newest !== undefined) console.log(`\n${renderComparison(newest)}\n`);
      if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(soFar, null, 2)}\n`);
      if (values.markdown !== undefined) await writeFile(values.markdown, renderReport(soFar));
    },
  });
  console.log(renderReport(result));
  const isWhole = result.comparisons.every(({ tools: each }) => each.every(({ failed }) => failed === null));
  return isWhole ? 0 : 1;
}

/** Not below a home that PostgreSQL's account cannot enter, and not in memory as /tmp may be. */
function defaultFolder(): string {
  return "/var/tmp/railway-pgvector-cutover-bench";
}

function chosen<Name extends string>(option: string, text: string, names: readonly Name[]): Name[] {
  return text.split(",").map((word) => {
    const name = names.find((each) => each === word);
    if (name === undefined) throw usage(`--${option} takes ${names.join(", ")}, not "${word}"`);
    return name;
  });
}

function atLeastOne(option: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1) return value;
  throw usage(`--${option} takes a whole number from 1, not "${text}"`);
}

function usage(message: string): Error {
  return Object.assign(new Error(message), { code: "ERR_PARSE_ARGS_VALUE" });
}

try {
  process.exitCode = await main();
} catch (error) {
  const isUsage = (error as { code?: string }).code?.startsWith("ERR_PARSE_ARGS") ?? false;
  console.error(
    isUsage
      ? `${(error as Error).message}. Try --help.`
      : `${error instanceof Error ? error.message : error}`,
  );
  process.exitCode = isUsage ? 2 : 1;
}
