import { spawn } from "node:child_process";
import { once } from "node:events";
import { isDeepStrictEqual } from "node:util";
import type { dynamic } from "@pulumi/pulumi";
import { z } from "zod";

const inputsSchema = z.looseObject({
  create: z.string().optional(),
  update: z.string().optional(),
  delete: z.string().optional(),
  dir: z.string().optional(),
  environment: z.record(z.string(), z.string()).default({}),
  interpreter: z.array(z.string()).min(1).default(["/bin/sh", "-c"]),
  logging: z.enum(["none", "stdout", "stderr", "stdoutAndStderr"]).default("stdoutAndStderr"),
  stdin: z.string().optional(),
  triggers: z.array(z.unknown()).default([]),
});

type CommandInputs = z.infer<typeof inputsSchema>;

/** `command:local:Command` as its plugin behaves (pulumi-command 1.2.1), for hosts without plugins. */
export const commandProvider: dynamic.ResourceProvider = {
  async create(inputs) {
    const outs = await runCommand(inputs, inputsSchema.parse(inputs).create, {});
    return { id: crypto.randomUUID(), outs };
  },
  async diff(_id, olds, news) {
    const replaced = !isDeepStrictEqual(olds.triggers, news.triggers);
    const { stdout: _stdout, stderr: _stderr, ...previous } = olds;
    return {
      changes: replaced || !isDeepStrictEqual(previous, news),
      replaces: replaced ? ["triggers"] : [],
    };
  },
  async update(_id, olds, news) {
    const { create, update } = inputsSchema.parse(news);
    return { outs: await runCommand(news, update ?? create, olds) };
  },
  async read(id, properties) {
    return { id, props: properties };
  },
  async delete(_id, properties) {
    await runCommand(properties, inputsSchema.parse(properties).delete, properties);
  },
};

async function runCommand(inputs: object, command: string | undefined, previous: Record<string, unknown>) {
  const { stdout = "", stderr = "" } = previous;
  if (command === undefined) return { ...inputs, stdout, stderr };
  return { ...inputs, ...(await runShell(inputsSchema.parse(inputs), command, { stdout, stderr })) };
}

async function runShell(
  { dir, environment, interpreter, logging, stdin }: CommandInputs,
  command: string,
  previous: { stdout: unknown; stderr: unknown },
): Promise<{ stdout: string; stderr: string }> {
  const [program = "/bin/sh", ...parameters] = interpreter;
  const child = spawn(program, [...parameters, command], {
    cwd: dir,
    env: {
      ...process.env,
      PULUMI_COMMAND_STDOUT: String(previous.stdout),
      PULUMI_COMMAND_STDERR: String(previous.stderr),
      ...environment,
    },
  });
  child.stdin.on("error", () => {}).end(stdin);
  const printed = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (chunk: string) => {
      printed[name] += chunk;
      if (logging === name || logging === "stdoutAndStderr") process[name].write(chunk);
    });
  }
  const [code, signal] = await once(child, "close");
  const stdout = printed.stdout.replace(/\n+$/, "");
  const stderr = printed.stderr.replace(/\n+$/, "");
  if (code !== 0)
    throw new Error(`${signal ?? `exit status ${code}`}: running the command:\n${stdout}\n${stderr}`);
  return { stdout, stderr };
}
