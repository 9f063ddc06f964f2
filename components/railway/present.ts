import { hasCode } from "../errors.ts";
import type { EnvironmentScope, Railway, RailwayService } from "./railway.ts";

/** Whether Railway may say so of something that is gone: to a project token it does not tell that from what is out of reach. */
function mayBeGone(error: unknown): boolean {
  return hasCode(error, "RAILWAY_NOT_FOUND", "RAILWAY_NOT_AUTHORIZED");
}

/**
 * Looks into listed services, which their owners may delete meanwhile: whatever the list does not name any more is left out,
 * and the look begun again without it.
 *
 * @param look reads only
 * @throws what the look threw, where everything is still listed
 */
export function lookIntoServices<Service extends Pick<RailwayService, "id">, Seen>(
  railway: Pick<Railway, "listServices" | "settle">,
  scope: EnvironmentScope,
  services: readonly Service[],
  look: (present: readonly Service[]) => Promise<Seen>,
): Promise<Seen> {
  const listed = async () => (await railway.listServices(scope)).map(({ id }) => id);
  return lookIntoPresent(railway, services, ({ id }) => id, listed, look);
}

/** The same for a project's environments, such as those of pull requests. */
export function lookIntoEnvironments<Seen>(
  railway: Pick<Railway, "environmentFacts" | "settle">,
  own: EnvironmentScope,
  environments: readonly EnvironmentScope[],
  look: (present: readonly EnvironmentScope[]) => Promise<Seen>,
): Promise<Seen> {
  const listed = async () =>
    (await railway.environmentFacts(own)).projectEnvironments?.map(({ environmentId }) => environmentId);
  return lookIntoPresent(railway, environments, ({ environmentId }) => environmentId, listed, look);
}

/** Ends, since each time fewer are left. */
async function lookIntoPresent<Item, Seen>(
  { settle }: Pick<Railway, "settle">,
  items: readonly Item[],
  idOf: (item: Item) => string,
  listed: () => Promise<readonly string[] | undefined>,
  look: (present: readonly Item[]) => Promise<Seen>,
): Promise<Seen> {
  try {
    return await look(items);
  } catch (error) {
    if (!mayBeGone(error)) throw error;
    const left = await settle(async () => {
      const ids = await listed();
      if (ids === undefined) return items;
      const present = items.filter((item) => ids.includes(idOf(item)));
      return present.length < items.length ? present : undefined;
    });
    if (left === undefined || left.length === items.length) throw error;
    return lookIntoPresent({ settle }, left, idOf, listed, look);
  }
}
