import { formatDuration } from "../plan/format.ts";

/** What people are told of a migration, by kind; each kind once in a run. */
export type Announcement = {
  /** The migration's id. */
  readonly id: string;
} & (
  | {
      readonly kind: "paused";
      /** After which everything is put back by itself; `null` where a human decides. */
      readonly limitMs: number | null;
    }
  | { readonly kind: "fenced" | "resumed" | "finished" | "unfinished" | "incomplete" }
  | { readonly kind: "promoted"; readonly writePauseMs: number }
  | { readonly kind: "aborted" | "held"; readonly reason: string }
);

/** Told by `npm run cutover` before there is a migration. */
export type PlannedStart =
  | { readonly kind: "planned"; readonly startsAt: Date; readonly writePauseMs: number | null }
  | { readonly kind: "called-off"; readonly startsAt: Date };

/** Where an announcement comes from, as the configuration names it. */
export interface Announced {
  readonly project: string;
  readonly environment: string;
  readonly source: string;
  readonly target: string;
}

/** Takes what people are to be told; returns at once, and never throws. */
export type Announce = (announcement: Announcement) => void;

/** Passes each kind of announcement on once for each migration: a run may come to the same place twice. */
export function announceBy(send: (text: string) => void, where: Announced): Announce {
  const told = new Set<string>();
  return (announcement) => {
    const key = `${announcement.id} ${announcement.kind}`;
    if (told.has(key)) return;
    told.add(key);
    send(announcementText(announcement, where, new Date()));
  };
}

/**
 * The message: what happened, what it means, and by what a second copy of it is recognised. Holds no host, no value and no row.
 * Marked up as Slack does it.
 */
export function announcementText(
  announcement: Announcement | PlannedStart,
  where: Announced,
  now: Date,
): string {
  const { project, environment } = where;
  const [headline, ...meaning] = sentencesOf(announcement, where);
  const told = "id" in announcement ? `migration ${announcement.id}` : "no migration yet";
  return [
    `*${escapeMarkup(`Cutover of ${project} (${environment}): ${headline}`)}*`,
    escapeMarkup(meaning.join(" ")),
    `_${timeOf(now)}, ${told}, ${announcement.kind}_`,
  ].join("\n");
}

/** An error's code at the beginning of a reason; the rest may name a host. */
export function codeIn(reason: string): string {
  return /^[A-Z]+(?:_[A-Z]+)+(?=: )/.exec(reason)?.[0] ?? "";
}

function sentencesOf(announcement: Announcement | PlannedStart, { source, target }: Announced): string[] {
  switch (announcement.kind) {
    case "planned": {
      const { startsAt, writePauseMs } = announcement;
      const pause = writePauseMs === null ? "some minutes" : `about ${formatDuration(writePauseMs)}`;
      return [
        `it is planned to start at ${timeOf(startsAt)}`,
        `Writes will be paused for ${pause}; reading goes on. You are told when it begins and when it is over.`,
      ];
    }
    case "called-off":
      return [
        `the start at ${timeOf(announcement.startsAt)} was called off`,
        "Nothing was changed or paused.",
      ];
    case "paused": {
      const { limitMs } = announcement;
      return [
        "writes are paused",
        "Reading goes on. Whoever saves something waits, and may have to save again.",
        ...(limitMs === null
          ? []
          : [`When it is not over in ${formatDuration(limitMs)}, everything is put back by itself.`]),
      ];
    }
    case "fenced":
      return [
        "the copy is equal, the services move now",
        `${source} and ${target} both refuse writes; reading goes on. A failure from here still puts everything back.`,
      ];
    case "resumed":
      return [
        "a new run goes on with the switch that was interrupted",
        "Writes are still paused; reading goes on.",
      ];
    case "promoted": {
      const pause = formatDuration(announcement.writePauseMs);
      return [
        `${target} is the database now, and accepts writes`,
        `They had been paused for ${pause}. There is no way back from here: ${source} stays as it was at that moment, and accepts no connections.`,
      ];
    }
    case "finished":
      return [`finished, ${target} is the database`, `The clean-up is done. ${source} is sealed and kept.`];
    case "unfinished":
      return [
        `${target} is the database, but the clean-up did not end`,
        "Writes go on. Operators: `pulumi up` finishes the rest.",
      ];
    case "aborted":
      return [
        `put back, ${source} is the database as before`,
        `It accepts writes, and nothing that was saved is lost.${because(announcement.reason)} The cutover has to be started again.`,
      ];
    case "held":
      return [
        "HELD, nobody can write",
        `The switch failed, and both databases stay read-only until somebody decides.${because(announcement.reason)} Operators: \`npm run status\` shows it, \`pulumi up\` goes on, \`npm run abort -- --yes\` puts everything back.`,
      ];
    case "incomplete":
      return [
        "NOT put back entirely, somebody has to look",
        "Operators: `npm run status` says who can write, `npm run abort -- --yes` goes on putting back.",
      ];
    default:
      return announcement satisfies never;
  }
}

function because(reason: string): string {
  return reason === "" ? "" : ` Reason: ${reason}.`;
}

function timeOf(time: Date): string {
  return `${time.toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/** A service's name must call nobody, and link nowhere (Slack, "Formatting text for app surfaces": escaping). */
function escapeMarkup(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
