import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { expect, test } from "vitest";
import * as operations from "../../scripts/smoke/operations.ts";
import { questions } from "../../scripts/smoke/questions.ts";
import { root } from "../docs/markdown.ts";
import { runScript } from "../scripts/stack-folder.ts";
import { findFreePort } from "../world/postgres/free-port.ts";
import { liveProjects } from "./run.ts";
import { type SmokeWorld, startSmokeWorld } from "./world.ts";

const script = path.join(root, "scripts/smoke.ts");
/** Loaded before the script: whoever connects ends it. */
const forbidConnections =
  "--import \"data:text/javascript,import net from 'node:net'; net.Socket.prototype.connect = () => process.exit(99);\"";
const others = ["DOCTORES-SEO-PACIENTE-MGMT"];

test("a dry run names every operation and opens no connection, without any token", async () => {
  const { exitCode, output, errors } = await runScript(script, ["--workspace", "clinic", "--dry-run"], root, {
    RAILWAY_API_TOKEN: "",
    RAILWAY_TOKEN: "",
    NODE_OPTIONS: forbidConnections,
  });
  expect({ exitCode, errors }).toEqual({ exitCode: 0, errors: "" });
  for (const { name } of Object.values(operations)) expect(output).toContain(name);
  for (const { id, question } of questions) expect(output).toContain(`${id}: ${question}`);
  expect(output).toMatch(/About \d+ minutes and \d+\.\d\d USD/);
});

test("the guard of that test would notice a connection", async () => {
  const { exitCode } = await runScript(script, ["--workspace", "clinic", "--yes"], root, {
    RAILWAY_API_TOKEN: "a-token",
    // Nobody listens there; 9 would not do, because fetch refuses it by itself.
    RAILWAY_API_URL: `http://127.0.0.1:${await findFreePort()}/graphql/v2`,
    NODE_OPTIONS: forbidConnections,
  });
  expect(exitCode).toBe(99);
});

test("Ctrl-C: the project is deleted before the script ends, with exit code 1", async () => {
  await using world = await startSmokeWorld();
  const run = start(world);
  await run.printed("text-verbatim");
  expect(liveProjects(world)).toHaveLength(2);
  run.child.kill("SIGINT");
  run.child.kill("SIGINT");
  expect(await run.ended).toBe(1);
  expect(run.output()).toContain("is deleted.");
  expect(run.output()).toMatch(/did not come to its end: Error: interrupted/);
  expect(liveProjects(world)).toEqual(others);
  for (const token of [...Object.values(world.simulator.tokens), ...world.simulator.madeTokens()])
    expect(run.output()).not.toContain(token);
});

test("killed in the middle: the next run finds what is left, and --clean deletes it", async () => {
  await using world = await startSmokeWorld();
  const killed = start(world);
  await killed.printed("text-verbatim");
  killed.child.kill("SIGKILL");
  await killed.ended;
  const left = liveProjects(world).filter((name) => !others.includes(name));
  expect(left).toHaveLength(1);

  const next = start(world);
  expect(await next.ended).toBe(1);
  expect(next.output()).toContain("SMOKE_ALREADY_RUNNING");
  expect(next.output()).toContain(left[0]);
  expect(liveProjects(world)).toHaveLength(2);

  const cleaning = start(world, ["--clean", "--yes"]);
  expect(await cleaning.ended).toBe(0);
  expect(cleaning.output()).toContain("1 deleted, 0 left.");
  expect(liveProjects(world)).toEqual(others);
});

test("nobody at a terminal is nobody who says yes", async () => {
  await using world = await startSmokeWorld();
  const run = start(world, []);
  expect(await run.ended).toBe(1);
  expect(run.output()).toContain("SMOKE_NOT_CONFIRMED");
  expect(world.simulator.mutations()).toEqual([]);
});

test.for([
  [["--dry-run"], /--workspace is missing/],
  [["--workspace", "clinic", "--kind", "oauth"], /--kind is one of/],
  [["--workspace", "clinic", "--clean", "--keep"], /--clean goes with/],
  [["--workspace", "clinic", "--yes"], /RAILWAY_TOKEN_MISSING/],
  [["--workspace", "clinic", "--yes", "--kind", "project"], /SMOKE_TOKEN_TOO_NARROW/],
] as const)("%j ends with 1 before anything is sent", async ([args, said]) => {
  const { exitCode, errors } = await runScript(script, args, root, {
    RAILWAY_API_TOKEN: "",
    RAILWAY_TOKEN: "a-project-token",
    RAILWAY_API_URL: "http://127.0.0.1:9/graphql/v2",
  });
  expect(exitCode).toBe(1);
  expect(errors).toMatch(said);
});

interface RunningScript {
  readonly child: ReturnType<typeof spawn>;
  readonly ended: Promise<number | null>;
  output(): string;
  printed(text: string): Promise<void>;
}

function start(world: SmokeWorld, args: readonly string[] = ["--yes"]): RunningScript {
  const child = spawn(process.execPath, [script, "--workspace", world.workspaceId, ...args], {
    cwd: root,
    env: {
      ...process.env,
      RAILWAY_API_TOKEN: world.simulator.tokens.account,
      RAILWAY_API_URL: world.simulator.url,
      RAILWAY_POLL_INTERVAL_MS: "100",
      RAILWAY_SETTLE_TIMEOUT_MS: "1000",
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  const ended = once(child, "close").then(([code]) => code as number | null);
  return {
    child,
    ended,
    output: () => output,
    async printed(text) {
      let isOver = false;
      void ended.then(() => {
        isOver = true;
      });
      while (!output.includes(text)) {
        if (isOver) throw new Error(`it ended without printing "${text}":\n${output}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
  };
}
