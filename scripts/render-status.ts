import type { Status } from "../components/migration/status.ts";

/** The status as one screen of text, label and value in two columns. */
export function renderStatus(status: Status): string {
  const { migration, services, history } = status;
  const lines = [
    [
      "migration",
      migration === null ? "none yet" : `${migration.id}, ${migration.state} since ${migration.since}`,
    ],
    ["writes go to", status.writesGoTo],
    ["old database", status.source],
    ["a run is active", status.runActive ? "yes" : "no"],
    ...services.map(({ name, state }) => [name, state]),
    ...history.map(({ at, text }, index) => [index === 0 ? "history" : "", `${at}  ${text}`]),
    ["next", status.next],
  ];
  const width = Math.max(...lines.map(([label = ""]) => label.length));
  return `${lines.map(([label = "", text = ""]) => `${label.padEnd(width)}  ${text}`).join("\n")}\n`;
}
