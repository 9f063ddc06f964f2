import { readProjectAccess } from "../../../components/railway/access.ts";
import * as product from "../../../components/railway/operations.ts";
import { backupVolume, listVolumeBackups } from "../../../components/railway/volumes.ts";
import { NoAnswer, names, type Question, send } from "../question.ts";
import { type sourceName, targetName } from "../settings.ts";
import { idOf, refusalOf, renderedOf, type Stage, volumesOf } from "../stage.ts";

const backupName = "smoke-test";
const backupTimeoutMs = 300_000;

/** Railway's own variables that the program reads. */
const relied = [
  "RAILWAY_PRIVATE_DOMAIN",
  "RAILWAY_TCP_PROXY_DOMAIN",
  "RAILWAY_TCP_PROXY_PORT",
  "RAILWAY_SERVICE_NAME",
  "RAILWAY_ENVIRONMENT_NAME",
  "RAILWAY_VOLUME_MOUNT_PATH",
];

/** What a project token may do, and what a volume's backup is. Those that delete something come last. */
export const tokenQuestions: readonly Question[] = [
  {
    id: "project-token-project",
    question: "May a project token read its project by id?",
    source: "facts 1.2",
    assumed: "it may",
    ground: "project",
    seconds: 2,
    sends: [],
    reads: names(product.projectEnvironments),
    ask: ({ projectContext, scope: { projectId } }) =>
      refusalOf(
        () => projectContext.transport.request(product.projectEnvironments, { projectId, first: 10 }),
        "it may",
      ),
  },
  {
    id: "project-token-access",
    question: "May a project token ask projectResourceAccess whether deployments are allowed?",
    source: "components/railway/access.ts",
    assumed: "it may",
    ground: "project",
    seconds: 2,
    sends: [],
    reads: names(product.projectAccess),
    ask: ({ projectContext, scope }) => refusalOf(() => readProjectAccess(projectContext, scope), "it may"),
  },
  {
    id: "provided-variables",
    question:
      "Does Railway render every RAILWAY_ variable that the program reads, for a database with a proxy?",
    source: "facts 3.2, 7.7",
    assumed: "all of them",
    ground: "whole",
    seconds: 4,
    sends: [],
    reads: names(product.renderedVariables),
    ask: async (stage) => {
      const values = await Promise.all(
        relied.map(async (name) => ({ name, value: await renderedOf(stage, targetName, name) })),
      );
      const without = values.filter(({ value }) => !value).map(({ name }) => name);
      return without.length === 0 ? "all of them" : `all but ${without.join(", ")}`;
    },
  },
  {
    id: "project-token-backup",
    question:
      "May a project token make a backup of a volume, and is it listed when its workflow is complete?",
    source: "facts 1.2, 4.3",
    assumed: "it may, and it is listed",
    ground: "whole",
    seconds: 60,
    sends: [send(product.volumeBackupCreate, { volumeInstanceId: "<pgvector's volume>", name: backupName })],
    reads: names(product.environmentServices, product.volumeBackups, product.workflowStatus),
    ask: async (stage) => {
      const { instanceId } = await volumeOf(stage, targetName);
      return refusalOf(
        () => backupVolume(stage.projectContext, instanceId, backupName, { timeoutMs: backupTimeoutMs }),
        "it may, and it is listed",
      );
    },
  },
  {
    id: "backup-expiry",
    question: "When does a backup that was made by hand expire?",
    source: "facts 4.3",
    assumed: "never",
    ground: "whole",
    seconds: 3,
    needs: ["project-token-backup"],
    sends: [],
    reads: names(product.environmentServices, product.volumeBackups),
    ask: async (stage) => {
      const { instanceId } = await volumeOf(stage, targetName);
      const backup = (await listVolumeBackups(stage.context, instanceId)).find(
        ({ name }) => name === backupName,
      );
      if (backup === undefined) throw new NoAnswer("the backup is not listed");
      if (backup.expiresAt === null) return "never";
      const days = (backup.expiresAt.getTime() - backup.createdAt.getTime()) / 86_400_000;
      return `after ${Math.round(days)} days`;
    },
  },
  {
    id: "project-token-delete-service",
    question: "May a project token delete a service?",
    source: "facts 1.2",
    assumed: "refused: RAILWAY_NOT_AUTHORIZED",
    ground: "scratch",
    seconds: 4,
    sends: [send(product.serviceDelete, { id: "<smoke-e>", environmentId: "<environment>" })],
    reads: [],
    ask: (stage) =>
      refusalOf(
        () =>
          stage.projectContext.transport.request(product.serviceDelete, {
            id: idOf(stage, "smoke-e"),
            environmentId: stage.scope.environmentId,
          }),
        "it may",
      ),
  },
  {
    id: "project-token-delete-volume",
    question: "May a project token delete a volume?",
    source: "facts 1.2",
    assumed: "refused: RAILWAY_NOT_AUTHORIZED",
    ground: "scratch",
    seconds: 4,
    sends: [send(product.volumeDelete, { volumeId: "<the volume of smoke-d>" })],
    reads: names(product.environmentServices),
    ask: async (stage) => {
      const volume = (await volumesOf(stage)).find(({ mountPath }) => mountPath === "/data");
      if (volume === undefined) throw new NoAnswer("there is no volume to try it on");
      return refusalOf(
        () => stage.projectContext.transport.request(product.volumeDelete, { volumeId: volume.id }),
        "it may",
      );
    },
  },
];

async function volumeOf(stage: Stage, service: typeof sourceName | typeof targetName) {
  const serviceId = idOf(stage, service);
  const volume = (await volumesOf(stage)).find((one) => one.serviceId === serviceId);
  if (volume === undefined) throw new NoAnswer(`${service} has no volume`);
  return volume;
}
