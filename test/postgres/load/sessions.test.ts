import type pg from "pg";
import { expect, test } from "vitest";
import { type LoadSessions, shareSessions, Writer } from "../../../components/postgres/load/sessions.ts";

test.each([
  ["room for all", 4, { source: 90, target: 90 }, { readers: 4, writers: 6 }],
  ["a full source", 4, { source: 2, target: 90 }, { readers: 1, writers: 6 }],
  [
    "a full target: no reader is left without a writer",
    4,
    { source: 90, target: 4 },
    { readers: 1, writers: 1 },
  ],
])("%s", (_name, workers, free, shared) => {
  expect(shareSessions(workers, free)).toEqual(shared);
});

test("a writer's session is exchanged now and then, or kept where there is no room for another one", async () => {
  const session = (name: string) => name as unknown as pg.Client;
  const released: pg.Client[] = [];
  const rooms = [true, false, true];
  const sessions = {
    openTarget: async (searchPath: string) => {
      if (rooms.shift() !== true) throw new Error("sorry, too many clients already");
      return session(`with ${searchPath}, ${rooms.length}`);
    },
    release: async (client: pg.Client) => {
      released.push(client);
    },
  } as unknown as LoadSessions;
  const writer = new Writer(sessions, session("first"), "public");
  const used: pg.Client[] = [];
  for (let table = 0; table < 400; table++) {
    const client = await writer.forNextTable();
    if (client !== used.at(-1)) used.push(client);
  }
  expect(used).toEqual(["first", "with public, 2", "with public, 0"]);
  expect(released).toEqual(["first", "with public, 2"]);
  expect(writer.client).toBe("with public, 0");
});
