import { randomUUID } from "node:crypto";
import type {
  Deployment,
  DeploymentWatch,
  Railway,
  RailwayService,
} from "../../../components/railway/railway.ts";

interface FakeDeployment {
  readonly id: string;
  readonly createdAt: Date;
  status: string;
  readonly variables: ReadonlyMap<string, string | null>;
}

/** One service of a Railway without lag: what the protocol needs of it, and every mutation on record. */
export class FakeRailway {
  readonly variables = new Map<string, string | null>();
  readonly deployments: FakeDeployment[] = [];
  readonly mutations: string[] = [];
  /** What was waited for to be gone. */
  readonly awaitedRemovals: string[][] = [];
  /** What a reference renders to. */
  readonly rendered: Record<string, string>;
  /** How the next deployments end. */
  outcomes: string[] = [];
  /** Whose place the newest deployment takes while it is waited for. */
  readonly superseded = new Set<string>();

  constructor(rendered: Record<string, string>) {
    this.rendered = rendered;
  }

  /** A deployment that runs with what the variables hold now. */
  deploy(status = "SUCCESS"): string {
    const id = randomUUID();
    const variables = [...this.variables].map(([name, text]) => [name, this.#render(text ?? "")] as const);
    const createdAt = new Date(this.deployments.length * 1_000);
    this.deployments.unshift({ id, createdAt, status, variables: new Map(variables) });
    return id;
  }

  client(): Railway {
    const toDeployment = ({ id, createdAt, status }: FakeDeployment) =>
      ({ id, createdAt, status, stopped: false, instances: [] }) as unknown as Deployment;
    const find = (id: string) => this.deployments.find((deployment) => deployment.id === id);
    const methods: Partial<Railway> = {
      // The services as the test hands them over are still as they were.
      listServices: async () => [],
      readService: async (_scope, id) => ({ id }) as unknown as RailwayService,
      rawVariables: async () => new Map(this.variables),
      renderedVariables: async () => this.#rendered(),
      serviceVariables: async () => ({ raw: new Map(this.variables), rendered: this.#rendered() }),
      setVariable: async (_scope, _service, name, text) => {
        this.mutations.push(`set ${name} ${text}`);
        this.variables.set(name, text);
      },
      deleteVariable: async (_scope, _service, name) => {
        this.mutations.push(`delete ${name}`);
        this.variables.delete(name);
      },
      deploy: async () => {
        this.mutations.push("deploy");
        return this.deploy(this.outcomes.shift() ?? "SUCCESS");
      },
      listDeployments: async () => this.deployments.map(toDeployment),
      deployment: async (id) => toDeployment(find(id) as FakeDeployment),
      deploymentVariables: async (id) => find(id)?.variables,
      waitForDeployment: async (_scope, _service, id) => {
        const deployment = (this.superseded.has(id) ? this.deployments[0] : find(id)) as FakeDeployment;
        if (deployment.status !== "SUCCESS")
          throw Object.assign(new Error(deployment.status), { code: "DEPLOYMENT_FAILED" });
        return toDeployment(deployment);
      },
      watchDeployment: async (): Promise<DeploymentWatch> => ({ kind: "steady" }),
      waitUntilRemoved: async (ids) => void this.awaitedRemovals.push([...ids]),
      restartDeployment: async (id) => {
        this.mutations.push("restart");
        (find(id) as FakeDeployment).status = "SUCCESS";
      },
      settle: async (look) => (await look()) ?? (await look()),
      within: () => this.client(),
      guarded: () => this.client(),
    };
    return methods as Railway;
  }

  #rendered(): ReadonlyMap<string, string | null> {
    return new Map(
      [...this.variables].map(([name, text]) => [name, text === null ? null : this.#render(text)]),
    );
  }

  #render(text: string): string {
    return this.rendered[text] ?? text;
  }
}
