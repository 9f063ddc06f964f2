import { namesService, parseReferences } from "../../../railway/references.ts";

/** Everything by which the text of a variable can name one of the two database services. */
export interface DatabaseAddresses {
  readonly serviceName: string;
  /** Hosts that belong to this service alone, such as `postgres.railway.internal`. */
  readonly hosts: readonly string[];
  /** `host:port` pairs, for hosts that several services share, such as a TCP proxy's. */
  readonly endpoints: readonly string[];
  /** What the service's own URLs log in to, and as whom. */
  readonly logins: readonly Login[];
}

export interface Login {
  readonly database: string;
  readonly user: string;
}

/**
 * - `reference to …`: the text names the service in `${{…}}`.
 * - `indirect reference to …`: it names something else, for example a shared variable, that renders to the service.
 * - `literal naming …`: the address itself is in the text.
 */
export type VariableKind =
  | `reference to ${DatabaseSide}`
  | `indirect reference to ${DatabaseSide}`
  | `literal naming ${DatabaseSide}`
  | "other"
  | "sealed"
  | "absent";

export type DatabaseSide = "source" | "target";

/** Collects the addresses of a database service from its rendered variables. */
export function addressesOf(
  serviceName: string,
  rendered: ReadonlyMap<string, string | null>,
): DatabaseAddresses {
  const logins: Login[] = [];
  const hosts = new Set<string>();
  const endpoints = new Set<string>();
  const add = (host: string | null | undefined, port: string | null | undefined) => {
    const name = host?.toLowerCase().replace(/\.$/, "") ?? "";
    if (name === "") return;
    if (name.endsWith(".railway.internal")) hosts.add(name);
    else if (port) endpoints.add(`${name}:${port}`);
  };
  add(rendered.get("RAILWAY_PRIVATE_DOMAIN"), "5432");
  add(rendered.get("RAILWAY_TCP_PROXY_DOMAIN"), rendered.get("RAILWAY_TCP_PROXY_PORT"));
  for (const text of rendered.values()) {
    const url = databaseUrl(text);
    if (url !== undefined) add(url.hostname, url.port || "5432");
    const login = loginOf(text);
    if (login !== undefined) logins.push(login);
  }
  return { serviceName, hosts: [...hosts], endpoints: [...endpoints], logins };
}

/** Whom a database URL logs in, and where; `undefined` for another text. */
export function loginOf(text: string | null | undefined): Login | undefined {
  const url = databaseUrl(text ?? null);
  if (url === undefined) return undefined;
  return { database: decode(url.pathname.slice(1)), user: decode(url.username) };
}

/** Which of the two databases a variable points at, and how. Neither text leaves this function. */
export function classifyVariable(
  raw: string | null | undefined,
  rendered: string | null | undefined,
  databases: Readonly<Partial<Record<DatabaseSide, DatabaseAddresses>>>,
): VariableKind {
  if (raw === undefined) return "absent";
  if (raw === null) return "sealed";
  for (const side of ["source", "target"] as const) {
    const database = databases[side];
    if (database !== undefined && namesService(raw, database.serviceName)) return `reference to ${side}`;
  }
  for (const side of ["source", "target"] as const) {
    const database = databases[side];
    if (database === undefined) continue;
    if (containsAddress(raw, database)) return `literal naming ${side}`;
    if (parseReferences(raw).length > 0 && containsAddress(rendered ?? "", database)) {
      return `indirect reference to ${side}`;
    }
  }
  return "other";
}

/** Names of the parameters after the `?` of a database URL; a plain reference drops them. */
export function connectionParameters(raw: string): string[] {
  const query = raw.split("?").slice(1).join("?");
  return [...new Set(query.split("&").map((pair) => pair.split("=")[0] ?? ""))].filter((name) =>
    /^\w+$/.test(name),
  );
}

function containsAddress(text: string, database: DatabaseAddresses): boolean {
  const lower = text.toLowerCase();
  return [...database.hosts, ...database.endpoints].some((address) =>
    new RegExp(`(?<![a-z0-9.-])${escapePattern(address)}(?![a-z0-9-]|\\.[a-z0-9])`).test(lower),
  );
}

function databaseUrl(text: string | null): URL | undefined {
  if (text === null || !/^postgres(ql)?:\/\//.test(text) || !URL.canParse(text)) return undefined;
  return new URL(text);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function escapePattern(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
