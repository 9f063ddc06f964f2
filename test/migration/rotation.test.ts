import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { rotatePassword } from "../../components/migration/rotation/rotate.ts";
import { isAccepted } from "../../components/migration/rotation/server.ts";
import { healthcareServiceNames } from "../world/railway/healthcare-world.ts";
import { nextWrites } from "./cutover-world.ts";
import { type RotationWorld, startRotationWorld } from "./rotation-world.ts";

let here: RotationWorld;

beforeAll(async () => {
  here = await startRotationWorld();
});

afterAll(() => here?.stop());

const deploymentCounts = () =>
  Object.fromEntries(
    healthcareServiceNames.map((name) => [name, here.world.railway.deployments(name).length]),
  );

describe("a rotation of the password", () => {
  test("moves every service with one deployment, loses no write, and leaves the old password useless", async () => {
    const before = deploymentCounts();
    const old = here.storedPassword();
    expect(await rotatePassword(here.run(), { again: false })).toBe("rotated");
    const now = here.storedPassword();
    expect(now).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(await isAccepted(here.login(old))).toBe(false);
    expect(await isAccepted(here.login(now))).toBe(true);
    const after = deploymentCounts();
    for (const name of healthcareServiceNames) expect(after[name]).toBe((before[name] ?? 0) + 1);
    await nextWrites(here.world, here.target.connection());
    expect((await here.world.judge("target")).violations).toEqual([]);
    expect((await here.rotation())?.record.state).toBe("finished");
  });
});
