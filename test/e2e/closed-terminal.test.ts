import { spawn } from "node:child_process";
import { once } from "node:events";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { pulumiVersion } from "../world/engine/engine.ts";
import { eventually } from "../world/railway/test-world.ts";
import { type InterruptedWorld, startInterruptedWorld } from "./interrupted-world.ts";
import { makeOperatorFolder, type OperatorFolder } from "./operator-folder.ts";

/** What becomes of `npm run cutover` on the real engine when nobody can read what it says any more, in the middle of the write pause. */
describe.skipIf(pulumiVersion() === undefined || process.platform !== "linux")(
  "out of sight on the real engine",
  () => {
    let here: InterruptedWorld;
    let folder: OperatorFolder;

    beforeEach(async () => {
      here = await startInterruptedWorld();
      folder = await makeOperatorFolder(here.world);
    });
    afterEach(async () => {
      await folder?.[Symbol.asyncDispose]();
      await here?.stop();
    });

    const command = ["scripts/cutover.ts", "--stack", "trial", "--yes"];

    /** Something that shows the screen and can be taken away. */
    function start(program: string, args: readonly string[]) {
      const child = spawn(program, args, {
        cwd: folder.path,
        env: { ...process.env, ...folder.environment },
        stdio: ["pipe", "pipe", "ignore"],
        detached: true,
      });
      const ended = once(child, "close");
      child.stdout.on("data", () => {});
      return { child, ended };
    }

    /** The engine was there until the end: it has noted in its state what the provider did. */
    async function expectTheWholeRun(): Promise<void> {
      await eventually(async () => (await here.journal())?.record.state === "finished");
      await eventually(async () => {
        const { output } = await folder.run("pulumi", ["stack", "export", "--stack", "trial"]);
        const { deployment } = JSON.parse(output);
        const names = deployment.resources?.map(({ urn }: { urn: string }) => urn.split("::").at(-1)) ?? [];
        return names.includes("migration") && (deployment.pending_operations ?? []).length === 0;
      });
      expect(await here.history()).not.toContain("abort");
      await here.expectWritesOn("target");
      const { exitCode, output } = await eventually(async () => {
        const again = await folder.run("pulumi", ["up", "--stack", "trial", "--yes", "--skip-preview"]);
        return again.output.includes("locked") ? undefined : again;
      });
      expect(exitCode, output.slice(-4_000)).toBe(0);
    }

    test("a terminal that is closed ends nothing", async () => {
      const copy = await here.holdCopy();
      const { child, ended } = start("script", [
        ...["--quiet", "--return", "--command"],
        `exec ${process.execPath} ${command.join(" ")}`,
        "/dev/null",
      ]);
      await Promise.race([copy.reached(), ended.then(() => expect.unreachable("it ended before the copy"))]);
      child.kill("SIGKILL");
      await ended;
      await copy.release();
      await expectTheWholeRun();
    });

    test("a connection without a terminal that is lost ends nothing", async () => {
      const copy = await here.holdCopy();
      const { child, ended } = start(process.execPath, command);
      await Promise.race([copy.reached(), ended.then(() => expect.unreachable("it ended before the copy"))]);
      child.stdout.destroy();
      if (child.pid !== undefined) process.kill(-child.pid, "SIGHUP");
      await copy.release();
      await ended;
      await expectTheWholeRun();
    });
  },
);
