import { writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, test } from "vitest";
import type { RunnerClient } from "../../components/railway/runners.ts";
import { findRunners } from "../../components/remote/launch.ts";
import {
  attach,
  detachedExitCode,
  type RemoteRun,
  runRemotely,
  stopRemotely,
} from "../../components/remote/remote-run.ts";
import { machineObstacle } from "../world/machine/machine.ts";
import { defaultPace } from "../world/railway/pace.ts";
import { eventually } from "../world/railway/test-world.ts";
import { mark, type RemoteWorld, remoteWorldOn, secret, startRemoteWorld } from "./remote-world.ts";

const sandboxStates = ({ world }: RemoteWorld) =>
  world.simulator.inspect().sandboxes.map(({ status }) => status);

const runnerServices = ({ world }: RemoteWorld) =>
  world.simulator
    .inspect()
    .services.filter(({ name, deletedAt }) => name.startsWith("cutover-runner") && deletedAt === null);

/** Goes on until the file is there. */
const untilTold = 'while [ ! -e "$HOME/go-on" ]; do sleep 0.05; done';

describe.skipIf(machineObstacle() !== undefined)("a run in a sandbox", () => {
  test("runs the command in the private network, brings output, exit code and report back, and is gone", async () => {
    await using remote = await startRemoteWorld();
    const command = `wc -l < large-file; printenv SECRET | wc -c; echo 'the ñandú' | tee made-by-the-command
      getent hosts pgvector.railway.internal; exit 7`;
    expect(await runRemotely(remote.run(command))).toBe(7);
    expect(remote.printed()).toMatch(/19999\n28\nthe ñandú\n10\.77\.0\.\d+ +pgvector\.railway\.internal\n/);
    expect(remote.printed()).not.toContain("::cutover-runner::");
    expect(remote.report()).toBe("the ñandú\n");
    expect(sandboxStates(remote)).toEqual(["DESTROYED"]);
    expect(remote.world.simulator.commandsInSandboxes().join("\n")).not.toContain(secret);
  });

  test("gets through a Railway whose answers lag, are lost, limited and cut short, and runs the command once", async () => {
    await using remote = await startRemoteWorld({
      pace: { readLagMs: [0, 300], execOutputLimit: 3_000, sandboxCreatingMs: [100, 300] },
    });
    const { simulator } = remote.world;
    simulator.failRequests({ operation: "sandboxCreate", mode: "reset-after-apply", times: 1 });
    simulator.failRequests({ operation: "sandboxExec", mode: "reset-after-apply", times: 3 });
    simulator.failRequests({ operation: "sandboxExec", mode: "429", times: 1 });
    simulator.failRequests({ operation: "sandboxDestroy", mode: "reset-after-apply", times: 1 });
    simulator.setPace({ readLagMs: [250, 300] });
    const command =
      "for number in $(seq 3000); do echo line $number; done; echo ran >> $HOME/ran; wc -l < $HOME/ran";
    expect(await runRemotely(remote.run(command))).toBe(0);
    expect(remote.printed()).toContain(
      `${Array.from({ length: 3_000 }, (_, index) => `line ${index + 1}\n`).join("")}1\n`,
    );
    // The first one still shows in Railway's reads.
    expect(await runRemotely(remote.run("echo again"))).toBe(0);
    expect(sandboxStates(remote)).toEqual(["DESTROYED", "DESTROYED"]);
  });

  test("a lost answer to the creation makes no second machine, however long the first one takes to come up", async () => {
    // Longer than a write takes to show in reads: 3 s in this world.
    await using remote = await startRemoteWorld({ pace: { sandboxCreatingMs: [4_000, 4_000] } });
    remote.world.simulator.failRequests({ operation: "sandboxCreate", mode: "reset-after-apply", times: 1 });
    expect(await runRemotely(remote.run("echo begun"))).toBe(0);
    expect(sandboxStates(remote)).toEqual(["DESTROYED"]);
  });

  test("a machine of an attempt that was lost and shows late is destroyed", async () => {
    await using remote = await startRemoteWorld();
    const { simulator } = remote.world;
    simulator.failRequests({ operation: "sandboxCreate", mode: "reset-after-apply", times: 1 });
    // Reads lag for longer than is waited for the first one, 3 s, and than that may take on a busy machine.
    simulator.setPace({ readLagMs: [5_000, 5_000] });
    const run = remote.run("echo begun", { print: () => simulator.setPace({ readLagMs: [0, 0] }) });
    expect(await runRemotely(run)).toBe(0);
    await eventually(() => sandboxStates(remote).every((status) => status === "DESTROYED"));
    expect(sandboxStates(remote)).toHaveLength(2);
  });

  test("a start whose answer is lost begins the job once", async () => {
    let lost = 0;
    let commands: () => readonly string[] = () => [];
    await using remote = await startRemoteWorld({
      intercept: async ({ stage }) => {
        const newest = commands().at(-1) ?? "";
        if (stage === "before" || lost === 2 || !newest.includes("setsid --fork")) return "go-on";
        lost += 1;
        return "drop";
      },
    });
    commands = () => remote.world.simulator.commandsInSandboxes();
    const command = "echo ran >> $HOME/ran; sleep 0.5; wc -l < $HOME/ran";
    expect(await runRemotely(remote.run(command))).toBe(0);
    expect(lost).toBe(2);
    expect(remote.printed()).toMatch(/\n1\n$/);
  });

  test("a start that was uncertain and is refused afterwards is followed, and no second runner is made", async () => {
    let answers = 0;
    let commands: () => readonly string[] = () => [];
    await using remote = await startRemoteWorld({
      intercept: async ({ stage }) => {
        const newest = commands().at(-1) ?? "";
        if (stage === "before" || answers > 0 || !newest.includes("setsid --fork")) return "go-on";
        answers += 1;
        remote.world.simulator.failRequests({ operation: "sandboxExec", mode: "not-authorized", times: 1 });
        return "drop";
      },
    });
    commands = () => remote.world.simulator.commandsInSandboxes();
    expect(await runRemotely(remote.run("echo begun; exit 6"))).toBe(6);
    expect(remote.printed()).toContain("begun\n");
    expect(remote.log.join("\n")).toContain("it is uncertain whether the run");
    expect(sandboxStates(remote)).toEqual(["DESTROYED"]);
    expect(runnerServices(remote)).toEqual([]);
  });

  test("a sandbox that cannot be looked into is not taken for none: nothing is begun beside it", async () => {
    await using remote = await startRemoteWorld();
    const left = remote.run(`echo begun; ${untilTold}`, { print: () => remote.interruptions.second.abort() });
    expect(await runRemotely(left)).toBe(detachedExitCode);
    await using other = await sameWorld(remote);
    const { simulator } = remote.world;
    simulator.failRequests({
      operation: "sandboxExec",
      mode: "reset-after-apply",
      times: Number.POSITIVE_INFINITY,
    });
    await expect(runRemotely(other.run("echo another"))).rejects.toMatchObject({
      code: "RAILWAY_MUTATION_UNCERTAIN",
    });
    simulator.clearRequestFaults();
    expect(sandboxStates(remote)).toEqual(["RUNNING"]);
  });

  test("Ctrl-C whose arrival is uncertain reaches the command once: twice would mean at once", async () => {
    await using remote = await startRemoteWorld();
    const { simulator } = remote.world;
    const command = `trap 'echo asked >> $HOME/asked' INT; echo begun; ${untilTold}; wc -l < $HOME/asked`;
    const isInterrupt = (text: string) => text.includes("kill -INT");
    let shown = "";
    const run = remote.run(command, {
      print: (text) => {
        shown += text;
        if (!text.includes("begun")) return;
        simulator.failRequests({
          operation: "sandboxExec",
          mode: "reset-after-apply",
          times: Number.POSITIVE_INFINITY,
        });
        remote.interruptions.first.abort();
        const isAgain = () => simulator.commandsInSandboxes().filter(isInterrupt).length > 1;
        void eventually(isAgain).then(async () => {
          simulator.clearRequestFaults();
          await tellToGoOn(remote);
        });
      },
    });
    expect(await runRemotely(run)).toBe(0);
    expect(shown).toMatch(/\n1\n$/);
  });

  test("keeps it alive while the command says nothing for longer than the idle timeout", async () => {
    // 113 minutes of idle time are 3.4 s here; what is asked for its output is a conversation.
    await using remote = await startRemoteWorld({ pace: { sandboxMinuteMs: 30 } });
    expect(await runRemotely(remote.run("sleep 5; echo awake"))).toBe(0);
    expect(remote.printed()).toContain("awake\n");
  });

  test("without anybody it is ended by its idle timeout, and whoever comes back is told", async () => {
    await using remote = await startRemoteWorld({ pace: { sandboxMinuteMs: 30 } });
    const run = remote.run(`echo begun; ${untilTold}`, {
      print: () => remote.interruptions.second.abort(),
    });
    expect(await runRemotely(run)).toBe(detachedExitCode);
    await eventually(() => sandboxStates(remote)[0] === "DESTROYED");
    await expect(attach(remote.run(""))).rejects.toMatchObject({ code: "REMOTE_RUN_NOT_FOUND" });
  });

  test("one that vanishes during the run is an error with what to do", async () => {
    await using remote = await startRemoteWorld();
    const run = remote.run(`echo begun; ${untilTold}`, {
      print: (text) => {
        if (text.includes("begun")) destroyAll(remote);
      },
    });
    await expect(runRemotely(run)).rejects.toMatchObject({ code: "SANDBOX_GONE" });
  });

  test("one that comes up outside of the private network is destroyed before anything is begun", async () => {
    await using remote = await startRemoteWorld({ quirks: { sandboxesStayIsolated: true } });
    await expect(runRemotely(remote.run("echo begun"))).rejects.toMatchObject({
      code: "SANDBOX_NOT_PRIVATE",
    });
    expect(sandboxStates(remote)).toEqual(["DESTROYED"]);
    expect(remote.printed()).toBe("");
  });

  test("one that does not come up is an error, and nothing is left", async () => {
    await using remote = await startRemoteWorld();
    remote.world.simulator.failNextSandbox();
    await expect(runRemotely(remote.run("echo begun"))).rejects.toMatchObject({
      code: "SANDBOX_NOT_STARTED",
    });
    expect(sandboxStates(remote)).toEqual(["DESTROYED"]);
  });

  test("names that do not resolve inside end it before the command", async () => {
    await using remote = await startRemoteWorld();
    const run = remote.run("echo begun", { privateHosts: ["elsewhere.railway.internal"] });
    await expect(runRemotely(run)).rejects.toMatchObject({ code: "REMOTE_PREPARATION_FAILED" });
    expect(remote.printed()).toContain("elsewhere.railway.internal: does not resolve here");
    expect(remote.printed()).not.toContain("begun\n");
    expect(sandboxStates(remote)).toEqual(["DESTROYED"]);
  });

  test("an outage of the API does not end what runs, and is told once", async () => {
    await using remote = await startRemoteWorld();
    const run = remote.run(`echo begun; ${untilTold}; echo finished`, {
      print: (text) => {
        if (!text.includes("begun")) return;
        remote.world.simulator.failRequests({ mode: "500", times: 8 });
        void eventually(() => remote.log.includes("Railway answers again")).then(() => tellToGoOn(remote));
      },
    });
    const running = runRemotely(run);
    await eventually(() => remote.log.includes("Railway answers again"));
    await tellToGoOn(remote);
    expect(await running).toBe(0);
    expect(remote.log.filter((line) => line.includes("does not answer"))).toHaveLength(1);
    expect(sandboxStates(remote)).toEqual(["DESTROYED"]);
  });

  test("an outage without end leaves the run alone, and --attach brings its end back", async () => {
    await using remote = await startRemoteWorld();
    const run = remote.run(`echo begun; ${untilTold}; echo finished; exit 3`, {
      lostContactMs: 200,
      print: (text) => {
        if (text.includes("begun"))
          remote.world.simulator.failRequests({ mode: "500", times: Number.POSITIVE_INFINITY });
      },
    });
    await expect(runRemotely(run)).rejects.toMatchObject({ code: "REMOTE_CONTACT_LOST" });
    remote.world.simulator.clearRequestFaults();
    expect(sandboxStates(remote)).toEqual(["RUNNING"]);
    await tellToGoOn(remote);
    expect(await attach(remote.run(""))).toBe(3);
    expect(remote.printed()).toContain("finished\n");
    expect(sandboxStates(remote)).toEqual(["DESTROYED"]);
  });

  test("Ctrl-C reaches the command as SIGINT, which finishes in its own way and with its own exit code", async () => {
    await using remote = await startRemoteWorld();
    const run = remote.run(`trap 'echo interrupted; exit 9' INT; echo begun; ${untilTold}`, {
      print: (text) => {
        remote.log.push(text);
        if (text.includes("begun")) remote.interruptions.first.abort();
      },
    });
    expect(await runRemotely(run)).toBe(9);
    expect(remote.log.join("")).toContain("interrupted\n");
    expect(sandboxStates(remote)).toEqual(["DESTROYED"]);
  });

  test("a second Ctrl-C leaves it alone; a new run refuses, --stop ends it as Ctrl-C does", async () => {
    await using remote = await startRemoteWorld();
    const command = `trap 'echo stopped; exit 9' INT; echo begun; ${untilTold}`;
    const run = remote.run(command, { print: () => remote.interruptions.second.abort() });
    expect(await runRemotely(run)).toBe(detachedExitCode);
    expect(sandboxStates(remote)).toEqual(["RUNNING"]);
    await using other = await sameWorld(remote);
    await eventually(async () => (await other.run("").find())[0]?.state === "running");
    await expect(runRemotely(other.run("echo another"))).rejects.toMatchObject({ code: "REMOTE_RUN_EXISTS" });
    expect(await stopRemotely(other.run(""))).toBe(9);
    expect(other.printed()).toContain("stopped\n");
    expect(sandboxStates(remote)).toEqual(["DESTROYED"]);
  });

  test("a terminal that goes away while it runs asks for nothing: it is watched to its end, and removed", async () => {
    await using remote = await startRemoteWorld();
    const run = remote.run(`trap 'echo asked' INT; echo begun; ${untilTold}; echo finished; exit 3`, {
      print: (text) => {
        remote.log.push(text);
        if (!text.includes("begun")) return;
        remote.interruptions.gone.abort();
        void tellToGoOn(remote);
      },
    });
    expect(await runRemotely(run)).toBe(3);
    expect(remote.log.join("")).toContain("finished\n");
    expect(remote.log.join("")).not.toContain("asked\n");
    expect(sandboxStates(remote)).toEqual(["DESTROYED"]);
  });

  test.each(["first", "second", "gone"] as const)(
    "Ctrl-C, SIGTERM or the terminal's end (%s) before the job was started removes what there is",
    async (which) => {
      await using remote = await startRemoteWorld();
      const running = runRemotely(remote.run("echo begun", { place: remote.place }));
      await eventually(() => remote.world.simulator.commandsInSandboxes().length > 0);
      remote.interruptions[which].abort(new Error("Ctrl-C"));
      await expect(running).rejects.toThrow("Ctrl-C");
      expect(sandboxStates(remote)).toEqual(["DESTROYED"]);
    },
  );

  test("what a killed command left is told and removed by the next one; a stranger's sandbox stays", async () => {
    await using remote = await startRemoteWorld();
    const stranger = await remote.client.createSandbox(
      remote.place.scope,
      { idleTimeoutMinutes: 113, variables: { CUTOVER_RUNNER: `${mark}-other` } },
      async () => false,
      5_000,
    );
    const left = remote.run(`echo of the earlier run; ${untilTold}; exit 4`, {
      print: () => remote.interruptions.second.abort(),
    });
    expect(await runRemotely(left)).toBe(detachedExitCode);
    await tellToGoOn(remote);
    await using other = await sameWorld(remote);
    await eventually(async () => (await other.run("").find())[0]?.state === "over");
    expect(await runRemotely(other.run("echo new"))).toBe(0);
    expect(other.printed()).toMatch(/of the earlier run\n[\s\S]*new\n/);
    expect(other.log).toContain("it ended with exit code 4");
    const alive = remote.world.simulator.inspect().sandboxes.filter(({ status }) => status === "RUNNING");
    expect(alive.map(({ id }) => id)).toEqual([stranger.id]);
  });

  test("one that was never started is removed when it is old, and by --stop at once", async () => {
    await using remote = await startRemoteWorld();
    const abandon = () =>
      remote.client.createSandbox(
        remote.place.scope,
        { idleTimeoutMinutes: 113, variables: { CUTOVER_RUNNER: mark } },
        async () => true,
        5_000,
      );
    await abandon();
    await expect(runRemotely(remote.run("echo new"))).rejects.toMatchObject({ code: "REMOTE_RUN_EXISTS" });
    expect(await stopRemotely(remote.run(""))).toBe(0);
    await abandon();
    const later = new Date(Date.now() + 11 * 60_000);
    expect(await runRemotely(remote.run("echo new", { now: () => later }))).toBe(0);
    expect(sandboxStates(remote)).toEqual(["DESTROYED", "DESTROYED", "DESTROYED"]);
  });

  test("one that is gone, but still shows in Railway's reads, is in nobody's way", async () => {
    await using remote = await startRemoteWorld();
    const variables = { CUTOVER_RUNNER: mark };
    const request = { idleTimeoutMinutes: 113, variables };
    await remote.client.createSandbox(remote.place.scope, request, async () => true, 5_000);
    remote.world.simulator.setPace({ readLagMs: [3_000, 3_000] });
    destroyAll(remote);
    await eventually(() => sandboxStates(remote)[0] === "DESTROYED");
    expect(await remote.run("").find()).toEqual([]);
  });

  test.each([
    { look: 1, during: false },
    { look: 1, during: true },
    { look: 2, during: false },
    { look: 2, during: true },
  ])(
    "one that is removed at look $look into it (in its middle: $during) is in nobody's way",
    async (moment) => {
      await using remote = await startRemoteWorld();
      const variables = { CUTOVER_RUNNER: mark };
      const request = { idleTimeoutMinutes: 113, variables };
      await remote.client.createSandbox(remote.place.scope, request, async () => true, 5_000);
      let looks = 0;
      const exec: RunnerClient["exec"] = async (scope, id, command) => {
        looks += 1;
        if (looks !== moment.look) return remote.client.exec(scope, id, command);
        const begun = moment.during ? remote.client.exec(scope, id, `sleep 100; ${command}`) : undefined;
        await eventually(
          () =>
            begun === undefined || remote.world.simulator.commandsInSandboxes().at(-1)?.startsWith("sleep"),
        );
        destroyAll(remote);
        return begun ?? remote.client.exec(scope, id, command);
      };
      const place = { ...remote.place, client: { ...remote.client, exec } };
      expect(await findRunners(place, mark)).toEqual([]);
      expect(looks).toBe(moment.during ? moment.look + 1 : moment.look);
    },
  );

  test("one of another command that is still being made is waited for, and nothing is begun beside it", async () => {
    await using remote = await startRemoteWorld({ pace: { sandboxCreatingMs: [1_500, 1_500] } });
    await using other = await sameWorld(remote);
    const first = runRemotely(remote.run(`echo first; ${untilTold}`));
    await eventually(() => sandboxStates(remote).includes("CREATING"));
    await expect(runRemotely(other.run("echo second"))).rejects.toMatchObject({ code: "REMOTE_RUN_EXISTS" });
    await tellToGoOn(remote);
    expect(await first).toBe(0);
    expect(sandboxStates(remote)).toEqual(["DESTROYED"]);
  });

  test("of two commands that saw nobody, the one whose machine is younger begins nothing", async () => {
    await using remote = await startRemoteWorld({ pace: { sandboxCreatingMs: [500, 500] } });
    await using other = await sameWorld(remote);
    let arrived = 0;
    const meet = (run: RemoteRun): RemoteRun => ({
      ...run,
      start: async (signal) => {
        arrived += 1;
        await eventually(() => arrived === 2);
        return run.start(signal);
      },
    });
    const command = `echo begun; ${untilTold}`;
    const runs = [runRemotely(meet(remote.run(command))), runRemotely(meet(other.run(command)))];
    // The elder goes on until the younger one has seen it.
    for (const run of runs) void run.catch(() => tellToGoOn(remote));
    const ends = await Promise.allSettled(runs);
    expect(ends.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    expect(ends.find(({ status }) => status === "rejected")).toMatchObject({
      reason: { code: "REMOTE_RUN_EXISTS" },
    });
    expect(`${remote.printed()}${other.printed()}`.match(/^begun$/gm)).toHaveLength(1);
    expect(sandboxStates(remote)).toEqual(["DESTROYED", "DESTROYED"]);
  });

  test("what the command leaves at work for too long is ended with its machine, and that is an error", async () => {
    await using remote = await startRemoteWorld();
    const command = `setsid bash -c 'exec sleep 300' & until [ "$(cat /proc/$!/comm)" = sleep ]; do sleep 0.01; done`;
    const run = remote.run(command, { orphanLimitSeconds: 1 });
    await expect(runRemotely(run)).rejects.toMatchObject({ code: "REMOTE_ORPHAN_ENDED" });
    expect(remote.printed()).toContain("ended now as if it were killed: sleep");
    expect(sandboxStates(remote)).toEqual(["DESTROYED"]);
  });

  test("a killed command inside is an unknown result, not a success", async () => {
    await using remote = await startRemoteWorld();
    const run = remote.run('kill -9 "$(cat "$HOME/cutover-runner/pid")"; sleep 1');
    await expect(runRemotely(run)).rejects.toMatchObject({ code: "REMOTE_RESULT_UNKNOWN" });
    expect(sandboxStates(remote)).toEqual(["DESTROYED"]);
  });
});

describe.skipIf(machineObstacle() !== undefined)("a run in a service, where sandboxes are refused", () => {
  const refused = { quirks: { sandboxesRefused: "Sandboxes are not enabled for this workspace" } } as const;

  test("runs the command once in the private network, and the service is deleted", async () => {
    await using remote = await startRemoteWorld({ ...refused, tokenKind: "workspace" });
    const command = `wc -l < large-file; printenv SECRET | wc -c; env | grep -c CUTOVER_RUNNER_PROJECT
      getent hosts pgvector.railway.internal; echo page > made-by-the-command; exit 7`;
    expect(await runRemotely(remote.run(command))).toBe(7);
    expect(remote.printed()).toMatch(/19999\n28\n0\n10\.77\.0\.\d+ +pgvector\.railway\.internal\n/);
    expect(remote.report()).toBe("page\n");
    expect(runnerServices(remote)).toEqual([]);
    expect(remote.log.join("\n")).toContain("a temporary service of this environment runs it instead");
  });

  test.each(["workspace", "project"] as const)(
    "a service that is deleted while one looks at it, with a %s token, is in nobody's way",
    async (tokenKind) => {
      await using remote = await startRemoteWorld({ ...refused, tokenKind });
      await using owner = await remoteWorldOn(remote.world, "workspace");
      const left = remote.run(`echo begun; ${untilTold}`, {
        print: () => remote.interruptions.second.abort(),
      });
      expect(await runRemotely(left)).toBe(detachedExitCode);
      const { client } = remote;
      const variables: RunnerClient["variables"] = async (scope, serviceId) => {
        await owner.client.deleteService(scope, serviceId);
        return client.variables(scope, serviceId);
      };
      expect(await findRunners({ ...remote.place, client: { ...client, variables } }, mark)).toEqual([]);
      expect(runnerServices(remote)).toEqual([]);
    },
  );

  test("secrets are in no other environment, and reads that lag do not lead it astray", async () => {
    await using remote = await startRemoteWorld({
      ...refused,
      tokenKind: "account",
      pace: { ...defaultPace, readLagMs: [0, 300], overlapMs: [5, 10] },
    });
    const seen: string[] = [];
    const run = remote.run("echo begun; sleep 0.3; exit 0", {
      print: () => {
        const { variables } = remote.world.simulator.inspect();
        seen.push(
          ...variables.filter(({ value }) => value === secret).map(({ environmentId }) => environmentId),
        );
      },
    });
    expect(await runRemotely(run)).toBe(0);
    expect([...new Set(seen)]).toEqual([remote.world.environmentId]);
    expect(runnerServices(remote)).toEqual([]);
  });

  test("SIGTERM while it is prepared begins nothing and removes the service", async () => {
    await using remote = await startRemoteWorld({ ...refused, tokenKind: "workspace" });
    const running = runRemotely(remote.run("echo begun"));
    await eventually(() => runnerServices(remote).length > 0);
    remote.interruptions.second.abort(new Error("SIGTERM"));
    await expect(running).rejects.toThrow("SIGTERM");
    expect(remote.printed()).toBe("");
    expect(runnerServices(remote)).toEqual([]);
  });

  test("a failing command is not started a second time", async () => {
    await using remote = await startRemoteWorld({ ...refused, tokenKind: "workspace" });
    expect(await runRemotely(remote.run("echo begun; exit 1"))).toBe(1);
    expect(remote.printed().match(/begun/g)).toHaveLength(1);
  });

  test("nothing is begun where Railway would start a runner that died again and again", async () => {
    const quirks = { ...refused.quirks, restartPolicyStays: true };
    await using remote = await startRemoteWorld({ quirks, tokenKind: "workspace" });
    await expect(runRemotely(remote.run("echo begun"))).rejects.toMatchObject({
      code: "RUNNER_SERVICE_NOT_CREATED",
    });
    expect(remote.printed()).toBe("");
    expect(runnerServices(remote)).toEqual([]);
  });

  test("nothing is begun beside a sandbox of another command", async () => {
    await using remote = await startRemoteWorld({ tokenKind: "workspace" });
    await using other = await sameWorld(remote);
    let sandbox: Promise<unknown> | undefined;
    const run = remote.run("echo begun", { kind: "service" });
    const beside: RemoteRun = {
      ...run,
      start: async (signal) => {
        sandbox = runRemotely(other.run(`echo begun; ${untilTold}`)).catch((error: unknown) => error);
        await eventually(async () => (await other.run("").find())[0]?.state === "running");
        return run.start(signal);
      },
    };
    await expect(runRemotely(beside)).rejects.toMatchObject({ code: "REMOTE_RUN_EXISTS" });
    expect(remote.printed()).toBe("");
    expect(runnerServices(remote)).toEqual([]);
    destroyAll(remote);
    expect(await sandbox).toMatchObject({ code: "SANDBOX_GONE" });
  });

  test("Ctrl-C reaches the command as SIGINT; a token that may not delete leaves a service without secrets", async () => {
    await using remote = await startRemoteWorld(refused);
    const run = remote.run(`trap 'echo interrupted; exit 9' INT; echo begun; ${untilTold}`, {
      print: (text) => {
        remote.log.push(text);
        if (text.includes("begun")) remote.interruptions.first.abort();
      },
    });
    await expect(runRemotely(run)).rejects.toMatchObject({ code: "RUNNER_NOT_REMOVED" });
    expect(remote.log.join("")).toContain("interrupted\n");
    const { id } = runnerServices(remote)[0] ?? { id: "" };
    const { variables } = remote.world.simulator.inspect();
    const values = variables.filter(({ serviceId }) => serviceId === id).map(({ value }) => value);
    expect(values).not.toContain(secret);
    expect(values).toContain("removed");
    await using wider = await remoteWorldOn(remote.world, "account");
    const place = { ...remote.place, remover: wider.client };
    expect(await stopRemotely(remote.run("", { place, find: () => findRunners(place, mark) }))).toBe(0);
    expect(runnerServices(remote)).toEqual([]);
  });

  test("secrets that could not be overwritten in a service that may not be deleted are told of", async () => {
    await using remote = await startRemoteWorld(refused);
    const run = remote.run("echo begun", {
      print: () =>
        remote.world.simulator.failRequests({
          operation: "variableCollectionUpsert",
          mode: "500",
          times: Number.POSITIVE_INFINITY,
        }),
    });
    await expect(runRemotely(run)).rejects.toMatchObject({
      code: "RUNNER_NOT_REMOVED",
      message: expect.stringContaining("could not be overwritten"),
    });
  });

  test("is found again by --attach, and what a killed command left by the next one", async () => {
    await using remote = await startRemoteWorld({ ...refused, tokenKind: "workspace" });
    const leave = { print: () => remote.interruptions.second.abort() };
    // The machines of this world see this one's files.
    const goOn = path.join(remote.world.world.ledgerFolder, "go-on");
    const command = `echo begun; until [ -e '${goOn}' ]; do sleep 0.05; done; echo finished; exit 3`;
    expect(await runRemotely(remote.run(command, leave))).toBe(detachedExitCode);
    await using other = await sameWorld(remote);
    await expect(runRemotely(other.run("echo another"))).rejects.toMatchObject({ code: "REMOTE_RUN_EXISTS" });
    await writeFile(goOn, "");
    expect(await attach(other.run(""))).toBe(3);
    expect(other.printed()).toContain("begun\nfinished\n");
    expect(runnerServices(remote)).toEqual([]);
  });

  test("a stranger's service of the same name is left alone", async () => {
    await using remote = await startRemoteWorld({ ...refused, tokenKind: "workspace" });
    await remote.world.query(
      "mutation ($input: ServiceCreateInput!) { serviceCreate(input: $input) { id } }",
      {
        input: {
          projectId: remote.world.projectId,
          environmentId: remote.world.environmentId,
          name: "cutover-runner-trial",
        },
      },
    );
    await expect(runRemotely(remote.run("echo begun"))).rejects.toMatchObject({
      code: "RAILWAY_ALREADY_EXISTS",
    });
    expect(runnerServices(remote)).toHaveLength(1);
  });
});

/** Another operator's shell: the same Railway, nothing of the first one's memory. */
async function sameWorld({ world }: RemoteWorld): Promise<RemoteWorld> {
  return remoteWorldOn(world, "workspace");
}

function destroyAll({ world }: RemoteWorld): void {
  for (const { id, environmentId } of world.simulator.inspect().sandboxes) {
    void world.query(
      "mutation ($environmentId: String!, $id: String!) { sandboxDestroy(environmentId: $environmentId, id: $id) { id } }",
      { environmentId, id },
    );
  }
}

async function tellToGoOn({ client, place, world }: RemoteWorld): Promise<void> {
  const sandbox = world.simulator.inspect().sandboxes.findLast(({ status }) => status === "RUNNING");
  await client.exec(place.scope, sandbox?.id ?? "", 'touch "$HOME/go-on"');
}
