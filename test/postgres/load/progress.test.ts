import { expect, test } from "vitest";
import { type LoadProgress, ProgressMeter } from "../../../components/postgres/load/progress.ts";

test("a table that comes in pieces is in flight until its last piece is there", async () => {
  let seen: LoadProgress | undefined;
  const meter = new ProgressMeter([], (progress) => {
    seen = progress;
  });
  const second = Promise.withResolvers<void>();
  const running = meter.during("public.note", () => second.promise);
  await meter.during("public.note", async () => {});
  meter.enter("rows");
  expect(seen?.inFlight).toEqual(["public.note"]);
  second.resolve();
  await running;
  meter.enter("indexes");
  expect(seen?.inFlight).toEqual([]);
});
