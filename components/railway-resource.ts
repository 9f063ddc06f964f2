import * as pulumi from "@pulumi/pulumi";
import { providerText } from "./dynamic/lazy-provider.ts";

/** A resource of Pulumi's dynamic providers, whose life is told by one module in `components/dynamic/`. */
export abstract class RailwayResource extends pulumi.CustomResource {
  /** @param type the last part of the resource's type, after `pulumi-nodejs:dynamic/railway:` */
  protected constructor(
    type: string,
    module: `#providers/${string}`,
    name: string,
    properties: pulumi.Inputs,
    options: pulumi.CustomResourceOptions | undefined,
  ) {
    const __provider = providerText(module);
    super(`pulumi-nodejs:dynamic/railway:${type}`, name, { ...properties, __provider }, options);
  }
}
