import { describe, expect, test } from "vitest";
import { commandLine, remoteCommands } from "../../components/remote/command.ts";
import { type RemoteSettings, refuseUnfit } from "../../components/remote/refusals.ts";

const fit: RemoteSettings = {
  transport: { source: { via: "private" }, target: { via: "private" } },
  hooks: { beforeSwitch: null, afterPromotion: null },
  legacyPostgres: "keep",
};
const withoutHooks = { withHooks: false };
const withHook = { ...fit, hooks: { beforeSwitch: null, afterPromotion: "pnpm db:push" } };

describe("a run inside Railway", () => {
  test.each(remoteCommands)("of %s is let through when both databases are reached privately", (command) => {
    refuseUnfit(command, fit, withoutHooks);
    expect(commandLine(command, "prod")).toContain("prod");
  });

  test.each(["source", "target"] as const)("is refused when the %s is reached in another way", (role) => {
    const transport = { ...fit.transport, [role]: { via: "tunnel" } };
    for (const command of remoteCommands) {
      expect(() => refuseUnfit(command, { ...fit, transport }, withoutHooks)).toThrow(
        expect.objectContaining({ code: "REMOTE_TRANSPORT_NOT_PRIVATE" }),
      );
    }
  });

  test("refuses hooks, which would run there, unless they are asked for", () => {
    expect(() => refuseUnfit("up", withHook, withoutHooks)).toThrow(
      expect.objectContaining({ code: "REMOTE_HOOK" }),
    );
    refuseUnfit("up", withHook, { withHooks: true });
    refuseUnfit("preview", withHook, withoutHooks);
  });

  test.each(["stop", "remove"] as const)("refuses legacyPostgres: %s", (legacyPostgres) => {
    expect(() => refuseUnfit("up", { ...fit, legacyPostgres }, withoutHooks)).toThrow(
      expect.objectContaining({ code: "REMOTE_RETIREMENT" }),
    );
  });
});
