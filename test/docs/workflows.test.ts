import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { root } from "./markdown.ts";

const folder = path.join(root, "docs/workflows");
const files = await readdir(folder);

/** Of the jobs' steps only what is looked at here. */
interface Workflow {
  readonly permissions: Record<string, string>;
  readonly jobs: Record<string, { environment?: string; steps: readonly { run?: string; env?: object }[] }>;
}

test.for(files)(
  "%s asks for few rights, and runs nothing that a pull request could write into it",
  async (name) => {
    const text = await readFile(path.join(folder, name), "utf8");
    const workflow = parse(text) as Workflow;
    expect(text).not.toContain("pull_request_target:");
    expect(workflow.permissions.contents).toBe("read");
    for (const { environment, steps } of Object.values(workflow.jobs)) {
      expect(environment).toBe("railway-production-plan");
      for (const { run = "" } of steps) expect(run).not.toContain("${{");
    }
  },
);

test("the examples run commands of this project that exist", async () => {
  const { scripts } = JSON.parse(await readFile(path.join(root, "package.json"), "utf8"));
  const texts = await Promise.all(files.map((name) => readFile(path.join(folder, name), "utf8")));
  const named = [...texts.join("\n").matchAll(/npm run (?:--silent )?([a-z-]+)/g)].map(([, name]) => name);
  expect(named).toContain("plan");
  for (const name of named) expect(Object.keys(scripts)).toContain(name);
});
