import { expect, test } from "vitest";
import { pulumiVersion } from "../world/engine/engine.ts";
import { quickPace } from "../world/railway/pace.ts";
import { rehearse } from "../world/rehearsal.ts";

const version = pulumiVersion();

if (version === undefined) {
  console.warn(
    [
      "!".repeat(100),
      "!!  There is no `pulumi` on PATH: the end-to-end run is played on Pulumi's testing mocks ONLY.",
      "!!  Install the Pulumi CLI (https://www.pulumi.com/docs/install) to play it on the real engine too.",
      "!".repeat(100),
    ].join("\n"),
  );
}

test("every promise is kept on the host on mocks", () => playOn("mocks"));

test.skipIf(version === undefined)("every promise is kept on the real engine", () => playOn("cli"));

async function playOn(engine: "cli" | "mocks"): Promise<void> {
  let printed = "";
  const report = await rehearse({
    engine,
    // The story is what is tested here; `npm run rehearse` plays it at the platform's pace.
    world: { rows: 20_000, pace: { ...quickPace, readLagMs: [0, 300] } },
    onChapter: (title) => {
      printed += `\n${title}\n`;
    },
    onOutput: (text) => {
      printed += text;
    },
  }).catch((error: unknown) => {
    throw new Error(`the rehearsal broke off: ${error}\n${printed.slice(-6_000)}`);
  });
  const broken = report.observations.filter(({ kept }) => !kept);
  expect(broken, printed.slice(-6_000)).toEqual([]);
  expect(report.observations.length).toBeGreaterThanOrEqual(14);
  expect(report.engine).toContain(engine === "cli" ? "Pulumi CLI" : "mocks");
}
