import { expect, test } from "vitest";
import { inBatches } from "../components/in-batches.ts";

test.for([
  [0, []],
  [1, [[0]]],
  [2, [[0, 1]]],
  [5, [[0, 1], [2, 3], [4]]],
] as const)("%i items come in order, none of them twice", ([count, expected]) => {
  expect([...inBatches([...Array(count).keys()], 2)]).toEqual(expected);
});
