import type fc from "fast-check";

/** Choices drawn from fast-check's own generator, so that its seed decides all of them. */
export class Dice {
  readonly #random: fc.Random;

  constructor(random: fc.Random) {
    this.#random = random;
  }

  /** A whole number, both ends included. */
  between(least: number, most: number): number {
    return this.#random.nextInt(least, most);
  }

  /** True once in so many times. */
  once(inTimes: number): boolean {
    return this.between(1, inTimes) === 1;
  }

  pick<Item>(list: readonly Item[]): Item {
    if (list.length === 0) throw new RangeError("nothing to pick from");
    return list[this.between(0, list.length - 1)] as Item;
  }

  /** A text once in so many times, otherwise nothing. */
  maybe(inTimes: number, text: () => string): string {
    return this.once(inTimes) ? text() : "";
  }

  /** As many of a list as `most`, one at least, each once and in its order. */
  some<Item>(list: readonly Item[], most: number): Item[] {
    const wanted = this.between(1, Math.min(most, list.length));
    const left = [...list.keys()];
    while (left.length > wanted) left.splice(this.between(0, left.length - 1), 1);
    return left.map((index) => list[index] as Item);
  }

  times<Item>(least: number, most: number, one: () => Item): Item[] {
    return Array.from({ length: this.between(least, most) }, one);
  }

  /** One value of fast-check's, the awkward ones more often than not. */
  value<Item>(arbitrary: fc.Arbitrary<Item>): Item {
    return arbitrary.generate(this.#random, 2).value;
  }
}
