import { describe, expect, it } from "vitest";
import { DeclaredObject } from "../../../components/postgres/catalogue/catalogue.ts";
import { CatalogueComparison } from "../../../components/postgres/catalogue/catalogue-comparison.ts";

const majors = { source: 15, target: 17 };
const object = (key: string, aspects: object = {}, parent: string | null = null) =>
  new DeclaredObject(key, parent, JSON.stringify(aspects));

function compare(
  objects: ReadonlyArray<readonly ["source" | "target", DeclaredObject]>,
): ReturnType<CatalogueComparison["finish"]> {
  const comparison = new CatalogueComparison();
  for (const [side, each] of objects) comparison.add(side, each);
  return comparison.finish(majors);
}

const table = object("table public.t", { owner: "a", comment: "x" });
const view = object("view public.v", { definition: "SELECT  1;" });
const column = object("column public.u.c", { type: "text" }, "public.u");
const both = [
  ["source", table],
  ["source", view],
  ["source", column],
  ["target", object("table public.t", { owner: "b", comment: "x" })],
  ["target", object("view public.v", { definition: "SELECT 1;" })],
  ["target", object("column public.u.c", { type: "text" }, "public.u")],
] as const;

describe("two sides", () => {
  it("are told apart by what their majors mean, whatever comes first", () => {
    for (const order of [
      both,
      both.toReversed(),
      [...both].sort(([, a], [, b]) => (a.key < b.key ? -1 : 1)),
    ]) {
      expect(compare(order)).toMatchObject({
        differences: [{ code: "CATALOGUE_CHANGED", object: "table public.t", aspect: "owner" }],
        objects: 3,
      });
    }
  });

  it("are equal though the order of aspects is not", () => {
    const swapped = object("table public.t", { comment: "x", owner: "a" });
    expect(
      compare([
        ["source", table],
        ["target", swapped],
      ]).differences,
    ).toEqual([]);
  });

  it("differ by what only one has, without its parts", () => {
    const lost = object("table public.u");
    expect(
      compare([
        ["source", column],
        ["target", table],
        ["source", lost],
        ["source", view],
        ["target", view],
      ]).differences,
    ).toEqual([
      { code: "CATALOGUE_EXTRA", object: "table public.t", aspect: null },
      { code: "CATALOGUE_MISSING", object: "table public.u", aspect: null },
    ]);
  });
});

describe("an object that comes twice", () => {
  const other = object("table public.t", { owner: "z" });
  it.each([
    [
      "on the source",
      [
        ["source", other],
        ["source", table],
        ["target", table],
      ],
    ],
    [
      "on the target",
      [
        ["target", other],
        ["target", table],
        ["source", table],
      ],
    ],
    [
      "as it was",
      [
        ["source", table],
        ["source", table],
        ["target", table],
      ],
    ],
  ] as const)("%s", (_name, order) => {
    expect(() => compare(order)).toThrow("twice");
  });
});

describe("the source's hash", () => {
  const hash = (...objects: DeclaredObject[]) =>
    compare(objects.map((each) => ["source", each] as const)).sourceHash;

  it("knows nothing of the order nor of the target", () => {
    expect(hash(view, table)).toBe(hash(table, view));
    expect(compare(both).sourceHash).toBe(hash(table, view, column));
  });

  it("follows each object, its name and what is declared about it", () => {
    const hashes = [
      hash(),
      hash(table),
      hash(view),
      hash(table, view),
      hash(object("table public.t", { owner: "a" })),
      hash(object("table public.s", { owner: "a", comment: "x" })),
    ];
    expect(new Set(hashes).size).toBe(hashes.length);
  });
});
