import type { ClientBase } from "pg";
import { inTurn } from "../../postgres/in-turn.ts";
import { compareServerSettings, readServerSettings } from "../preflight/database/server-settings.ts";
import { type BoundSetting, compareSettings, readSettings } from "../preflight/database/settings.ts";
import { type FoundDifference, settingCodeSchema } from "./difference.ts";

/** What is no part of the schemas and decides what statements mean there. */
export interface Surroundings {
  readonly user: string;
  readonly roles: readonly string[];
  readonly settings: readonly BoundSetting[];
  readonly serverSettings: Readonly<Record<string, string>>;
}

export async function readSurroundings(client: ClientBase): Promise<Surroundings> {
  const [names, settings, serverSettings] = await inTurn(client, [
    () => client.query<Pick<Surroundings, "user" | "roles">>(namesQuery),
    () => readSettings(client),
    () => readServerSettings(client),
  ]);
  return { ...(names.rows[0] as Pick<Surroundings, "user" | "roles">), settings, serverSettings };
}

/**
 * Compares once more what the preflight has compared, because anybody may have changed it since: under the same codes and
 * names, so that one acceptance holds for both.
 */
export function compareSurroundings(source: Surroundings, target: Surroundings): FoundDifference[] {
  return [
    ...compareSettings(source.settings, target.settings, source.user, source.roles),
    ...compareServerSettings(source.serverSettings, target.serverSettings, {
      source: source.settings,
      target: target.settings,
    }),
  ].map(({ code, object }) => ({ code: settingCodeSchema.parse(code), object, aspect: null }));
}

const namesQuery = `
  SELECT current_user::text AS "user", ARRAY(SELECT rolname::text FROM pg_catalog.pg_roles) AS roles`;
