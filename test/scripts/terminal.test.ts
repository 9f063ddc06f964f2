import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parse } from "yaml";
import { root } from "../docs/markdown.ts";
import { makeStackFolder, type StackFolder } from "./stack-folder.ts";

let stack: StackFolder;
let railway: Server;
/** What happens while Railway is asked for something. */
let meanwhile: () => Promise<void>;

beforeAll(async () => {
  const { config } = parse(await readFile(path.join(root, "Pulumi.prod.yaml"), "utf8"));
  const named = Object.entries(config).map(([key, value]) => [key.split(":").at(-1), value]);
  stack = await makeStackFolder(Object.fromEntries(named), {});
  railway = createServer(async (request, response) => {
    request.resume();
    await meanwhile();
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ errors: [{ message: "Not Authorized" }] }));
  });
  railway.listen(0, "127.0.0.1");
  await once(railway, "listening");
});
afterAll(async () => {
  railway?.closeAllConnections();
  railway?.close();
  await stack?.remove();
});

test.for([
  ["abort", "--yes"],
  ["rotate-password", "--yes"],
  ["target-tls", "on", "--yes"],
])("%s goes on when its terminal goes away, to its own end", async ([name, ...args]) => {
  const { port } = railway.address() as AddressInfo;
  const child = spawn(
    process.execPath,
    [path.join(root, "scripts", `${name}.ts`), "--stack", "trial", ...args],
    {
      cwd: stack.path,
      env: { ...process.env, RAILWAY_TOKEN: "token", RAILWAY_API_URL: `http://127.0.0.1:${port}/` },
      stdio: ["pipe", "pipe", "pipe"],
    },
  );
  let asked = 0;
  meanwhile = async () => {
    asked += 1;
    if (asked > 1) return;
    for (const stream of [child.stdin, child.stdout, child.stderr]) stream.destroy();
    child.kill("SIGHUP");
  };
  const [exitCode, signal] = await once(child, "exit");
  expect({ exitCode, signal }).toEqual({ exitCode: 1, signal: null });
  expect(asked).toBeGreaterThan(0);
});
