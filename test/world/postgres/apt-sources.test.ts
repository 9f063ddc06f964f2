import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { configuredMirrors } from "./apt-sources.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "apt-sources-"));
  await mkdir(join(folder, "sources.list.d"));
});
afterEach(() => rm(folder, { recursive: true }));

test("reads stanzas, and leaves security, disabled, source-only and third-party ones out", async () => {
  await writeFile(
    join(folder, "sources.list.d", "debian.sources"),
    `Types: deb
# URIs: http://commented.test/debian
URIs: http://one.test/debian http://two.test/debian
Suites: bookworm bookworm-updates
Components: main

Types: deb
URIs: http://security.test/debian-security
Suites: bookworm-security
Components: main

Types: deb-src
URIs: http://sources.test/debian
Suites: bookworm
Components: main

Types: deb
Enabled: no
URIs: http://disabled.test/debian
Suites: bookworm
Components: main

Types: deb
URIs: http://nodesource.test
Suites: nodistro
Components: main
`,
  );
  expect(await configuredMirrors(folder)).toEqual(["http://one.test/debian", "http://two.test/debian"]);
});

test("reads one-line entries, with options and comments", async () => {
  await writeFile(
    join(folder, "sources.list"),
    `# deb http://commented.test/debian bookworm main
deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://one.test/debian bookworm main contrib # why
deb http://security.test/debian-security bookworm-security main
deb-src http://sources.test/debian bookworm main
deb http://one.test/debian bookworm main
`,
  );
  expect(await configuredMirrors(folder)).toEqual(["http://one.test/debian"]);
});

test("finds nothing where apt is not configured", async () => {
  expect(await configuredMirrors(join(folder, "missing"))).toEqual([]);
});
