import type * as pulumi from "@pulumi/pulumi";

/** What a module behind a `#providers/…` alias exports. */
export interface ProviderModule {
  readonly provider: pulumi.dynamic.ResourceProvider;
}

/**
 * A provider that holds nothing but the name of the module with the real one, which each call imports from the
 * project as it is then.
 *
 * Pulumi turns a provider object into text, sends that to another process and keeps it in the state for good. Captured
 * classes, maps and schemas do not survive that, and every line of captured code would live on in the state. So only
 * `module` is captured: a new version of the code behind it is no difference, and refresh and delete of an old state
 * run the current code.
 *
 * @param module A `#providers/…` specifier of package.json. It is stored in the state: never rename one, move the file
 *   behind it instead. Relative paths do not work, they would resolve against the working directory.
 */
export function lazyProvider(module: `#providers/${string}`): pulumi.dynamic.ResourceProvider {
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
