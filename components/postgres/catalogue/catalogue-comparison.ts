import { CatalogueHash, type DeclaredObject } from "./catalogue.ts";
import { type CatalogueDifference, diffCatalogues } from "./diff-catalogues.ts";

/** What a comparison has come to. */
export interface ComparedCatalogues {
  readonly differences: readonly CatalogueDifference[];
  /** Of the source. */
  readonly objects: number;
  /** Of the source, see {@link CatalogueHash}. */
  readonly sourceHash: string;
}

/**
 * Compares two catalogues while both are read: what the second side declares like the first is forgotten at once, so
 * that two copies of one schema never have to be in memory as a whole.
 */
export class CatalogueComparison {
  readonly #unpaired = {
    source: new Map<string, DeclaredObject>(),
    target: new Map<string, DeclaredObject>(),
  };
  readonly #hashes = { source: new CatalogueHash(), target: new CatalogueHash() };
  #objects = 0;

  /** Takes each object of a side once, in any order. */
  add(side: "source" | "target", object: DeclaredObject): void {
    if (side === "source") this.#objects += 1;
    this.#hashes[side].add(object);
    const others = this.#unpaired[side === "source" ? "target" : "source"];
    if (others.get(object.key)?.declaration === object.declaration) others.delete(object.key);
    else this.#unpaired[side].set(object.key, object);
  }

  /**
   * @param majors the servers' major versions
   * @throws Error where an object came twice: what came of it first would have been forgotten
   */
  finish(majors: { readonly source: number; readonly target: number }): ComparedCatalogues {
    const { source, target } = this.#unpaired;
    if (this.#pairedHash("source") !== this.#pairedHash("target")) {
      throw new Error("an object of a catalogue came twice");
    }
    return {
      differences: diffCatalogues(
        { major: majors.source, objects: source },
        { major: majors.target, objects: target },
      ),
      objects: this.#objects,
      sourceHash: this.#hashes.source.digest(),
    };
  }

  /** Of all that was found on the other side, too. */
  #pairedHash(side: "source" | "target"): string {
    return this.#hashes[side].without(this.#unpaired[side].values());
  }
}
