import { ignoreErrors } from "../components/ignore-errors.ts";

/**
 * From now on this process outlives its terminal or ssh connection, as under nohup, which cannot do it: node takes up the signal's
 * usual effect again when it starts. For a command that must not be left halfway because nobody looks on.
 *
 * @param onGone called when it goes away
 */
export function outliveTerminal(onGone: () => void = () => {}): void {
  process.on("SIGHUP", onGone);
  ignoreErrors(process.stdin);
}
