import type * as pulumi from "@pulumi/pulumi";
import type { AppServiceInputs, AppServiceObservation } from "./migration/app-service.ts";
import { RailwayResource } from "./railway-resource.ts";

/** Arguments of {@link AppServiceVariables}: plain data, known at preview. */
export type AppServiceVariablesArgs = AppServiceInputs;

/**
 * One application service runs on the database its variables name: the raw references, and a healthy deployment that
 * was given them. A change of `variables` or `database` sets them and deploys once; deleting the resource changes
 * nothing on Railway.
 */
export class AppServiceVariables extends RailwayResource {
  declare readonly service: pulumi.Output<string>;
  declare readonly variables: pulumi.Output<Record<string, string>>;
  declare readonly observed: pulumi.Output<AppServiceObservation>;

  constructor(name: string, args: AppServiceVariablesArgs, options?: pulumi.CustomResourceOptions) {
    super(
      "AppServiceVariables",
      "#providers/app-service-variables",
      name,
      { ...args, observed: undefined, adopted: undefined },
      options,
    );
  }
}
