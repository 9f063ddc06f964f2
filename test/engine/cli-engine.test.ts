import { describe } from "vitest";
import { pulumiVersion } from "../world/engine/engine.ts";
import { testEngine } from "./conformance.ts";

const version = pulumiVersion();
if (version === undefined) {
  console.warn("SKIPPED: the tests on the real Pulumi engine, because there is no `pulumi` on PATH.");
}

describe.skipIf(version === undefined)(`Pulumi CLI ${version ?? ""}`, () => testEngine("cli"));
