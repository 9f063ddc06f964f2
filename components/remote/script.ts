import type { Tool } from "./tools.ts";

/** Begins every line by which the script tells us something that is not the command's own output. */
export const controlMark = "::cutover-runner::";

export interface ScriptOptions {
  readonly tools: readonly Tool[];
  /** Bash that fills the folder `$runner/project` with the project's files. */
  readonly unpack: string;
  /** Host names of the private network that must resolve before anything is begun. */
  readonly privateHosts: readonly string[];
  /** The program and its arguments. No secret: `ps` shows them. */
  readonly command: readonly string[];
  /**
   * Writes the report into the file that is its last argument, which the script adds. Run after the command, whatever
   * became of that.
   */
  readonly report: readonly string[] | null;
  /** How long what the command leaves at work may take to end by itself. */
  readonly orphanLimitSeconds: number;
}

/**
 * What runs inside: prepares the machine, looks for the private network, runs the command and says how it ended. It writes
 * to its output only; whoever started it reads that. SIGINT or SIGTERM ends the preparation; to the command it goes on as
 * SIGINT, which finishes what it has begun, and only once, whoever asks how often: a second one would break Pulumi off. What
 * the command leaves at work, such as a provider that outlives its engine, is waited for, because the machine is removed then;
 * what does not end in its time is killed, or a machine that holds secrets would stay for ever.
 */
export function runnerScript(options: ScriptOptions): string {
  const { tools, unpack, privateHosts, command, report, orphanLimitSeconds } = options;
  return `set -um
umask 077
runner=\${runner:-$HOME/cutover-runner}
phase=prepare
child=
code=0
stopping=
passed=
say() { printf '%s\\n' "$*"; }
tell() { printf '%s %s\\n' ${quoted(controlMark)} "$*"; }
finish() { tell end "$phase" "$1"; exit "$1"; }
stop() {
  stopping=1
  if [ -z "$child" ]; then [ "$phase" = command ] || finish 130; return; fi
  if [ "$phase" != command ]; then kill -TERM -- "-$child"; return; fi
  [ -z "$passed" ] || return
  passed=1
  kill -INT "$child"
}
trap stop INT TERM
# In the background, so that a signal reaches this shell meanwhile; bash keeps the exit code for a second wait.
run() {
  "$@" < /dev/null &
  child=$!
  # It came while there was nothing to pass it on to.
  [ -z "$stopping" ] || stop
  wait "$child"; code=$?
  while [ "$code" -gt 128 ] && kill -0 "$child" 2> /dev/null; do wait "$child"; code=$?; done
  wait "$child" 2> /dev/null; again=$?
  [ "$again" = 127 ] || code=$again
  child=
  return "$code"
}
need() {
  if bash -c "$2" > /dev/null 2>&1; then say "$1: there"; return; fi
  say "$1: is being installed"
  run bash -o pipefail -c "$3"
  if bash -c "$2" > /dev/null 2>&1; then return; fi
  say "$1: could not be installed (exit code $code)"
  finish 1
}
export runner PULUMI_SKIP_UPDATE_CHECK=true
export PATH="$runner/project/node_modules/.bin:$runner/tools/pulumi:$runner/tools/node/bin:$PATH"
tell phase prepare
mkdir -p "$runner/project" && cd "$runner/project" || finish 1
${unpack} || { say 'the project could not be unpacked'; finish 1; }
${tools.map(({ name, check, install }) => `need ${[name, check, install].map(quoted).join(" ")}`).join("\n")}
phase=network
for host in ${privateHosts.map(quoted).join(" ")}; do
  getent hosts "$host" > /dev/null || { say "$host: does not resolve here"; finish 1; }
  say "$host: resolves"
done
phase=command
tell phase command
# In the environment of whatever the command starts: Pulumi gives its providers process groups of their own.
family=CUTOVER_RUNNER_FAMILY=$(cat /proc/sys/kernel/random/uuid)
run env "$family" ${command.map(quoted).join(" ")}
result=$code
look() { grep -lszxF -- "$family" /proc/[0-9]*/environ | cut -d / -f 3; }
# Twice: what executes another program at the moment of a look shows no environment.
orphans() { found=$(look); [ -n "$found" ] || { sleep 0.2; found=$(look); }; echo "$found"; }
ended=command
if [ -n "$(orphans)" ]; then
  say 'the command ended, and something that it started still works: waiting for that'
  SECONDS=0
  while [ -n "$(orphans)" ] && [ "$SECONDS" -lt ${orphanLimitSeconds} ]; do sleep 1; done
  left=$(orphans)
  if [ -n "$left" ]; then
    say "still at work after ${orphanLimitSeconds} s, and ended now as if it were killed:" $(for one in $left; do cat "/proc/$one/comm"; done)
    ended=orphan
    kill -KILL $left
  fi
fi
${report === null ? "" : reportPart(report)}phase=$ended
finish "$result"
`;
}

/** A word that a shell takes as it is. */
export function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

function reportPart(report: readonly string[]): string {
  return `phase=report
stopping=
run ${report.map(quoted).join(" ")} "$runner/report" > /dev/null 2>&1
[ ! -s "$runner/report" ] || gzip -9c "$runner/report" | base64 -w 1000 | nl -b a | while read -r number part; do tell report "$number" "$part"; done
`;
}
