import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import type pg from "pg";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { beginMigration, ensureJournal } from "../../components/migration/journal/journal.ts";
import { withConnection } from "../../components/postgres/connection.ts";
import { root } from "../docs/markdown.ts";
import { secretsOf, startQuietWorld } from "../dynamic/quiet-world.ts";
import { loadingRecord } from "../migration/records.ts";
import { startWebhookServer, type WebhookServer, webhookSecret } from "../world/chat/webhook-server.ts";
import type { World } from "../world/world.ts";
import { makeStackFolder, type StackFolder } from "./stack-folder.ts";

let world: World;
let stack: StackFolder;
let chat: WebhookServer;
let folder: string;
let calls: string;
/** How long a run without a planned start takes on this machine. */
let runMs: number;
/** The file that tells a stand-in to come to its end. */
let goesOn: string;

/** In place of Pulumi: notes how it was called, and ends as the environment says. */
const standIn = `#!/bin/sh
echo "$@" >> "$PULUMI_CALLS"
if [ "$1" = preview ]; then echo '{}' > "$5"; exit "\${PREVIEW_EXIT:-0}"; fi
test -f "$5" || exit 99
trap 'echo "stand-in interrupted" >> "$PULUMI_CALLS"; interrupted=yes; kill $!' INT
trap 'echo "stand-in terminated" >> "$PULUMI_CALLS"; interrupted=yes' TERM
trap 'echo "stand-in hung up" >> "$PULUMI_CALLS"' HUP
if [ -n "$TERMINATE_GROUP" ]; then
  kill -TERM "-$(cut -d ' ' -f 5 "/proc/$PPID/stat")"
  until [ -n "$interrupted" ]; do sleep 0.05; done
fi
if [ -n "$UP_UNTIL" ]; then
  echo up-is-running
  until [ -e "$UP_UNTIL" ]; do sleep 0.05; echo still-at-work; done
  kill -0 "$PPID" && echo "stand-in ended, and is waited for" >> "$PULUMI_CALLS"
fi
if [ -n "$UP_LASTS" ]; then sleep "$UP_LASTS" & echo up-is-running; wait $!; fi
if [ -n "$interrupted" ]; then sleep 1.2; echo interrupted-before; sleep 1; exit 8; fi
exit "\${UP_EXIT:-0}"
`;

beforeAll(async () => {
  world = await startQuietWorld();
  chat = await startWebhookServer();
  const accept = world.target.hasPgvector
    ? []
    : [{ code: "VECTOR_MISSING", object: "target", reason: "this machine has no pgvector" }];
  stack = await makeStackFolder({ phase: "cutover", ...world.config, accept }, {});
  folder = path.join(stack.path, "bin");
  calls = path.join(stack.path, "calls");
  goesOn = path.join(stack.path, "goes-on");
  await mkdir(folder);
  await writeFile(path.join(folder, "pulumi"), standIn);
  await chmod(path.join(folder, "pulumi"), 0o755);
  const begunAt = performance.now();
  await stack.script("cutover", ["--stack", "trial", "--yes"], environmentWith());
  runMs = performance.now() - begunAt;
  await rm(calls, { force: true });
});
afterEach(async () => {
  await rm(calls, { force: true });
  await rm(goesOn, { force: true });
  chat.received.splice(0);
});
afterAll(async () => {
  await chat?.[Symbol.asyncDispose]();
  await stack?.remove();
  await world?.stop();
});

function environmentWith(changes: Readonly<Record<string, string>> = {}): Record<string, string> {
  return {
    ...world.environment,
    PATH: `${folder}${path.delimiter}${process.env.PATH}`,
    PULUMI_CALLS: calls,
    CUTOVER_WEBHOOK_URL: chat.url.href,
    ...changes,
  };
}

/** What Pulumi was asked for, without the file of the plan. */
async function pulumiCalls(): Promise<string[]> {
  const text = await readFile(calls, "utf8").catch(() => "");
  return text
    .trim()
    .split("\n")
    .map((line) => line.replaceAll(/\S*plan\.json/g, "PLAN"));
}

const preview = "preview --stack trial --save-plan PLAN";
const up = "up --stack trial --plan PLAN --yes --skip-preview";
/** With the lines as they come. */
const upInTerminal = `${up} --diff`;

/** The start is so near that the test waits little, and far enough for everything before it, by what a whole run takes here. */
function soon(laterMs = 0): string {
  const aheadMs = Math.max(6_000, 3 * runMs) + laterMs;
  return `${new Date(Date.now() + aheadMs).toISOString().slice(0, 19)}Z`;
}

