/**
 * Loaded before a program that a test kills: it ends itself, with SIGKILL, in the moment in which it prints a line that holds
 * the text in `END_AT_LINE`. Whoever reads its output could only kill it later.
 */
const text = process.env.END_AT_LINE;
const write = process.stdout.write.bind(process.stdout) as (...parameters: unknown[]) => boolean;
process.stdout.write = ((...parameters: unknown[]) => {
  const isWritten = write(...parameters);
  if (text !== undefined && String(parameters[0]).includes(text)) process.kill(process.pid, "SIGKILL");
  return isWritten;
}) as typeof process.stdout.write;
