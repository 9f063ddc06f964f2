import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { withConnection } from "../../../components/postgres/connection.ts";
import { rareDdl, rareSchemas } from "../../postgres/catalogue/catalogue-rare-ddl.ts";
import { sharedServers } from "../../world/postgres/shared.ts";
import { inBatches, objectOf } from "./batches.ts";
import { rareMutations } from "./mutations-rare.ts";
import { createGateWorld, type GateWorld, shown } from "./world.ts";

let world: GateWorld;

beforeAll(async () => {
  await onTarget("SET allow_in_place_tablespaces = on; ", "CREATE TABLESPACE gate_elsewhere LOCATION ''");
  world = await createGateWorld(rareDdl, rareSchemas);
});

afterAll(async () => {
  await world?.drop();
  await onTarget("DROP TABLESPACE gate_elsewhere");
});

async function onTarget(...statements: string[]): Promise<void> {
  await withConnection(sharedServers().target.connection("postgres"), { purpose: "test" }, async (client) => {
    for (const statement of statements) await client.query(statement);
  });
}

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
  "SET allow_in_place_tablespaces = on; ALTER TABLE rare.plain_rows SET TABLESPACE gate_elsewhere; ALTER INDEX rare.item_lower SET TABLESPACE gate_elsewhere",
  // Servers that the target reaches for itself.
  "CREATE SERVER own FOREIGN DATA WRAPPER nowhere; CREATE USER MAPPING FOR PUBLIC SERVER own",
].flatMap((statements) => statements.split("; "));
