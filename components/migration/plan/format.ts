/** `1,234 rows`, `1 table`. */
export function formatCount(count: number, noun: string): string {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}

/** Decimal units, as Railway shows volume sizes: `425.3 MB`. */
export function formatBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const exponent = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3));
  const value = bytes / 1_000 ** exponent;
  return `${exponent === 0 || value >= 100 ? Math.round(value) : Number(value.toFixed(1))} ${units[exponent]}`;
}

/** `40 s`, `3 min 20 s`, `1 h 5 min`: rounded up, for estimates. */
export function formatDuration(ms: number): string {
  const seconds = Math.ceil(ms / 1_000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return seconds % 60 === 0 ? `${minutes} min` : `${minutes} min ${seconds % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Breaks a line at blanks so that it fits, keeping its indentation, behind a number too. A longer word stays whole. */
export function wrap(line: string, width: number): string[] {
  if (line.length <= width) return [line];
  const start = /^ *(?:\d+\. )?/.exec(line)?.[0] ?? "";
  const lines: string[] = [];
  let current = "";
  for (const word of line.slice(start.length).split(" ")) {
    const extended = current === "" ? word : `${current} ${word}`;
    if (current !== "" && start.length + extended.length > width) {
      lines.push(current);
      current = word;
    } else {
      current = extended;
    }
  }
  return [...lines, current].map((text, index) => (index === 0 ? start : " ".repeat(start.length)) + text);
}
