import { describeError, sqlState } from "../../components/errors.ts";
import { resolveDatabase } from "../../components/migration/decide/resolve.ts";
import { describeTarget } from "../../components/migration/prepare/create-target.ts";
import { withConnection } from "../../components/postgres/connection.ts";
import { deployService } from "../../components/railway/deployment-actions.ts";
import { waitForDeployment } from "../../components/railway/deployment-wait.ts";
import * as product from "../../components/railway/operations.ts";
import { createPostgresService } from "../../components/railway/postgres-service.ts";
import {
  applicationImage,
  applicationPort,
  applicationProgram,
  applicationStartCommand,
  healthPath,
} from "./application.ts";
import { createLife } from "./life.ts";
import * as operations from "./operations.ts";
import { NoAnswer, names, type Plan, send } from "./question.ts";
import { sourceRows, targetRows } from "./rows.ts";
import { applicationNames, inputsOf, sourceName, stackConfig, targetName } from "./settings.ts";
import { idOf, programClient, type Stage } from "./stage.ts";

/** A part of the throw-away project. */
export interface BuildStep extends Plan {
  readonly title: string;
  readonly ground: "scratch" | "whole";
  readonly run: (stage: Stage, onOutput: (text: string) => void) => Promise<void>;
}

export const workerName = "smoke-worker";
/** What `smoke-a` is renamed to. */
export const renamedName = "smoke-renamed";
const deploymentTimeoutMs = 600_000;

/** Services without a source: they hold variables and cost nothing. */
const holders: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "smoke-a": { VALUE: "first" },
  "smoke-b": { RENAMED: "${{smoke-a.VALUE}}", DELETED: "${{smoke-c.VALUE}}" },
  "smoke-c": { VALUE: "third" },
  "smoke-d": {},
  "smoke-e": {},
};

/** Every service that a run makes, under every name that it gives it. */
export const ownServices: ReadonlySet<string> = new Set([
  ...Object.keys(holders),
  renamedName,
  workerName,
  sourceName,
  targetName,
  ...applicationNames,
]);

const workerVariables = { DEPENDS: "${{smoke-e.VALUE}}", SMOKE_VERSION: "1" };
const worker = { source: { image: "alpine:3" }, startCommand: "tail -f /dev/null" };
const application = {
  source: { image: applicationImage },
  startCommand: applicationStartCommand,
  healthcheckPath: healthPath,
};
const oldImage = "ghcr.io/railwayapp-templates/postgres-ssl:15";

const planned = { projectId: "<project>", environmentId: "<environment>" };
const waiting = names(product.deployments, product.deployment, product.deploymentEvents);

/** The parts in the order in which they are built. */
export const buildSteps: readonly BuildStep[] = [
  {
    title:
      "Services that only hold variables, the four of the application without a source, and one that is deployed often",
    ground: "scratch",
    seconds: 60,
    sends: [
      ...Object.entries(holders).map(([name, variables]) =>
        send(product.serviceCreate, { input: { ...planned, name, variables } }),
      ),
      send(product.volumeCreate, {
        input: { ...planned, serviceId: "<smoke-d>", mountPath: "/data" },
      }),
      send(product.serviceCreate, { input: { ...planned, name: workerName, variables: workerVariables } }),
      ...applicationNames.map((name) =>
        send(product.serviceCreate, {
          input: {
            ...planned,
            name,
            variables: { ...applicationVariables(), SMOKE_PROGRAM: "<the program>" },
          },
        }),
      ),
      send(operations.serviceInstanceUpdate, {
        environmentId: "<environment>",
        serviceId: `<${workerName}>`,
        input: worker,
      }),
      send(product.serviceDeploy, { environmentId: "<environment>", serviceId: `<${workerName}>` }),
    ],
    reads: waiting,
    run: buildScratch,
  },
  {
    title: `The two databases: ${sourceName} (${oldImage}) and ${targetName} (pgvector/pgvector:pg17)`,
    ground: "whole",
    seconds: 240,
    sends: [sourceName, targetName].flatMap((name) => [
      send(product.serviceCreate, {
        input: {
          ...planned,
          name,
          source: { image: name === sourceName ? oldImage : "pgvector/pgvector:pg17" },
          variables: "<those of the template, with a new password>",
        },
      }),
      send(product.volumeCreate, {
        input: { ...planned, serviceId: `<${name}>`, mountPath: describeTarget(name).mountPath },
      }),
      send(product.tcpProxyCreate, {
        input: { environmentId: "<environment>", serviceId: `<${name}>`, applicationPort: 5432 },
      }),
      send(product.serviceDeploy, { environmentId: "<environment>", serviceId: `<${name}>` }),
      send(product.variableUpsert, {
        input: {
          ...planned,
          serviceId: `<${name}>`,
          name: "PGVECTOR_CUTOVER_CREATION",
          value: "finished",
          skipDeploys: true,
        },
      }),
    ]),
    reads: [
      ...waiting,
      ...names(
        product.environmentServices,
        product.rawVariables,
        product.renderedVariables,
        product.tcpProxies,
      ),
    ],
    run: buildDatabases,
  },
  {
    title: "The four services, which write to the old database and have public domains",
    ground: "whole",
    seconds: 120,
    sends: applicationNames.flatMap((name) => [
      send(operations.serviceInstanceUpdate, {
        environmentId: "<environment>",
        serviceId: `<${name}>`,
        input: application,
      }),
      send(operations.serviceDomainCreate, {
        input: { environmentId: "<environment>", serviceId: `<${name}>`, targetPort: applicationPort },
      }),
      send(product.serviceDeploy, { environmentId: "<environment>", serviceId: `<${name}>` }),
    ]),
    reads: waiting,
    run: buildApplication,
  },
];

