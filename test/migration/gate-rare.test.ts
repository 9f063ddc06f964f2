import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { rareDdl, rareSchemas } from "../postgres/catalogue-rare-ddl.ts";
import { inBatches, objectOf } from "./gate-batches.ts";
import { rareMutations } from "./gate-mutations-rare.ts";
import { createGateWorld, type GateWorld, shown } from "./gate-world.ts";

let world: GateWorld;

beforeAll(async () => {
  world = await createGateWorld(rareDdl, rareSchemas);
});

afterAll(() => world?.drop());

it("is green for what schemas seldom hold", async () => {
  expect(shown(await world.gateAfter(""))).toEqual([]);
});

it("stays green with what does not matter", async () => {
  expect(shown(await world.gateAfter(harmless))).toEqual([]);
});

describe("a copy that is wrong turns red and names what", () => {
  const batches = inBatches(rareMutations, objectOf).map((batch) => ({
    batch,
    names: batch.map(([name]) => name).join(", "),
  }));

  it.each(batches)("$names", async ({ batch }) => {
    const report = await world.gateAfter(batch.map(([, statements]) => statements));
    expect(report.verdict).toBe("red");
    expect(shown(report).sort()).toEqual(batch.flatMap(([, , differences]) => differences).sort());
  });
});

const harmless = [
  // Another place for the same rows.
  "ALTER TABLE rare.plain_rows SET TABLESPACE pg_default; VACUUM FULL rare.plain_rows",
].flatMap((statements) => statements.split("; "));
