import { describe, expect, test } from "vitest";
import { attach, detachedExitCode, runRemotely, stopRemotely } from "../../components/remote/remote-run.ts";
import { machineObstacle } from "../world/machine/machine.ts";
import { eventually } from "../world/railway/test-world.ts";
import { type RemoteWorld, secret, startRemoteWorld } from "./remote-world.ts";

const sandboxStates = ({ world }: RemoteWorld) =>
  world.simulator.inspect().sandboxes.map(({ status }) => status);

describe.skipIf(machineObstacle() !== undefined)("a run in a sandbox", () => {
  test("runs the command in the private network, brings output, exit code and report back, and removes the sandbox", async () => {
    await using remote = await startRemoteWorld();
    const command = `wc -l < large-file; printenv SECRET | wc -c; echo 'the ñandú' | tee made-by-the-command
      getent hosts pgvector.railway.internal; exit 7`;
    expect(await runRemotely(remote.sandboxRun(command))).toBe(7);
    expect(remote.printed()).toMatch(/39999\n28\nthe ñandú\n10\.77\.0\.\d+ +pgvector\.railway\.internal\n/);
    expect(remote.printed()).not.toContain("::cutover-runner::");
    expect(remote.report()).toBe("the ñandú\n");
    expect(sandboxStates(remote)).toEqual(["DESTROYED"]);
    expect(remote.world.simulator.commandsInSandboxes().join("\n")).not.toContain(secret);
  });
});
void [attach, detachedExitCode, stopRemotely, eventually];
