import { CutoverError } from "../errors.ts";
import type { RemoteCommand } from "./command.ts";

/** What of the stack's settings decides whether it can run inside Railway. */
export interface RemoteSettings {
  readonly transport: {
    readonly source: { readonly via: string };
    readonly target: { readonly via: string };
  };
  readonly hooks: { readonly beforeSwitch: string | null; readonly afterPromotion: string | null };
  readonly legacyPostgres: "keep" | "stop" | "remove";
}

/**
 * Refuses what would fail, or mean something else, inside.
 *
 * @throws CutoverError `REMOTE_TRANSPORT_NOT_PRIVATE`, `REMOTE_HOOK`, `REMOTE_RETIREMENT`
 */
export function refuseUnfit(
  command: RemoteCommand,
  settings: RemoteSettings,
  options: { withHooks: boolean },
): void {
  const { transport, hooks, legacyPostgres } = settings;
  if (transport.source.via !== "private" || transport.target.via !== "private") throw notPrivate();
  if (command !== "up") return;
  const named = Object.entries(hooks).flatMap(([name, text]) => (text === null ? [] : [`hooks.${name}`]));
  if (named.length > 0 && !options.withHooks) throw hookRefused(named);
  if (legacyPostgres !== "keep") throw retirementRefused(legacyPostgres);
}

function notPrivate(): CutoverError {
  return new CutoverError({
    code: "REMOTE_TRANSPORT_NOT_PRIVATE",
    message:
      "The stack's configuration does not reach both databases over the private network, which is what a run inside Railway is for. Nothing was begun.",
    remedy: "Set `transport` to `via: private` for `source` and `target`, and commit that.",
  });
}

function hookRefused(names: readonly string[]): CutoverError {
  return new CutoverError({
    code: "REMOTE_HOOK",
    message: `${names.join(" and ")} would run inside Railway, on a bare Debian with this project and nothing of yours. Nothing was begun.`,
    remedy:
      "Take the hook out and run its command yourself afterwards, or say `--with-hooks` when it needs nothing but this project, bash and the network.",
  });
}

function retirementRefused(legacyPostgres: string): CutoverError {
  return new CutoverError({
    code: "REMOTE_RETIREMENT",
    message: `\`legacyPostgres: ${legacyPostgres}\` makes a final backup with PostgreSQL's client programs and for a place of yours; a temporary runner has neither. Nothing was begun.`,
    remedy:
      "Run `pulumi up` for it where both are, with a tunnel or TLS as the transport (README, Transport); `cutover:remote` moves the data and leaves the old database as it is.",
  });
}
