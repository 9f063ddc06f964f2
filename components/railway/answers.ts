import { z } from "zod";

/*
 * Shapes of Railway's answers. Enumerations are read as plain text: Railway adds members without notice (its own
 * documentation lags behind its schema), and an unknown status must mean "not finished", not "cannot read".
 */

/** One page of a Relay connection. */
export interface Connection<Node> {
  readonly edges: readonly { readonly node: Node }[];
  readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor?: string | null | undefined };
}

export function connectionOf<Node extends z.ZodType>(node: Node) {
  return z.object({
    edges: z.array(z.object({ node })),
    pageInfo: z.object({ hasNextPage: z.boolean(), endCursor: z.string().nullish() }),
  });
}

/** A variable without a value is sealed: it can be written, never read. */
export const variableMapAnswer = z.record(z.string(), z.string().nullable());

export const namedAnswer = z.object({ id: z.string(), name: z.string(), deletedAt: z.string().nullish() });

export const environmentAnswer = namedAnswer.extend({ isEphemeral: z.boolean() });

export const deploymentAnswer = z.object({
  id: z.string(),
  status: z.string(),
  createdAt: z.string(),
  statusUpdatedAt: z.string().nullish(),
  serviceId: z.string().nullish(),
  environmentId: z.string(),
  deploymentStopped: z.boolean(),
  canRollback: z.boolean(),
  instances: z.array(z.object({ id: z.string(), status: z.string() })),
});

/** What a deployment read from `railway.json` or `railway.toml`. Undocumented, so nothing of it is relied upon. */
export const deploymentMetaAnswer = z.looseObject({
  configFile: z.string().nullish().catch(null),
  fileServiceManifest: z
    .looseObject({
      build: z.record(z.string(), z.unknown()).nullish(),
      deploy: z.record(z.string(), z.unknown()).nullish(),
    })
    .nullish()
    .catch(null),
});

export const environmentSettingsAnswer = z.looseObject({
  services: z
    .record(
      z.string(),
      z.looseObject({ source: z.looseObject({ autoUpdates: z.unknown().optional() }).nullish() }).nullish(),
    )
    .nullish(),
  privateNetworkDisabled: z.boolean().nullish(),
});

/** Whoever Railway names for a deployment or an edit. */
export const memberAnswer = z.object({ email: z.string(), name: z.string().nullish() });

/** What an edit of the environment changes, as far as it is read here; values are masked. */
const patchedServiceAnswer = z.looseObject({ variables: z.record(z.string(), z.unknown()).nullish() });

export const environmentPatchAnswer = z.looseObject({
  services: z.record(z.string(), patchedServiceAnswer.nullish()).nullish(),
  sharedVariables: z.record(z.string(), z.unknown()).nullish(),
});

export const serviceInstanceAnswer = z.object({
  serviceId: z.string(),
  serviceName: z.string(),
  deletedAt: z.string().nullish(),
  source: z.object({ image: z.string().nullish(), repo: z.string().nullish() }).nullish(),
  healthcheckPath: z.string().nullish(),
  healthcheckTimeout: z.number().nullish(),
  overlapSeconds: z.number().nullish(),
  drainingSeconds: z.number().nullish(),
  numReplicas: z.number().nullish(),
  sleepApplication: z.boolean().nullish(),
  startCommand: z.string().nullish(),
  preDeployCommand: z.unknown(),
  railwayConfigFile: z.string().nullish(),
  latestDeployment: deploymentAnswer.extend({ meta: deploymentMetaAnswer.nullish().catch(null) }).nullish(),
  activeDeployments: z.array(deploymentAnswer),
});

export const volumeInstanceAnswer = z.object({
  id: z.string(),
  volumeId: z.string(),
  serviceId: z.string().nullish(),
  mountPath: z.string(),
  state: z.string().nullish(),
  isPendingDeletion: z.boolean(),
  deletedAt: z.string().nullish(),
  currentSizeMB: z.number(),
  sizeMB: z.number(),
});

export const variableRecordAnswer = z.object({
  name: z.string(),
  serviceId: z.string().nullish(),
  isSealed: z.boolean(),
  references: z.array(z.string()),
  updatedAt: z.string(),
});

export const deploymentEventAnswer = z.object({
  step: z.string(),
  completedAt: z.string().nullish(),
  payload: z
    .object({ error: z.string().nullish(), reason: z.string().nullish(), skipped: z.boolean().nullish() })
    .nullish(),
});

export const tcpProxyAnswer = z.object({
  id: z.string(),
  domain: z.string(),
  proxyPort: z.number(),
  applicationPort: z.number(),
  syncStatus: z.string(),
  deletedAt: z.string().nullish(),
});

export const volumeBackupAnswer = z.object({
  id: z.string(),
  name: z.string().nullish(),
  createdAt: z.string(),
  expiresAt: z.string().nullish(),
  scheduleId: z.string().nullish(),
  usedMB: z.number().nullish(),
});
