import { expect, test } from "vitest";
import { pause } from "../../components/railway/waiting.ts";

test("a pause that is cut short says why", async () => {
  const over = new AbortController();
  const reason = new Error("the write pause is over");
  const waiting = pause(3_600_000, over.signal);
  over.abort(reason);
  await expect(waiting).rejects.toBe(reason);
  await expect(pause(3_600_000, over.signal)).rejects.toBe(reason);
});
