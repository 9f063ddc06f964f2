import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { buildSchema, introspectionFromSchema } from "graphql";
import { describe, expect, test } from "vitest";
import { data, failure, type Reply, startScriptedPeer } from "./scripted-peer.ts";

const sdl = readFileSync("components/railway/schema.graphql", "utf8");
const token = "token-that-must-not-show";

describe("check-railway-schema", () => {
  test.each([
    ["the schema we use", introspectionOf(sdl), 0, "offers everything"],
    [
      "a schema without one of our fields",
      introspectionOf(sdl.replace("  isPendingDeletion: Boolean!\n", "")),
      2,
      "VolumeInstance.isPendingDeletion is gone",
    ],
    ["a refusal", failure("Not Authorized"), 1, "RAILWAY_NOT_AUTHORIZED"],
  ] satisfies [string, Reply, number, string][])("answered with %s", async (_, reply, code, text) => {
    await using peer = await startScriptedPeer(reply);
    const result = await run(["--kind", "account", "--endpoint", peer.endpoint]);
    expect(result.output).toContain(text);
    expect(result.output).not.toContain(token);
    expect(result.code).toBe(code);
  });

  test.each([
    [["--help"], 0, "Exit code"],
    [["--kind", "user"], 1, "RAILWAY_TOKEN_KIND_UNKNOWN"],
    [["--wrong"], 1, "Could not tell"],
  ])("started with %j ends with %i", async (argumentsGiven, code, text) => {
    const result = await run(argumentsGiven);
    expect(result.output).toContain(text);
    expect(result.code).toBe(code);
  });
});

function introspectionOf(text: string): Reply {
  return data(introspectionFromSchema(buildSchema(text)));
}

function run(argumentsGiven: readonly string[]): Promise<{ code: number; output: string }> {
  const environment = { ...process.env, RAILWAY_TOKEN: "", RAILWAY_API_TOKEN: token };
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      ["scripts/check-railway-schema.ts", ...argumentsGiven],
      { env: environment },
      (_error, stdout, stderr) => resolve({ code: child.exitCode ?? -1, output: stdout + stderr }),
    );
  });
}
