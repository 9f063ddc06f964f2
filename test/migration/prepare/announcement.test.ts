import { describe, expect, test } from "vitest";
import {
  type Announcement,
  announceBy,
  announcementText,
  codeIn,
  type PlannedStart,
} from "../../../components/migration/prepare/announcement.ts";

const where = { project: "clinic", environment: "production", source: "Postgres", target: "pgvector" };
const now = new Date("2026-11-27T02:00:13.456Z");
const id = "7bd33e28-afa0-44fe-a2f5-b69151abb5a0";

const all: readonly (Announcement | PlannedStart)[] = [
  { kind: "planned", startsAt: new Date("2026-11-27T02:00:00Z"), writePauseMs: 26_000 },
  { kind: "called-off", startsAt: new Date("2026-11-27T02:00:00Z") },
  { id, kind: "paused", limitMs: 900_000 },
  { id, kind: "fenced" },
  { id, kind: "resumed" },
  { id, kind: "promoted", writePauseMs: 18_500 },
  { id, kind: "finished" },
  { id, kind: "unfinished" },
  { id, kind: "aborted", reason: "GATE_RED" },
  { id, kind: "held", reason: "" },
  { id, kind: "incomplete" },
];

test.for(all)(
  "what is told of $kind says what happened, what it means, and what it belongs to",
  (announcement) => {
    const [headline = "", meaning = "", belongs = ""] = announcementText(announcement, where, now).split(
      "\n",
    );
    expect(headline).toMatch(/^\*Cutover of clinic \(production\): .+\*$/);
    expect(meaning).toMatch(/^[A-Z].{20,}\.$/);
    expect(belongs).toMatch(
      new RegExp(`^_2026-11-27 02:00:13 UTC, (migration ${id}|no migration yet), ${announcement.kind}_$`),
    );
  },
);

test("the texts", () => {
  const text = (announcement: Announcement | PlannedStart) => announcementText(announcement, where, now);
  expect(text({ id, kind: "paused", limitMs: 900_000 })).toContain(
    "When it is not over in 15 min, everything is put",
  );
  expect(text({ id, kind: "paused", limitMs: null })).not.toContain("put back");
  expect(text({ id, kind: "promoted", writePauseMs: 18_500 })).toContain(
    "pgvector is the database now, and accepts writes*\nThey had been paused for 19 s.",
  );
  expect(text({ id, kind: "aborted", reason: "GATE_RED" })).toContain("Reason: GATE_RED.");
  expect(text({ id, kind: "aborted", reason: "" })).not.toContain("Reason");
  expect(text({ kind: "planned", startsAt: now, writePauseMs: null })).toContain("paused for some minutes");
});

test("a name calls nobody and links nowhere", () => {
  const text = announcementText(
    { id, kind: "finished" },
    { ...where, target: "<!channel> & <http://x|y>" },
    now,
  );
  expect(text).toContain("&lt;!channel&gt; &amp; &lt;http://x|y&gt;");
  expect(text).not.toMatch(/[<>]/);
});

test("each kind is told once for each migration", () => {
  const texts: string[] = [];
  const announce = announceBy((text) => void texts.push(text), where);
  announce({ id, kind: "fenced" });
  announce({ id, kind: "fenced" });
  announce({ id: "another", kind: "fenced" });
  announce({ id, kind: "finished" });
  expect(texts.map((text) => /(\w+)_$/.exec(text)?.[1])).toEqual(["fenced", "fenced", "finished"]);
});

describe("of a reason only the code is told", () => {
  test.for([
    ["GATE_RED: The copy of db.internal differs. Remedy: look.", "GATE_RED"],
    ["Error ENOTFOUND db.internal", ""],
    ["aborted by the operator", ""],
    ["SQLSTATE 08006", ""],
  ])("%s", ([reason = "", code]) => {
    expect(codeIn(reason)).toBe(code);
  });
});
