import { defineConfig } from "vitest/config";
import { patienceMs } from "./test/patience.ts";
import { keepCompiledCode } from "./test/world/compile-cache.ts";

keepCompiledCode();

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/world/postgres/global-setup.ts"],
    pool: "forks",
    // The servers, the simulator and the app processes share the machine's cores with the tests.
    maxWorkers: 2,
    // What a busy machine takes its time for comes to pass all the same.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    expect: { poll: { timeout: patienceMs } },
    // Node runs the files as it does in production: vitest's own module runner rewrites `import()`, which
    // would stand in the dynamic providers' text.
    experimental: { viteModuleRunner: false },
  },
});