async function buildScratch(stage: Stage): Promise<void> {
  const { context, scope } = stage;
  for (const [name, variables] of Object.entries(holders)) await createService(stage, name, variables);
  const { projectId, environmentId } = scope;
  const input = { projectId, environmentId, serviceId: idOf(stage, "smoke-d"), mountPath: "/data" };
  await context.transport.request(product.volumeCreate, { input });
  await createService(stage, workerName, workerVariables);
  for (const name of applicationNames)
    await createService(stage, name, { ...applicationVariables(), SMOKE_PROGRAM: applicationProgram });
  await context.transport.request(operations.serviceInstanceUpdate, {
    environmentId,
    serviceId: idOf(stage, workerName),
    input: worker,
  });
  await deployAndWait(stage, workerName);
}

async function buildDatabases(stage: Stage): Promise<void> {
  const { context, scope } = stage;
  const requests = [{ ...describeTarget(sourceName), image: oldImage }, describeTarget(targetName)];
  await Promise.all(
    requests.map(async (request) => {
      const service = await createPostgresService(context, scope, { ...request, deploymentTimeoutMs });
      stage.services.set(request.name, service.id);
    }),
  );
  await fillDatabase(stage, "source", sourceRows);
  await fillDatabase(stage, "target", targetRows);
}

/** Waits until the database accepts connections from outside, as Railway says that it is reached. */
async function fillDatabase(stage: Stage, label: "source" | "target", rows: string): Promise<void> {
  const { context, scope } = stage;
  const config = stackConfig(scope.projectId, () => "https://unknown.example/health");
  const inputs = inputsOf({ ...config, tokenKind: stage.token.kind });
  const railway = programClient(stage.token, stage.access);
  let last: unknown;
  const ready = await context.poll(async () => {
    try {
      const { connection } = await resolveDatabase(railway, scope, inputs, label);
      await withConnection(connection, { purpose: "smoke" }, (client) => client.query(rows));
      return true;
    } catch (error) {
      // All rows or none: the answer of an earlier attempt was lost.
      if (alreadyThere.has(sqlState(error) ?? "")) return true;
      last = error;
      return undefined;
    }
  }, deploymentTimeoutMs);
  if (ready === undefined)
    throw new NoAnswer(`the ${label} did not accept connections: ${describeError(last)}`);
}

/** A schema or a table of that name exists (PostgreSQL manual, appendix A). */
const alreadyThere: ReadonlySet<string> = new Set(["42P06", "42P07"]);

async function buildApplication(stage: Stage, onOutput: (text: string) => void): Promise<void> {
  const { context, scope } = stage;
  const { environmentId } = scope;
  for (const name of applicationNames) {
    const serviceId = idOf(stage, name);
    await context.transport.request(operations.serviceInstanceUpdate, {
      environmentId,
      serviceId,
      input: application,
    });
    const input = { environmentId, serviceId, targetPort: applicationPort };
    const answer = await context.transport.request(operations.serviceDomainCreate, { input });
    stage.origins.set(name, originOf(answer.serviceDomainCreate.domain));
  }
  await Promise.all(applicationNames.map((name) => deployAndWait(stage, name)));
  stage.life = await createLife(stage, onOutput);
}

async function createService(
  stage: Stage,
  name: string,
  variables: Readonly<Record<string, string>>,
): Promise<void> {
  const { projectId, environmentId } = stage.scope;
  const input = { projectId, environmentId, name, variables };
  const { serviceCreate } = await stage.context.transport.request(product.serviceCreate, { input });
  stage.services.set(name, serviceCreate.id);
}

async function deployAndWait(stage: Stage, name: string): Promise<void> {
  const { context, scope } = stage;
  const serviceId = idOf(stage, name);
  const id = await deployService(context, scope, serviceId);
  await waitForDeployment(context, scope, serviceId, id, { timeoutMs: deploymentTimeoutMs });
}

function applicationVariables(): Record<string, string> {
  return { DATABASE_URL: `\${{${sourceName}.DATABASE_URL}}`, PORT: String(applicationPort) };
}

/** Railway's domains are https; the simulator's are on loopback. */
function originOf(domain: string): string {
  return /^127\.0\.0\.1:/.test(domain) ? `http://${domain}` : `https://${domain}`;
}
