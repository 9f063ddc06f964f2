import { beforeAll, describe, expect, test } from "vitest";
import { CutoverError } from "../../../components/errors.ts";
import type { MigrationInputs } from "../../../components/migration/inputs.ts";
import { countsBeforeCutover } from "../../../components/migration/prepare/back-up-first.ts";
import type { RailwayVolume, VolumeBackup } from "../../../components/railway/railway.ts";
import { closedPort } from "./closed-port.ts";
import {
  healthyInputs,
  healthyServices,
  type PreflightWorld,
  preflight,
  type ScriptedRailway,
  summarise,
} from "./world.ts";

// Nothing here needs a database: both servers are out of reach, which a preview tolerates.
let world: PreflightWorld;

beforeAll(async () => {
  const port = await closedPort();
  const connection = (label: string) =>
    ({
      label,
      host: "127.0.0.1",
      port,
      database: "railway",
      user: "postgres",
      password: "p",
      tls: "off",
    }) as const;
  world = { source: connection("source"), target: connection("target") };
});

const minute = 60_000;

function backup(changes: Partial<VolumeBackup> = {}): VolumeBackup {
  return {
    id: "b1",
    name: "before-cutover",
    createdAt: new Date(Date.now() - minute),
    expiresAt: null,
    isScheduled: false,
    usedMB: 0,
    ...changes,
  };
}

/** Both databases with such volumes, or none. */
function withVolumes(volume: Partial<RailwayVolume> | null, methods: ScriptedRailway["methods"] = {}) {
  const services = healthyServices(world).map((service) =>
    service.settings?.volume
      ? {
          ...service,
          settings: { ...service.settings, volume: volume && { ...service.settings.volume, ...volume } },
        }
      : service,
  );
  return { services, methods };
}

async function findings(railway: Partial<ScriptedRailway>, inputs: Partial<MigrationInputs> = {}) {
  return summarise(await preflight(world, { railway, inputs })).filter((line) => line.includes("BACKUP"));
}

describe("volume backups", () => {
  test("of two healthy volumes are no finding, and the facts tell that new ones are made", async () => {
    const result = await preflight(world);
    expect(summarise(result).filter((line) => line.includes("BACKUP"))).toEqual([]);
    expect(result.facts.backups.map(({ service, usable }) => [service, usable])).toEqual([
      ["Postgres", undefined],
      ["pgvector", undefined],
    ]);
  });

  test("need a volume on both sides", async () => {
    expect(await findings(withVolumes(null))).toEqual([
      "blocker BACKUP_VOLUME_MISSING source",
      "blocker BACKUP_VOLUME_MISSING target",
    ]);
  });

  test("need a volume that is at most half full", async () => {
    expect(await findings(withVolumes({ sizeMB: 1_000, currentSizeMB: 500 }))).toEqual([]);
    expect(await findings(withVolumes({ sizeMB: 1_000, currentSizeMB: 501 }))).toEqual([
      "blocker BACKUP_VOLUME_TOO_FULL source",
      "blocker BACKUP_VOLUME_TOO_FULL target",
    ]);
    const accept = [{ code: "BACKUP_VOLUME_TOO_FULL", object: "source", reason: "support raised the limit" }];
    expect(await findings(withVolumes({ sizeMB: 1_000, currentSizeMB: 501 }), { accept })).toContain(
      "warning BACKUP_VOLUME_TOO_FULL source",
    );
  });

  test("are not asked of a full volume that has one already", async () => {
    const methods = {
      listVolumeBackups: async () => [backup({ id: "old" }), backup({ createdAt: new Date() })],
    };
    const railway = withVolumes({ sizeMB: 1_000, currentSizeMB: 900 }, methods);
    expect(await findings(railway)).toEqual([]);
    const { facts } = await preflight(world, { railway });
    expect(facts.backups.map(({ usable }) => usable?.id)).toEqual(["b1", "b1"]);
  });

  test("that the token may not even see block", async () => {
    const refused = new CutoverError({
      code: "RAILWAY_NOT_AUTHORIZED",
      message: "Not Authorized",
      remedy: "None.",
    });
    const methods = { listVolumeBackups: () => Promise.reject(refused) };
    expect(await findings(withVolumes({}, methods))).toEqual([
      "blocker BACKUP_NOT_PERMITTED source",
      "blocker BACKUP_NOT_PERMITTED target",
    ]);
  });

  test("that cannot be listed now are not checked", async () => {
    const gone = new CutoverError({ code: "RAILWAY_UNREACHABLE", message: "Gone.", remedy: "None." });
    const methods = { listVolumeBackups: () => Promise.reject(gone) };
    const result = summarise(await preflight(world, { railway: withVolumes({}, methods) }));
    expect(result).toContain("unchecked RAILWAY_UNREACHABLE source backups");
  });

  test("may be skipped for a reason, which is an accepted risk; nothing is asked of the volumes then", async () => {
    const backups = {
      ...healthyInputs(world).backups,
      beforeCutover: "skip" as const,
      reason: "the volumes are mirrored",
    };
    const methods = { listVolumeBackups: () => Promise.reject(new Error("must not be asked")) };
    const result = await preflight(world, { railway: withVolumes(null, methods), inputs: { backups } });
    expect(result.findings.filter(({ code }) => code === "BACKUPS_SKIPPED")).toMatchObject([
      { severity: "warning", acceptedBecause: "the volumes are mirrored" },
    ]);
    expect(summarise(result)).not.toContain("blocker BACKUP_VOLUME_MISSING source");
  });
});

describe("a backup that is there already", () => {
  const now = new Date("2026-11-27T02:00:00Z");
  const at = (text: string) => new Date(`2026-11-${text}Z`);
  const counts = (changes: Partial<VolumeBackup>) =>
    countsBeforeCutover(
      backup({ createdAt: at("27T01:30:00"), ...changes }),
      { reuseForMs: 60 * minute },
      now,
    );

  test.for<[string, Partial<VolumeBackup>, boolean]>([
    ["is used while it is young", {}, true],
    ["whatever its name: somebody may have made it by hand", { name: null }, true],
    ["is not used once it is as old as that", { createdAt: at("27T01:00:00") }, false],
    ["is not used when a schedule made it: Railway deletes that after days", { isScheduled: true }, false],
    ["is not used when it expires within a day", { expiresAt: at("28T01:59:00") }, false],
    ["is used when it expires later", { expiresAt: at("28T02:01:00") }, true],
    ["is used although Railway's clock is ahead", { createdAt: at("27T02:00:05") }, true],
  ])("%s", ([, changes, expected]) => {
    expect(counts(changes)).toBe(expected);
  });

  test("is never used where the configuration wants a new one each time", () => {
    expect(countsBeforeCutover(backup({ createdAt: now }), { reuseForMs: 0 }, now)).toBe(false);
  });
});
