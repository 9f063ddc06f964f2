import { createRequire } from "node:module";

/** Requires as Pulumi's SDK does: its own dependencies, and with a leading `./` the modules that it does not export. */
export const sdkRequire = createRequire(
  createRequire(import.meta.url).resolve("@pulumi/pulumi/package.json"),
);
