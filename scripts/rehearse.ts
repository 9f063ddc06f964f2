import { parseArgs, styleText } from "node:util";
import { keepCompiledCode } from "../test/world/compile-cache.ts";
import { type RehearsalReport, rehearse } from "../test/world/rehearsal.ts";

const help = `Plays the whole life of a cutover on this machine: real PostgreSQL servers, a simulated Railway, four
services that keep writing, and the Pulumi program itself. Nothing outside of this machine is touched.

  npm run rehearse                    with the Pulumi CLI if one is on PATH, otherwise on Pulumi's testing mocks
  npm run rehearse -- --engine mocks  or cli: choose the engine
  npm run rehearse -- --quiet         the chapters and the verdict only

Exit codes: 0 every promise was kept, 1 one was not or the rehearsal failed, 2 wrong arguments.
`;

/** Colours only where somebody looks at a terminal. */
function style(format: Parameters<typeof styleText>[0], text: string): string {
  return styleText(format, text, { stream: process.stdout });
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      engine: { type: "string" },
      quiet: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return 0;
  }
  const { engine } = values;
  if (engine !== undefined && engine !== "cli" && engine !== "mocks") {
    process.stderr.write(help);
    return 2;
  }
  keepCompiledCode();
  const began = Date.now();
  const interrupt = new AbortController();
  process.once("SIGINT", () =>
    interrupt.abort(new Error("interrupted; the servers and services of the rehearsal are ended")),
  );
  const report = await rehearse({
    ...(engine === undefined ? {} : { engine }),
    signal: interrupt.signal,
    onChapter: (title) => {
      const seconds = ((Date.now() - began) / 1000).toFixed(0).padStart(4);
      process.stdout.write(`\n${style("dim", `${seconds} s`)}  ${style("bold", title)}\n`);
    },
    onOutput: byLine((line) => {
      if (!values.quiet && !isNoise(line))
        process.stdout.write(`${style("dim", `        ${withoutPrefix(line)}`)}\n`);
    }),
  });
  process.stdout.write(renderVerdict(report));
  return report.observations.every(({ kept }) => kept) ? 0 : 1;
}

function renderVerdict({ engine, servers, observations }: RehearsalReport): string {
  const width = Math.max(...observations.map(({ promise }) => promise.length));
  const rows = observations.map(({ promise, seen, kept }) => {
    const mark = kept ? style("green", "kept  ") : style("red", "BROKEN");
    return `  ${mark}  ${promise.padEnd(width)}  ${style("dim", seen)}`;
  });
  const broken = observations.filter(({ kept }) => !kept).length;
  const verdict =
    broken === 0
      ? style("green", `All ${observations.length} promises were kept.`)
      : style("red", `${broken} of ${observations.length} promises were broken.`);
  return [
    "",
    style("bold", "What was promised, and what was seen"),
    ...rows,
    "",
    `  engine: ${engine}`,
    ...servers.map((server) => `  ${server}`),
    "",
    verdict,
    "",
  ].join("\n");
}

/** Collects what comes in pieces and hands on whole lines. */
function byLine(onLine: (line: string) => void): (text: string) => void {
  let rest = "";
  return (text) => {
    const lines = `${rest}${text}`.split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) onLine(line);
  };
}

/** The engine's ticks, and blank lines in a row of them. */
function isNoise(line: string): boolean {
  return line.trim() === "" || /^@ \w+( update)?\.{4}/.test(line);
}

/** What the provider prints, the engine shows behind the stack's name. */
function withoutPrefix(line: string): string {
  return line.replace(/^ *pulumi:pulumi:Stack \S+ +running /, "");
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`\n${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = (error as { code?: string }).code?.startsWith("ERR_PARSE_ARGS") ? 2 : 1;
}
