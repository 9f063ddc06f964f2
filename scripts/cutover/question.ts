import { createInterface } from "node:readline/promises";
import { setTimeout as delay } from "node:timers/promises";

/** An unanswered question is a no: what was looked at before it has grown old by then. */
export const answerMs = 10 * 60_000;

/**
 * Asks whether to start. Only the word `go` is a yes; anything else, the end of the input or of its terminal, a Ctrl-C and
 * silence are a no.
 */
export async function askToGo(
  terminal: { readonly input: NodeJS.ReadableStream; readonly output: NodeJS.WritableStream },
  signal: AbortSignal,
  patienceMs = answerMs,
): Promise<boolean> {
  await discardTyped(terminal.input);
  const lines = createInterface(terminal);
  const ended = new AbortController();
  const no = () => ended.abort();
  // Read as a terminal, the keys Ctrl-C reach the interface and not the process.
  lines.once("SIGINT", no);
  lines.once("close", no);
  lines.once("error", no);
  const until = AbortSignal.any([signal, ended.signal, AbortSignal.timeout(patienceMs)]);
  try {
    const answer = await lines.question("Type go to start; anything else calls it off: ", { signal: until });
    return answer.trim().toLowerCase() === "go";
  } catch (error) {
    if (!until.aborted) throw error;
    terminal.output.write("\n");
    return false;
  } finally {
    lines.close();
  }
}

/** What was typed before the question was there is no answer to it. */
async function discardTyped(input: NodeJS.ReadableStream): Promise<void> {
  const discard = () => {};
  input.on("data", discard);
  await delay(typedMs);
  input.off("data", discard);
  input.pause();
}

/** For what lies in the terminal's buffer to come through. */
const typedMs = 100;
