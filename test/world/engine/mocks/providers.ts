import type { dynamic } from "@pulumi/pulumi";
import { sdkRequire } from "../sdk-internals.ts";
import { commandProvider } from "./command-provider.ts";
import type { Properties } from "./secrets.ts";

const requireFromString: (code: string) => { handler(): dynamic.ResourceProvider } =
  sdkRequire("require-from-string");
const { Config }: { Config: new (values: Record<string, string>, project: string) => dynamic.Config } =
  sdkRequire("./cmd/dynamic-provider/config");

export type FindProvider = (type: string, properties: Properties) => Promise<dynamic.ResourceProvider>;

/** Brings providers to life as the dynamic-provider process does: once for each text, then configured. */
export function providerFinder(project: string, config: Record<string, string>): FindProvider {
  const providers = new Map<string, Promise<dynamic.ResourceProvider>>();
  async function revive(text: string): Promise<dynamic.ResourceProvider> {
    const provider = requireFromString(text).handler();
    await provider.configure?.({ config: new Config(config, project) });
    return provider;
  }
  return async (type, properties) => {
    if (type === "command:local:Command") return commandProvider;
    const text = properties.__provider;
    if (typeof text !== "string") throw new Error(`this host cannot manage resources of type ${type}`);
    const provider = providers.get(text) ?? revive(text);
    providers.set(text, provider);
    return provider;
  };
}
