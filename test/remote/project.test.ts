import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { afterEach, beforeEach, expect, test } from "vitest";
import { packProject } from "../../components/remote/project.ts";

let folder: string;
const git = (...parameters: string[]) =>
  execFileSync("git", parameters, { cwd: folder, stdio: "pipe" }).toString();
const write = (file: string, text: string) => {
  mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
  writeFileSync(path.join(folder, file), text);
};
const commit = () => {
  git("add", "--all");
  git("-c", "user.name=o", "-c", "user.email=o@example.com", "commit", "-m", "one");
};

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "project-"));
  git("init");
});
afterEach(() => rmSync(folder, { recursive: true }));

test("packs the commit without tests, documents and what git ignores", async () => {
  for (const file of [
    "index.ts",
    "Pulumi.trial.yaml",
    "components/a.ts",
    "test/a.test.ts",
    "docs/a.md",
    "bench/b.ts",
  ]) {
    write(file, file);
  }
  write(".gitignore", "node_modules\n");
  commit();
  write("node_modules/a/index.js", "code of others");
  write("docs/new.md", "not committed, and not needed there");
  const { commit: hash, archive } = await packProject(folder);
  expect(hash).toBe(git("rev-parse", "HEAD").trim());
  const names = execFileSync("tar", ["-t"], { input: gunzipSync(archive) })
    .toString()
    .split("\n")
    .filter(Boolean);
  expect(names.filter((name) => !name.endsWith("/")).toSorted()).toEqual(
    [".gitignore", "Pulumi.trial.yaml", "components/a.ts", "index.ts"].toSorted(),
  );
});

test.each([
  ["changed", "Pulumi.trial.yaml"],
  ["new", "components/new.ts"],
])("refuses a %s file that is not committed, and names it", async (_how, file) => {
  write("Pulumi.trial.yaml", "config: {}");
  commit();
  write(file, "something else");
  await expect(packProject(folder)).rejects.toMatchObject({
    code: "PROJECT_NOT_COMMITTED",
    message: expect.stringContaining(file.split("/")[0] ?? ""),
  });
});

test("refuses a folder without a commit", async () => {
  await expect(packProject(folder)).rejects.toMatchObject({ code: "PROJECT_NOT_IN_GIT" });
});
