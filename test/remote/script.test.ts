import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { RunnerOutput } from "../../components/remote/output.ts";
import { quoted, runnerScript, type ScriptOptions } from "../../components/remote/script.ts";
import { neededTools } from "../../components/remote/tools.ts";

let home: string;
beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), "script-"));
});
afterEach(() => rmSync(home, { recursive: true }));

const options: ScriptOptions = {
  tools: [],
  unpack: "true",
  privateHosts: ["localhost"],
  command: ["true"],
  report: null,
  orphanLimitSeconds: 60,
};

function play(changes: Partial<ScriptOptions>) {
  const { stdout, status } = spawnSync("bash", ["-c", runnerScript({ ...options, ...changes })], {
    env: { PATH: process.env.PATH, HOME: home },
    encoding: "utf8",
  });
  const output = new RunnerOutput();
  return { shown: output.accept(stdout), status, output };
}

describe("the script inside", () => {
  test("leaves a tool that is there alone, and installs one that is not", () => {
    const tools = [
      { name: "one", check: "true", install: "echo never" },
      { name: "two", check: 'test -e "$runner/two"', install: 'touch "$runner/two"' },
    ];
    const { shown, output } = play({ tools });
    expect(shown).toBe("one: there\ntwo: is being installed\nlocalhost: resolves\n");
    expect(output.ending).toEqual({ phase: "command", exitCode: 0 });
  });

  test("ends before the command when a tool cannot be installed, or was not by its installation", () => {
    for (const install of ["false | cat", "true"]) {
      const { shown, output } = play({
        tools: [{ name: "one", check: "false", install }],
        command: ["echo", "begun"],
      });
      expect(shown).toContain("one: could not be installed");
      expect(shown).not.toContain("begun");
      expect(output.ending).toEqual({ phase: "prepare", exitCode: 1 });
    }
  });

  test("passes arguments on as they are, and the exit code back", () => {
    const awkward = 'it\'s $HOME `id` "x" \\';
    const { shown, output, status } = play({
      command: ["bash", "-c", 'printf "%s\\n" "$1"; exit 42', "x", awkward],
    });
    expect(shown).toContain(`${awkward}\n`);
    expect(output.ending).toEqual({ phase: "command", exitCode: 42 });
    expect(status).toBe(42);
  });

  test("a SIGINT between two steps of the preparation ends it as well", () => {
    const { output } = play({ unpack: "kill -INT $$", command: ["echo", "begun"] });
    expect(output.ending).toEqual({ phase: "prepare", exitCode: 130 });
    expect(output.commandStarted).toBe(false);
  });

  test("a command that was interrupted still brings its report", () => {
    const report = ["cp", "made"];
    const command = ["bash", "-c", "echo page > made; kill -INT $PPID; sleep 0.2; exit 5"];
    const { output } = play({ command, report });
    expect(output.report).toBe("page\n");
    expect(output.ending?.phase).toBe("command");
  });

  test("the command gets one SIGINT, however often somebody asks", () => {
    const command = `trap 'echo asked >> asked' INT; kill -INT $PPID; until [ -e asked ]; do sleep 0.05; done
      kill -INT $PPID; sleep 0.2; kill -TERM $PPID; sleep 0.2; wc -l < asked; exit 5`;
    const { shown, output } = play({ command: ["bash", "-c", command] });
    expect(shown).toMatch(/\n1\n$/);
    expect(output.ending).toEqual({ phase: "command", exitCode: 5 });
  });

  test("is over only when everything that the command started is, in whatever process group", () => {
    const orphan = "setsid bash -c 'sleep 0.6; echo put back' & exit 8";
    const { shown, output } = play({ command: ["bash", "-c", orphan] });
    expect(shown).toMatch(/still works: waiting for that\nput back\n$/);
    expect(output.ending).toEqual({ phase: "command", exitCode: 8 });
  });

  test("what the command left at work has its time, is named and ended then, and the report is still brought", () => {
    const orphan = "setsid bash -c 'exec sleep 300' & echo page > made; exit 8";
    const { shown, output } = play({
      ...{ command: ["bash", "-c", orphan], report: ["cp", "made"], orphanLimitSeconds: 1 },
    });
    expect(shown).toMatch(/still at work after 1 s, and ended now as if it were killed: sleep\n$/);
    expect(output.ending).toEqual({ phase: "orphan", exitCode: 8 });
    expect(output.report).toBe("page\n");
  });

  test("a SIGTERM during the preparation ends it at once, and the command is not started", async () => {
    const child = spawn(
      "bash",
      ["-c", runnerScript({ ...options, tools: [{ name: "slow", check: "false", install: "sleep 60" }] })],
      {
        env: { PATH: process.env.PATH, HOME: home },
      },
    );
    let text = "";
    child.stdout.setEncoding("utf8").on("data", (piece: string) => {
      text += piece;
      if (text.includes("is being installed")) setTimeout(() => child.kill("SIGTERM"), 50);
    });
    await new Promise((resolve) => child.once("close", resolve));
    const output = new RunnerOutput();
    output.accept(text);
    expect(output.ending?.phase).toBe("prepare");
    expect(output.commandStarted).toBe(false);
  });
});

describe("the output", () => {
  test("is taken apart whatever the pieces, and a report that lost a line is none", () => {
    const { stdout } = spawnSync(
      "bash",
      [
        "-c",
        runnerScript({ ...options, command: ["seq", "3"], report: ["bash", "-c", 'seq 5000 > "$1"', "x"] }),
      ],
      { env: { PATH: process.env.PATH, HOME: home }, encoding: "utf8" },
    );
    const output = new RunnerOutput();
    const shown = [...stdout].map((character) => output.accept(character)).join("");
    expect(shown).toBe("localhost: resolves\n1\n2\n3\n");
    expect(output.report?.split("\n")).toHaveLength(5_001);

    const damaged = new RunnerOutput();
    damaged.accept(stdout.replace(/^.* report 2 .*\n/m, ""));
    expect(damaged.report).toBeUndefined();
    expect(damaged.ending).toEqual({ phase: "command", exitCode: 0 });
  });
});

test("the tools are those of the operator, and each installation is a bash that parses", () => {
  const tools = neededTools({ node: "24.21.0", pulumi: "3.260.0" });
  expect(tools.map(({ name }) => name)).toEqual([
    "curl",
    "Node 24.21.0",
    "Pulumi 3.260.0",
    "the packages of the lockfile",
  ]);
  for (const { check, install } of tools) {
    for (const text of [check, install]) expect(spawnSync("bash", ["-n", "-c", text]).status).toBe(0);
  }
  expect(neededTools({ node: "24.21.0", pulumi: null }).join()).not.toContain("Pulumi");
});

test("the packages of this project are seen to be there, and those of another version are not", () => {
  const check = neededTools({ node: "24.21.0", pulumi: null }).at(-1)?.check ?? "";
  const see = (text: string) => spawnSync("bash", ["-c", text], { stdio: "ignore" }).status;
  expect(see(check)).toBe(0);
  expect(see(check.replace("require(file).version", "`0.0.0`"))).toBe(1);
});

test("a quoted word is one word", () => {
  const word = 'a\'b "c" $d';
  expect(spawnSync("bash", ["-c", `printf %s ${quoted(word)}`]).stdout.toString()).toBe(word);
});
