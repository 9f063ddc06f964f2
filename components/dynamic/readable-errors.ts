import type * as pulumi from "@pulumi/pulumi";
import { presentError } from "../errors.ts";

/**
 * The same provider with errors that an operator can act on: the engine prints nothing of an error but its message, so
 * code and remedy go there; and a message that is not ours, which may quote a row or a URL, is replaced by what is safe.
 */
export function withReadableErrors(
  provider: pulumi.dynamic.ResourceProvider,
): pulumi.dynamic.ResourceProvider {
  return Object.fromEntries(
    Object.entries(provider).map(([name, method]) => [
      name,
      async (...args: unknown[]) => {
        try {
          return await (method as (...args: unknown[]) => Promise<unknown>)(...args);
        } catch (error) {
          const readable = new Error(presentError(error));
          // Pulumi's process prints the stack of some, and it would only ever lead to this line.
          readable.stack = "";
          throw readable;
        }
      },
    ]),
  ) as unknown as pulumi.dynamic.ResourceProvider;
}
