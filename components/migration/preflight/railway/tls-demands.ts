import type { RailwayService } from "../../../railway/railway.ts";
import type { Finding } from "../../finding.ts";
import type { ServerFacts } from "../database/server.ts";
import { findingsOf } from "../definitions.ts";

export const tlsDefinitions = {
  TLS_NOT_ON_TARGET: {
    severity: "warning",
    acceptable: false,
    remedy:
      "Check that no application demands TLS in its code or configuration (inside Railway's private network the mesh encrypts), or switch it on: `npm run target-tls` gives the running server a certificate.",
  },
  TLS_DEMANDED: {
    severity: "blocker",
    acceptable: true,
    remedy:
      "Take the demand away before the cutover (the private network encrypts), or let the target offer TLS (`npm run target-tls -- --stack prod on`); accept it if the application does not read the variable.",
  },
} as const;

const found = findingsOf(tlsDefinitions);

/** Variables of the services by which they would demand TLS, as `service NAME`; values stay here. */
export function findTlsDemands(
  service: RailwayService | undefined,
  rendered: ReadonlyMap<string, string | null> | undefined,
): string[] {
  if (service === undefined) return [];
  return [...(rendered ?? [])]
    .filter(([name, value]) => namesTls.test(name) && demandsTls.test(value ?? ""))
    .map(([name]) => `${service.name} ${name}`);
}

/** What a server without TLS means for services whose present one has it. */
export function checkTls(
  demands: readonly string[],
  source: ServerFacts | undefined,
  target: ServerFacts | undefined,
): Finding[] {
  if (target === undefined || target.offersTls) return [];
  return [
    ...demands.map((object) =>
      found("TLS_DEMANDED", object, "It demands TLS, and the target's server offers none."),
    ),
    ...(source?.offersTls === true
      ? [
          found(
            "TLS_NOT_ON_TARGET",
            "target",
            "The source's server offers TLS and the target's does not: an application that insists on it cannot connect.",
          ),
        ]
      : []),
  ];
}

/** libpq's `PGSSLMODE`, and the usual `DATABASE_SSL`, `DB_SSL`, `DB_SSL_MODE`, `POSTGRES_SSLMODE`. */
const namesTls = /^(?:PG|(?:DATABASE|DB|POSTGRES|POSTGRESQL|PG|TYPEORM)_)SSL(?:_?MODE)?$/i;
const demandsTls = /^\s*(?:require|verify-ca|verify-full|true|1|yes|on)\s*$/i;
