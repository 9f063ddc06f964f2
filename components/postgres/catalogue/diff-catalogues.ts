import { z } from "zod";
import { compareText } from "../../text-order.ts";
import { type Catalogue, type CatalogueObject, largeObjectsKey } from "./catalogue.ts";
import { isKept, normaliseAcl, sameDefinition } from "./major-differences.ts";

export const catalogueDifferenceCodes = [
  "CATALOGUE_MISSING",
  "CATALOGUE_EXTRA",
  "CATALOGUE_CHANGED",
  /** The target grants somebody what the source does not. */
  "PRIVILEGES_WIDENED",
] as const;

/** Where two catalogues differ. Names only: definitions can hold an application's constants. */
export const catalogueDifferenceSchema = z.object({
  code: z.enum(catalogueDifferenceCodes),
  /** The object's key: `index public.users_email_key`. */
  object: z.string(),
  /** What of the object differs: `owner`, `acl`, `definition`, …; `null` when it is missing or extra as a whole. */
  aspect: z.string().nullable(),
});

export type CatalogueDifference = z.infer<typeof catalogueDifferenceSchema>;

/**
 * Compares what the target declares with what the source does; sorted by object and aspect. The parts of a table
 * that is missing or extra as a whole are not listed again. An index that is invalid on the source is not expected on
 * the target: `pg_dump` leaves it out, and no query uses it. Nor is a publication, which stays behind by declaration.
 * An extension that one side lacks has no privileges to compare, and the target may reach servers of its own and, where
 * the source has none, hold large objects of its own.
 */
export function diffCatalogues(source: Catalogue, target: Catalogue): CatalogueDifference[] {
  const missing = onlyIn(source, target)
    .filter(({ key, aspects }) => aspects.validity !== "invalid" && !/^publication |^database /.test(key))
    .map(({ key }): CatalogueDifference => ({ code: "CATALOGUE_MISSING", object: key, aspect: null }));
  const extra = onlyIn(target, source)
    .filter(({ key }) => !/^database |^foreign (?:data wrapper|server) |^user mapping /.test(key))
    .map(
      ({ key }): CatalogueDifference =>
        key.startsWith("default privileges ")
          ? { code: "PRIVILEGES_WIDENED", object: key, aspect: "acl" }
          : { code: "CATALOGUE_EXTRA", object: key, aspect: null },
    );
  const changed = [...source.objects.values()].flatMap((object) => {
    const counterpart = target.objects.get(object.key);
    if (counterpart === undefined || (object.key === largeObjectsKey && object.aspects.count === "0"))
      return [];
    return changesOf(object, counterpart, [source.major, target.major]);
  });
  return [...missing, ...extra, ...changed].sort(
    (a, b) => compareText(a.object, b.object) || compareText(a.aspect ?? "", b.aspect ?? ""),
  );
}

type Majors = readonly [source: number, target: number];

function changesOf(
  object: CatalogueObject,
  counterpart: CatalogueObject,
  majors: Majors,
): CatalogueDifference[] {
  const aspects = new Set([...Object.keys(object.aspects), ...Object.keys(counterpart.aspects)]);
  return [...aspects].flatMap((aspect): CatalogueDifference[] => {
    const [before, after] = [object.aspects[aspect] ?? "", counterpart.aspects[aspect] ?? ""];
    if (before === after || !isKept(aspect, majors)) return [];
    if (/acl$/i.test(aspect)) {
      const [held, holds] = [normaliseAcl(before, majors), normaliseAcl(after, majors)];
      if (isWidened(held, holds)) {
        return [{ code: "PRIVILEGES_WIDENED", object: object.key, aspect }];
      }
      if (held.length === holds.length) return [];
    } else if (sameDefinition({ key: object.key, aspect }, before, after, majors)) {
      return [];
    }
    return [{ code: "CATALOGUE_CHANGED", object: object.key, aspect }];
  });
}

/** An entry more, or one less that says what is not granted. */
function isWidened(held: readonly string[], holds: readonly string[]): boolean {
  const isDenial = (entry: string) => entry.startsWith("without ");
  return (
    holds.some((entry) => !isDenial(entry) && !held.includes(entry)) ||
    held.some((entry) => isDenial(entry) && !holds.includes(entry))
  );
}

function onlyIn(catalogue: Catalogue, other: Catalogue): CatalogueObject[] {
  const absent = [...catalogue.objects.values()].filter(({ key }) => !other.objects.has(key));
  const relations = new Set(
    absent.flatMap(({ key }) => {
      const relation = /^(?:table|view|materialized view|foreign table) (.*)$/s.exec(key)?.[1];
      return relation === undefined ? [] : [relation];
    }),
  );
  return absent.filter(({ parent }) => parent === null || !relations.has(parent));
}
