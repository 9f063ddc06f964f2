import { lookIntoServices } from "../../railway/present.ts";
import type { EnvironmentScope, Railway, RailwayService } from "../../railway/railway.ts";
import { addressesOf, classifyVariable } from "../preflight/railway/addresses.ts";
import { findTlsDemands } from "../preflight/railway/tls-demands.ts";

/**
 * What a client asks of the server, as far as a variable tells:
 * - `none`: never TLS.
 * - `either`: TLS where the server offers it, clear text where it does not.
 * - `unsaid`: the driver's default decides: `prefer` in libpq and Prisma, clear text in node-postgres.
 * - `tls`: TLS, from whatever server.
 * - `verified`: TLS with a certificate that the client can verify.
 * - `unreadable`: the variable is sealed.
 */
export type TlsWish = "none" | "either" | "unsaid" | "tls" | "verified" | "unreadable";

/** A variable by which a service reaches the target, or is told about TLS. Its value is never part of it. */
export interface ClientVariable {
  /** `service NAME`. */
  readonly object: string;
  readonly wish: TlsWish;
}

/** Every variable of the environment's services that leads to the target. Reads only. */
export async function readClientVariables(
  railway: Railway,
  scope: EnvironmentScope,
  target: RailwayService,
): Promise<ClientVariable[]> {
  const addresses = addressesOf(target.name, await railway.renderedVariables(scope, target.id));
  const services = (await railway.listServices(scope)).filter(({ id }) => id !== target.id);
  const read = await lookIntoServices(railway, scope, services, (present) =>
    Promise.all(
      present.map(async (service) => ({ service, ...(await railway.serviceVariables(scope, service.id)) })),
    ),
  );
  return read.flatMap(({ service, raw, rendered }) => {
    const leading = [...raw].flatMap(([name, text]): ClientVariable[] => {
      const kind = classifyVariable(text, rendered.get(name), { target: addresses });
      if (!kind.endsWith("target")) return [];
      return [{ object: `${service.name} ${name}`, wish: wishOf(rendered.get(name)) }];
    });
    const sealed = [...raw]
      .filter(([name, text]) => text === null && /URL|DSN|URI/i.test(name))
      .map(([name]): ClientVariable => ({ object: `${service.name} ${name}`, wish: "unreadable" }));
    // Alone they may be about another database.
    const demands = leading.length === 0 ? [] : findTlsDemands(service, rendered);
    return [...leading, ...sealed, ...demands.map((object): ClientVariable => ({ object, wish: "tls" }))];
  });
}

/** What a database URL asks for. Pure. */
export function wishOf(text: string | null | undefined): TlsWish {
  if (text === null) return "unreadable";
  if (text === undefined || !/^postgres(ql)?:\/\//.test(text) || !URL.canParse(text)) return "unsaid";
  const parameters = new Map(
    [...new URL(text).searchParams].map(([name, value]) => [name.toLowerCase(), value.toLowerCase()]),
  );
  // Prisma's name for it, and libpq's: with a root certificate `require` verifies, too (manual 32.19.1).
  const verifies = parameters.get("sslaccept") === "strict" || parameters.has("sslrootcert");
  switch (parameters.get("sslmode") ?? parameters.get("ssl")) {
    case "disable":
    case "false":
    case "0":
      return "none";
    case "allow":
    case "prefer":
      return "either";
    case "verify-ca":
    case "verify-full":
      return "verified";
    case "require":
    case "no-verify":
    case "true":
    case "1":
      return verifies ? "verified" : "tls";
    default:
      return verifies ? "verified" : "unsaid";
  }
}
