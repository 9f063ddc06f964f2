import { local } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";

export interface AfterPromotionArgs {
  /** A shell command, such as `pnpm db:push`. */
  readonly command: string;
  /** The command runs once for each migration: changing the command alone runs nothing. */
  readonly migrationId: pulumi.Input<string>;
  /** What the wrapper script needs to find the new database's URL on Railway; holds no secret. */
  readonly migration: object;
  readonly tokenKind: string;
  /** The Railway token if the stack keeps it as a secret; otherwise the environment's is inherited. */
  readonly railwayToken: pulumi.Output<string> | undefined;
}

/**
 * A command run once after the commit point. The new database's URL is read from Railway by the wrapper script and
 * exists only in the command's environment: neither inputs nor state hold it, and what the command prints is kept out
 * of logs and state.
 */
export class AfterPromotion extends pulumi.ComponentResource {
  constructor(name: string, args: AfterPromotionArgs, options?: pulumi.ComponentResourceOptions) {
    super("railway:index:AfterPromotion", name, {}, options);
    const script = `"${process.execPath}" scripts/after-promotion.ts`;
    new local.Command(
      `${name}-command`,
      {
        create: script,
        environment: {
          AFTER_PROMOTION_COMMAND: args.command,
          AFTER_PROMOTION_MIGRATION: JSON.stringify(args.migration),
          RAILWAY_TOKEN_KIND: args.tokenKind,
          ...(args.railwayToken === undefined
            ? {}
            : {
                [args.tokenKind === "project" ? "RAILWAY_TOKEN" : "RAILWAY_API_TOKEN"]: pulumi.secret(
                  args.railwayToken,
                ),
              }),
        },
        triggers: [args.migrationId],
        logging: local.Logging.None,
      },
      {
        parent: this,
        additionalSecretOutputs: ["stdout", "stderr"],
        ignoreChanges: ["create", "environment"],
      },
    );
    this.registerOutputs({});
  }
}
