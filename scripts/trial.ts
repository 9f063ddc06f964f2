/**
 * Runs a script that plays what may go wrong, `soak` or `fuzz`, and sets its exit code: 1 where it fails, whose cause is
 * for a developer and shown in full, 2 for wrong arguments.
 */
export async function runTrial(main: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await main();
  } catch (error) {
    const isUsage = (error as { code?: string }).code?.startsWith("ERR_PARSE_ARGS") ?? false;
    console.error(isUsage ? `${(error as Error).message}. Try --help.` : error);
    process.exitCode = isUsage ? 2 : 1;
  }
}

/** An option's value. @throws Error that {@link runTrial} takes for wrong arguments */
export function numberOf(name: string, text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isFinite(value) && value >= 0) return value;
  throw Object.assign(new Error(`--${name} takes a number, not "${text}"`), { code: "ERR_PARSE_ARGS_VALUE" });
}
