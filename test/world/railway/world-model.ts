/** A project on Railway as the simulator starts it: what exists, and which real servers and programs stand behind it. */
export interface WorldModel {
  readonly workspaceId: string;
  readonly project: { readonly id: string; readonly name: string };
  /**
   * The first environment is the one whose services truly run; the others only hold configuration. Without any, the project
   * is not there until `projectCreate` makes one.
   */
  readonly environments: readonly EnvironmentModel[];
  readonly services: readonly ServiceModel[];
  readonly sharedVariables?: Readonly<Record<string, string>>;
  /** Projects of the same workspace that only appear in lists. */
  readonly otherProjects?: ReadonlyArray<{
    readonly id: string;
    readonly name: string;
    readonly description?: string;
  }>;
  /** Folder for the write ledgers of the app processes, one file a deployment. */
  readonly ledgerFolder: string;
  /** Stands behind `serviceCreate` with a PostgreSQL image: called at the first deployment of such a service. */
  readonly createDatabaseServer?: (request: DatabaseServerRequest) => Promise<DatabaseServer>;
  /** What a service that was created at run time runs; `undefined` where it is a database, or nothing that runs here. */
  readonly programOf?: (instance: ProgramRequest) => readonly [string, ...string[]] | undefined;
}

export interface EnvironmentModel {
  readonly id: string;
  readonly name: string;
  readonly isEphemeral?: boolean;
}

export type ServiceModel = DatabaseServiceModel | AppServiceModel | BystanderServiceModel;

interface CommonServiceModel {
  readonly id: string;
  readonly name: string;
  /** Raw text, references included. */
  readonly variables: Readonly<Record<string, string>>;
  /** Names of the environments that have an instance; the first environment alone by default. */
  readonly environments?: readonly string[];
}

/** A service that runs PostgreSQL on a volume, in private reach as `<label>.railway.internal:5432`. */
export interface DatabaseServiceModel extends CommonServiceModel {
  readonly kind: "database";
  readonly image: string;
  readonly volumeMountPath: string;
  readonly startCommand?: string;
  /** `false`: private only, so that `DATABASE_PUBLIC_URL` renders with an empty host and port. `true` by default. */
  readonly tcpProxy?: boolean;
  /** The TCP proxy's port where it is not the server's own: something stands in between. */
  readonly proxyPort?: number;
  readonly server: DatabaseServer;
}

/** A service built from the repository; each deployment is one process of `command`. */
export interface AppServiceModel extends CommonServiceModel {
  readonly kind: "app";
  readonly healthcheckPath: string | null;
  readonly command: readonly [string, ...string[]];
}

/** A service that exists and deploys, but runs nothing. */
export interface BystanderServiceModel extends CommonServiceModel {
  readonly kind: "bystander";
  readonly image: string;
}

/** A real server behind a database service. It keeps its port and data over `stop` and `start`. */
export interface DatabaseServer {
  readonly host: string;
  readonly port: number;
  stop(): Promise<void>;
  start(): Promise<void>;
}

export interface ProgramRequest {
  readonly image: string | null;
  readonly startCommand: string | null;
}

export interface DatabaseServerRequest {
  readonly name: string;
  readonly image: string;
  /** Rendered, as the container would see them. */
  readonly variables: Readonly<Record<string, string>>;
}
