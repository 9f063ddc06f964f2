import { CutoverError } from "../errors.ts";

/** What decides which secrets the runner inside needs. */
export interface SecretNeeds {
  /** `RAILWAY_TOKEN` or `RAILWAY_API_TOKEN`, by the kind of the configured token. */
  readonly tokenVariable: string;
  /** The state's backend as a URL; `null` for a command that works without the engine. */
  readonly backend: string | null;
  /** What protects the stack's secrets: `passphrase`, `service`, or a key service's URL. */
  readonly secretsProvider: string;
  /** What else goes along where it is set, such as what says who the operator is. */
  readonly also?: readonly string[];
}

/** Where the run's secrets come from: the operator's environment, never a file of ours. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The secrets that travel, and nothing else of the operator's environment. Database URLs are not among them: the run asks
 * Railway for those itself.
 *
 * @throws CutoverError `REMOTE_BACKEND_LOCAL`, `REMOTE_SECRET_MISSING`, `REMOTE_SECRET_UNUSABLE`
 */
export function secretsFor(needs: SecretNeeds, environment: Environment): Record<string, string> {
  const backend = needs.backend === null ? undefined : schemeOf(needs.backend);
  if (backend === "file" || backend === "mem") throw backendLocal();
  const required = [needs.tokenVariable, ...(backend === undefined ? [] : backendSecrets(backend))];
  const optional = [
    ...rehearsalVariables,
    ...(needs.also ?? []),
    ...(backend === undefined ? [] : ["PULUMI_BACKEND_URL", ...cloudVariables(backend)]),
    ...(backend === undefined ? [] : cloudVariables(schemeOf(needs.secretsProvider))),
  ];
  if (backend !== undefined && needs.secretsProvider === "passphrase")
    required.push("PULUMI_CONFIG_PASSPHRASE");
  const missing = required.filter((name) => environment[name] === undefined);
  if (missing.length > 0) throw secretMissing(missing);
  const entries = [...new Set([...required, ...optional])].flatMap((name) => {
    const value = environment[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  // Railway would take it for a reference and put something else there.
  const unusable = entries.filter(([, value]) => value.includes("${{")).map(([name]) => name);
  if (unusable.length > 0) throw secretUnusable(unusable);
  return Object.fromEntries(entries);
}

/** For rehearsals, where Railway is another server, and faster. */
const rehearsalVariables = ["RAILWAY_API_URL", "RAILWAY_POLL_INTERVAL_MS", "RAILWAY_SETTLE_TIMEOUT_MS"];

function backendSecrets(scheme: string): string[] {
  if (scheme === "https" || scheme === "http") return ["PULUMI_ACCESS_TOKEN"];
  if (scheme === "s3") return ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
  if (scheme === "gs") return ["GOOGLE_CREDENTIALS"];
  if (scheme === "azblob") return ["AZURE_STORAGE_ACCOUNT"];
  return [];
}

/** The names that Pulumi reads for a cloud's storage or key service (pulumi.com/docs, "Using a DIY backend"). */
function cloudVariables(scheme: string): string[] {
  if (scheme === "s3" || scheme === "awskms") {
    return ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION"];
  }
  if (scheme === "gs" || scheme === "gcpkms") return ["GOOGLE_CREDENTIALS"];
  if (scheme === "azblob") {
    return ["AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_KEY", "AZURE_STORAGE_SAS_TOKEN"];
  }
  if (scheme === "azurekeyvault") return ["AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"];
  if (scheme === "hashivault") return ["VAULT_ADDR", "VAULT_TOKEN", "VAULT_SERVER_URL", "VAULT_SERVER_TOKEN"];
  return [];
}

function schemeOf(url: string): string {
  return /^([a-z0-9+]+):\/\//.exec(url)?.[1] ?? "";
}

function backendLocal(): CutoverError {
  return new CutoverError({
    code: "REMOTE_BACKEND_LOCAL",
    message:
      "The state of this stack is kept in a folder of this machine, which a run inside Railway cannot reach. Nothing was begun.",
    remedy:
      "Move the stack to a backend that both reach: `pulumi stack export`, `pulumi login` to Pulumi Cloud or a bucket (`s3://…`), `pulumi stack init`, `pulumi stack import`.",
  });
}

function secretMissing(names: readonly string[]): CutoverError {
  return new CutoverError({
    code: "REMOTE_SECRET_MISSING",
    message: `The run inside Railway needs ${names.join(", ")}, which this environment has not. Nothing was begun.`,
    remedy:
      "Set them in this shell. A file of credentials, or a login of the CLI on this machine, does not travel; docs/remote.md has what each is for.",
  });
}

function secretUnusable(names: readonly string[]): CutoverError {
  return new CutoverError({
    code: "REMOTE_SECRET_UNUSABLE",
    message: `The value of ${names.join(", ")} contains a dollar sign and two opening braces, which Railway takes for a reference: it would arrive changed. Nothing was begun.`,
    remedy:
      "Choose another value, such as another passphrase (`pulumi stack change-secrets-provider passphrase`).",
  });
}
