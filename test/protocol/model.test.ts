import { readFile } from "node:fs/promises";
import path from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { root } from "../docs/markdown.ts";
import { type Command, notBack, Play, unfinished } from "./model-play.ts";
import {
  broken,
  faultsInTurn,
  firstBroken,
  type History,
  histories,
  orphans,
  tampering,
} from "./model-search.ts";
import type { Flaw } from "./model-world.ts";

const protocol = await readFile(path.join(root, "docs/protocol.md"), "utf8");

describe("without a fault", () => {
  it("an up moves everything, and another one does nothing", () => {
    const play = new Play();
    expect(play.finish("up")).toBe("done");
    expect(unfinished(play)).toEqual([]);
    const steps = play.taken.length;
    expect(play.finish("up")).toBe("done");
    expect(play.taken.slice(steps).filter((label) => !label.startsWith("21"))).toEqual([]);
    expect(play.world.commandsRun).toBe(1);
    expect([...play.world.violations]).toEqual([]);
  });

  it("an abort has nothing to abort before, and is refused afterwards", () => {
    const play = new Play();
    expect(play.finish("abort")).toBe("done");
    expect(notBack(play)).toEqual([]);
    play.finish("up");
    expect(play.finish("abort")).toBe("ALREADY_PROMOTED");
    expect(unfinished(play)).toEqual([]);
  });
});

describe("every promise is kept, and one command ends it", () => {
  it.each([
    ["one fault after another, before every step", faultsInTurn],
    ["orphans that go on while another run is at work", orphans],
    ["somebody's hand on the fence of the copy", tampering],
  ])("%s", (_name, search) => {
    expect(firstBroken(search())).toBeUndefined();
  });

  it.each([
    ["whatever happens", false],
    ["whatever happens and whatever somebody does", true],
  ])("%s", (_name, withHands) => {
    fc.assert(
      fc.property(histories({ withHands }), (history) => {
        expect(broken(history)).toEqual([]);
      }),
      { numRuns: 10_000 },
    );
  });
});

describe("the model finds a protocol in which", () => {
  const flawed: ReadonlyArray<
    readonly [flaws: readonly Flaw[], search: () => Iterable<History>, found: string]
  > = [
    [["locks released before the fence"], faultsInTurn, "an acknowledged write is gone"],
    [["snapshot before the locks"], faultsInTurn, "an acknowledged write is gone"],
    [["fence through another session"], orphans, "an acknowledged write is gone"],
    [
      ["fence of the copy left open"],
      faultsInTurn,
      "a write was acknowledged that is not in the active database",
    ],
    [["copy fenced after its definitions"], faultsInTurn, 'two databases are open since "6 definitions"'],
    [["doors left open to orphans"], orphans, "the target does not accept writes"],
    [["witness not looked at"], faultsInTurn, "the journal says aborted"],
    [["no look behind the seal"], faultsInTurn, "an acknowledged write is gone"],
    [["yielding not noticed"], faultsInTurn, "an acknowledged write is gone"],
    // Either of two is enough: whoever lost the locks has lost that session, and another run has raised the epoch.
    [
      ["journal written through another session", "promotion without a look at the journal"],
      orphans,
      'two databases are open since "e source opened"',
    ],
    [
      ["journal written through another session", "epoch not compared"],
      orphans,
      "the journal went from aborted to aborting",
    ],
    [["abort after the promotion"], faultsInTurn, "the journal went from promoted to aborting"],
    [["services left behind"], faultsInTurn, "canary is not on the source"],
    [["journal not asked"], faultsInTurn, "Pulumi's state lacks something"],
    [
      ["abort that opens whatever became of the copy"],
      tampering,
      'two databases are open since "e source opened"',
    ],
    [["copy dropped unseen"], tampering, "an acknowledged write is gone"],
  ];

  it.each(flawed)("%s", (flaws, search, found) => {
    expect(firstBroken(search(), flaws)?.what).toContain(found);
  });
});

describe("the crash table of docs/protocol.md", () => {
  const tables = protocol.slice(protocol.indexOf("### Forward"), protocol.indexOf("### Stop and remove"));
  // The takeover changes nothing but the epoch, a volume's backup nothing that the model has.
  const rows = [...tables.matchAll(/^\| (\d+|[a-z]) \|/gm)]
    .map(([, row]) => row as string)
    .filter((row) => row !== "t" && row !== "v");

  it("has a row for every step of the model, and no other", () => {
    const play = new Play();
    play.happen({ kind: "run", command: "up" });
    play.happen({ kind: "steps", run: 0, count: stepsUntil("15 sealed") });
    play.recover("abort");
    play.finish("up");
    const steps = new Set(play.taken.map(rowOf).filter((row) => row !== "0" && row !== "t"));
    expect([...steps].sort()).toEqual([...rows].sort());
  });

  /** What the next command does after a kill behind the row, as the table says it in words. */
  const next: ReadonlyArray<readonly [rows: string, up: string, abort: string]> = [
    ["1 2 3 4", "start", "nothing"],
    ["5 6 7 8 9", "put-back", "put-back"],
    ["10 11 12 13 14 15 16", "go-on", "put-back"],
    ["17 18 19", "finish", "ALREADY_PROMOTED"],
    ["20 21 22", "nothing", "ALREADY_PROMOTED"],
    ["a b c d e f g h", "put-back", "put-back"],
    ["i", "start", "nothing"],
  ];

  it("covers every row here", () => {
    expect(next.flatMap(([some]) => some.split(" ")).sort()).toEqual([...rows].sort());
  });

  it.each(next.flatMap(([some, up, abort]) => some.split(" ").map((row) => [row, up, abort] as const)))(
    "killed behind %s: up %s, abort %s",
    (row, up, abort) => {
      const play = new Play();
      play.happen({ kind: "run", command: "up" });
      const isBack = /[a-i]/.test(row);
      if (isBack) {
        play.happen({ kind: "steps", run: 0, count: stepsUntil("15 sealed") });
        play.happen({ kind: "step fails", run: 0, fate: "fails" });
      }
      const isDone = () => rowOf(play.taken.at(-1)) === row && rowOf(play.next(0)) !== row;
      while (!isDone()) play.happen({ kind: "steps", run: 0, count: 1 });
      play.happen({ kind: "killed", run: 0 });
      const shown = (command: Command) => {
        const decision = play.world.decide(command as "up", play.world.newest());
        return decision.action === "refuse" ? decision.code : decision.action;
      };
      expect([shown("up"), shown("abort")]).toEqual([up, abort]);
    },
  );

  function rowOf(label: string | undefined): string | undefined {
    return label?.split(" ")[0];
  }

  function stepsUntil(label: string): number {
    const play = new Play();
    play.finish("up");
    return play.taken.indexOf(label);
  }
});
