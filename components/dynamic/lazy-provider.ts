import type * as pulumi from "@pulumi/pulumi";

/** What a module behind a `#providers/…` alias exports. */
export interface ProviderModule {
  readonly provider: pulumi.dynamic.ResourceProvider;
}

/**
 * The text in which Pulumi carries a provider to another process, and keeps it in the state for good: the function below,
 * and the name of the module with the real provider. Classes, maps and schemas would not survive as text, and every line
 * of code in it would live on in the state. So a new version of the code behind the name is no difference, and refresh
 * and delete of an old state run the current code.
 *
 * Pulumi's own serialiser makes a like text of any provider object, and loads the TypeScript compiler for it: half a
 * second of each preview.
 *
 * @param module A `#providers/…` specifier of package.json. It is stored in the state: never rename one, move the file
 *   behind it instead. Relative paths do not work, they would resolve against the working directory.
 */
export function providerText(module: `#providers/${string}`): string {
  return [
    "exports.handler = () => {",
    // The process of the providers is Pulumi's: nothing of ours runs in it any earlier.
    `  require("node:module").enableCompileCache?.(require("node:path").resolve("node_modules/.cache/node-compile"));`,
    `  return (${lazyProvider})(${JSON.stringify(module)});`,
    "};",
  ].join("\n");
}

/** A provider that imports the real one from the project, as it is then, with each call. Refers to nothing around it. */
function lazyProvider(module: string): pulumi.dynamic.ResourceProvider {
  return {
    async configure(request) {
      const { provider } = await import(module);
      await provider.configure?.(request);
    },
    async check(olds, news) {
      const { provider } = await import(module);
      return provider.check === undefined ? { inputs: news } : provider.check(olds, news);
    },
    // Without an answer the engine compares the inputs itself, the text of this shim included.
    async diff(id, olds, news) {
      const { provider } = await import(module);
      return provider.diff === undefined ? {} : provider.diff(id, olds, news);
    },
    async create(inputs) {
      const { provider } = await import(module);
      return provider.create(inputs);
    },
    // Without a `read` Pulumi itself takes the last known properties as the live ones.
    async read(id, properties) {
      const { provider } = await import(module);
      return provider.read === undefined ? { id, props: properties } : provider.read(id, properties);
    },
    async update(id, olds, news) {
      const { provider } = await import(module);
      return provider.update === undefined ? { outs: news } : provider.update(id, olds, news);
    },
    async delete(id, properties) {
      const { provider } = await import(module);
      await provider.delete?.(id, properties);
    },
  };
}