function expectNothingSecret(text: string): void {
  for (const secret of [...secretsOf(world), webhookSecret]) expect(text).not.toContain(secret);
}

describe("without a terminal", () => {
  const run = (args: readonly string[], changes: Readonly<Record<string, string>> = {}) =>
    stack.script("cutover", ["--stack", "trial", ...args], environmentWith(changes));

  /** In a process group of its own. */
  const startAlone = (args: readonly string[], changes: Readonly<Record<string, string>>) =>
    spawn(process.execPath, [path.join(root, "scripts/cutover.ts"), "--stack", "trial", ...args], {
      cwd: stack.path,
      env: { ...process.env, ...environmentWith(changes) },
      stdio: ["ignore", "pipe", "inherit"],
      detached: true,
    });

  test("nothing starts without --yes", async () => {
    const { exitCode, errors } = await run([]);
    expect({ exitCode, errors }).toMatchObject({ exitCode: 2, errors: expect.stringContaining("add --yes") });
    expect(await pulumiCalls()).toEqual([""]);
  });

  test("with --yes the plan that was shown is carried out, and its file is gone afterwards", async () => {
    const { exitCode, output, errors } = await run(["--yes"]);
    expect(exitCode, errors).toBe(0);
    expect(await pulumiCalls()).toEqual([preview, up]);
    expect(output).toContain(
      "Looked again just now: nothing speaks against it. Writes will be paused for about",
    );
    expect(chat.received).toEqual([]);
    const file = /\S*plan\.json/.exec(await readFile(calls, "utf8"))?.[0] ?? "";
    await expect(readFile(file)).rejects.toMatchObject({ code: "ENOENT" });
    expectNothingSecret(output + errors);
  });

  test("a planned start waits, and people are told before", async () => {
    const start = soon();
    const { exitCode, output, errors } = await run(["--yes", "--at", start]);
    expect(exitCode, errors).toBe(0);
    expect(output).toMatch(/Starts at \S+, in \d+ s\. Ctrl-C calls it off\./);
    expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(start));
    expect(await pulumiCalls()).toEqual([preview, up]);
    expect(chat.texts()).toEqual([expect.stringContaining("it is planned to start at")]);
    expectNothingSecret(output + errors + chat.texts().join());
  });

  test("pulumi's own exit code is told, and the next command", async () => {
    const { exitCode, errors } = await run(["--yes"], { UP_EXIT: "4" });
    expect(exitCode).toBe(1);
    expect(errors).toMatch(/pulumi up ended with exit code 4\. npm run status -- --stack trial/);
  });

  test("people are told that a planned start came to nothing, where pulumi failed before it began", async () => {
    const { exitCode, errors } = await run(["--yes", "--at", soon()], { UP_EXIT: "4" });
    expect(exitCode, errors).toBe(1);
    expect(chat.texts()).toEqual([
      expect.stringContaining("planned to start"),
      expect.stringContaining("was called off"),
    ]);
  });

  test("people are not told so where a migration was begun: that run tells them itself", async () => {
    const onTarget = <Result>(work: (client: pg.Client) => Promise<Result>) =>
      withConnection(world.target.connection(), { purpose: "world" }, work);
    const running = run(["--yes", "--at", soon()], { UP_LASTS: "5", UP_EXIT: "4" });
    try {
      await expect.poll(pulumiCalls).toEqual([preview, up]);
      await onTarget(async (client) => {
        await ensureJournal(client);
        await beginMigration(client, "m1", loadingRecord());
      });
      const { exitCode, errors } = await running;
      expect(exitCode, errors).toBe(1);
      expect(chat.texts()).toEqual([expect.stringContaining("planned to start")]);
      expect(errors).not.toContain("could not be told");
    } finally {
      await running;
      await onTarget((client) => client.query("DROP SCHEMA IF EXISTS pgvector_cutover CASCADE"));
    }
  });

  test("nothing starts where the preview fails", async () => {
    const { exitCode, errors } = await run(["--yes"], { PREVIEW_EXIT: "1" });
    expect({ exitCode, errors }).toMatchObject({
      exitCode: 1,
      errors: expect.stringContaining("Nothing was changed"),
    });
    expect(await pulumiCalls()).toEqual([preview]);
  });

  test("nothing starts where something blocks: it is shown, and Pulumi is not asked", async () => {
    world.railway.stageEdit();
    try {
      const { exitCode, output, errors } = await run(["--yes"]);
      expect({ exitCode, errors }).toMatchObject({
        exitCode: 1,
        errors: expect.stringContaining("It does not start"),
      });
      expect(output).toContain("STAGED_CHANGES");
      expect(await pulumiCalls()).toEqual([""]);
    } finally {
      world.railway.discardStagedEdits();
    }
  });

  test("what came up while it waited stops it, and people are told that it does not start", async () => {
    const running = run(["--yes", "--at", soon(3_000)]);
    await expect.poll(() => chat.texts().length).toBe(1);
    world.railway.stageEdit();
    try {
      const { exitCode, output } = await running;
      expect(exitCode).toBe(1);
      expect(output).toContain("STAGED_CHANGES");
      expect(await pulumiCalls()).toEqual([preview]);
      expect(chat.texts()[1]).toContain("was called off");
    } finally {
      world.railway.discardStagedEdits();
    }
  });

  test.for<["alone" | "and its group", NodeJS.Signals]>([
    ["alone", "SIGINT"],
    ["alone", "SIGTERM"],
    ["and its group", "SIGINT"],
    ["and its group", "SIGTERM"],
  ])(
    "to this process %s, %s reaches Pulumi once, although npm passes it on as well",
    async ([to, signal]) => {
      const child = startAlone(["--yes"], { UP_LASTS: "60" });
      let printed = "";
      child.stdout.on("data", (chunk) => {
        if (!printed.includes("up-is-running") && `${printed}${chunk}`.includes("up-is-running")) {
          if (to === "and its group" && child.pid !== undefined) process.kill(-child.pid, signal);
          else child.kill(signal);
          setTimeout(() => child.kill(signal), 200);
        }
        printed += chunk;
      });
      const [exitCode] = await once(child, "close");
      expect(exitCode).toBe(1);
      expect(await pulumiCalls()).toEqual([preview, up, "stand-in interrupted"]);
    },
  );

  test("whoever reads along may go away, and a SIGHUP arrive: up goes on to its end", async () => {
    const child = startAlone(["--yes"], { UP_UNTIL: goesOn });
    for await (const chunk of child.stdout) if (`${chunk}`.includes("up-is-running")) break;
    child.stdout.destroy();
    child.kill("SIGHUP");
    await writeFile(goesOn, "");
    const [exitCode] = await once(child, "close");
    expect(exitCode).toBe(0);
    expect(await pulumiCalls()).toEqual([preview, up, "stand-in ended, and is waited for"]);
  });

  test.for<[string, Record<string, string>, string]>([
    [
      "an unusable webhook",
      { CUTOVER_WEBHOOK_URL: `http://example.com/${webhookSecret}` },
      "WEBHOOK_INVALID",
    ],
    ["no Pulumi", { PATH: path.dirname(process.execPath) }, "PULUMI_MISSING"],
  ])("with %s it refuses", async ([, changes, code]) => {
    const { exitCode, output, errors } = await run(["--yes"], changes);
    expect(exitCode).toBe(1);
    expect(errors).toContain(code);
    expectNothingSecret(output + errors);
    expect(await pulumiCalls()).toEqual([""]);
  });

  test("on a stack that only adopts it refuses", async () => {
    const adopting = await makeStackFolder({ ...world.config, phase: "adopt" }, environmentWith());
    try {
      const { exitCode, errors } = await adopting.script("cutover", ["--stack", "trial", "--yes"]);
      expect({ exitCode, errors }).toMatchObject({
        exitCode: 1,
        errors: expect.stringContaining("CUTOVER_NOT_CONFIGURED"),
      });
    } finally {
      await adopting.remove();
    }
  });
});

/** util-linux's `script` gives a program a terminal of its own. */
describe.skipIf(process.platform !== "linux")("in a terminal", () => {
  /**
   * Types each text when the line before it has come, or closes the terminal; resolves with the exit code, if anybody is left to
   * see it, and the screen.
   */
  async function type(
    keys: ReadonlyArray<readonly [after: string, typed: string]>,
    args: readonly string[] = [],
    environment: Readonly<Record<string, string>> = { UP_LASTS: keys.length > 1 ? "60" : "" },
  ) {
    const command = [
      // Some shells stay in front of what they run, and end with 130 of their own when Ctrl-C is typed.
      "exec",
      process.execPath,
      path.join(root, "scripts/cutover.ts"),
      "--stack",
      "trial",
      ...args,
    ].join(" ");
    const child = spawn("script", ["--quiet", "--return", "--command", command, "/dev/null"], {
      cwd: stack.path,
      env: { ...process.env, ...environmentWith(environment) },
      stdio: ["pipe", "pipe", "inherit"],
    });
    const left = [...keys];
    let screen = "";
    child.stdout.on("data", (chunk) => {
      screen += chunk;
      const [next] = left;
      if (next === undefined || !screen.includes(next[0])) return;
      left.shift();
      if (next[1] === closed) child.kill("SIGKILL");
      else child.stdin.write(next[1]);
    });
    const [exitCode] = await once(child, "close");
    return { exitCode, screen };
  }

  const ctrlC = "\u0003";
  /** In place of something typed. */
  const closed = "closed";

  test("go starts it", async () => {
    const { exitCode, screen } = await type([["Type go", "go\r"]]);
    expect(exitCode, screen).toBe(0);
    expect(await pulumiCalls()).toEqual([preview, upInTerminal]);
  });

  test("anything else calls it off", async () => {
    const { exitCode, screen } = await type([["Type go", "yes\r"]]);
    expect(exitCode, screen).toBe(3);
    expect(screen).toContain("Called off; nothing was changed.");
    expect(await pulumiCalls()).toEqual([preview]);
  });

  test("Ctrl-C at the question calls it off", async () => {
    const { exitCode, screen } = await type([["Type go", ctrlC]]);
    expect(exitCode, screen).toBe(3);
    expect(await pulumiCalls()).toEqual([preview]);
  });

  test("Ctrl-C in the countdown calls it off, and people are told", async () => {
    const { exitCode, screen } = await type([["Starts at", ctrlC]], ["--at", soon(60_000)]);
    expect(exitCode, screen).toBe(3);
    expect(chat.texts()).toEqual([
      expect.stringContaining("planned to start"),
      expect.stringContaining("was called off"),
    ]);
    expect(await pulumiCalls()).toEqual([preview]);
  });

  test("Ctrl-C while Pulumi works reaches it once, by the terminal itself", async () => {
    const { exitCode, screen } = await type([
      ["Type go", "go\r"],
      ["up-is-running", ctrlC],
    ]);
    expect(exitCode, screen).toBe(1);
    expect(screen).toContain("pulumi up ended with exit code 8");
    expect(await pulumiCalls()).toEqual([preview, upInTerminal, "stand-in interrupted"]);
  });

  test("a second Ctrl-C reaches it as well", async () => {
    const { exitCode, screen } = await type([
      ["Type go", "go\r"],
      ["up-is-running", ctrlC],
      ["interrupted-before", ctrlC],
    ]);
    expect(exitCode, screen).toBe(1);
    expect(await pulumiCalls()).toEqual([
      preview,
      upInTerminal,
      "stand-in interrupted",
      "stand-in interrupted",
    ]);
  });

  test("a SIGTERM to everything in the terminal reaches Pulumi once: twice would break it off", async () => {
    const { exitCode, screen } = await type([["Type go", "go\r"]], [], { TERMINATE_GROUP: "yes" });
    expect(exitCode, screen).toBe(1);
    expect(screen).toContain("pulumi up ended with exit code 8");
    expect(await pulumiCalls()).toEqual([preview, upInTerminal, "stand-in interrupted"]);
  });

  test("closed in the countdown it is called off, and people are told", async () => {
    await type([["Starts at", closed]], ["--at", soon(60_000)]);
    await expect
      .poll(() => chat.texts())
      .toEqual([expect.stringContaining("planned to start"), expect.stringContaining("was called off")]);
    expect(await pulumiCalls()).toEqual([preview]);
  });

  test("closed at the question it is called off, and people are told", async () => {
    await type([["Type go", closed]], ["--at", soon()]);
    await expect
      .poll(() => chat.texts())
      .toEqual([expect.stringContaining("planned to start"), expect.stringContaining("was called off")]);
    expect(await pulumiCalls()).toEqual([preview]);
  });

  test("closed while Pulumi works it goes on to its end, and is waited for", async () => {
    await type(
      [
        ["Type go", "go\r"],
        ["still-at-work", closed],
      ],
      [],
      { UP_UNTIL: goesOn },
    );
    await writeFile(goesOn, "");
    await expect.poll(pulumiCalls).toEqual([preview, upInTerminal, "stand-in ended, and is waited for"]);
  });
});
