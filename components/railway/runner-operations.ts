import { z } from "zod";
import { connectionOf } from "./answers.ts";
import type { Operation } from "./transport.ts";

/** What a runner inside Railway needs of the API: sandboxes, and a service that runs once. Re-exported by `operations.ts`. */

const sandboxFields = "id status createdAt networkIsolation idleTimeoutMinutes";

export const sandboxAnswer = z.object({
  id: z.string(),
  status: z.string(),
  createdAt: z.string(),
  networkIsolation: z.string(),
  idleTimeoutMinutes: z.number().nullish(),
});

export const sandboxCreate: Operation<{ sandboxCreate: z.infer<typeof sandboxAnswer> }> = {
  kind: "mutation",
  name: "CutoverSandboxCreate",
  document: `mutation CutoverSandboxCreate($input: SandboxCreateInput!) {
    sandboxCreate(input: $input) { ${sandboxFields} }
  }`,
  answer: z.object({ sandboxCreate: sandboxAnswer }),
};

/** A sandbox that is gone, or never was, is `null`. */
export const sandbox: Operation<{ sandbox?: z.infer<typeof sandboxAnswer> | null | undefined }> = {
  kind: "query",
  name: "CutoverSandbox",
  document: `query CutoverSandbox($environmentId: String!, $id: String!) {
    sandbox(environmentId: $environmentId, id: $id) { ${sandboxFields} }
  }`,
  answer: z.object({ sandbox: sandboxAnswer.nullish() }),
};

const sandboxesAnswer = z.object({ sandboxes: connectionOf(sandboxAnswer) });

export const sandboxes: Operation<z.infer<typeof sandboxesAnswer>> = {
  kind: "query",
  name: "CutoverSandboxes",
  document: `query CutoverSandboxes($environmentId: String!, $first: Int, $after: String) {
    sandboxes(environmentId: $environmentId, first: $first, after: $after) {
      edges { node { ${sandboxFields} } } pageInfo { hasNextPage endCursor }
    }
  }`,
  answer: sandboxesAnswer,
};

const execAnswer = z.object({
  sandboxExec: z.object({
    exitCode: z.number(),
    stdout: z.string(),
    stderr: z.string(),
    timedOut: z.boolean(),
    truncated: z.boolean(),
  }),
});

/** Railway keeps the text of a command, so there is never a secret in it. */
export const sandboxExec: Operation<z.infer<typeof execAnswer>> = {
  kind: "mutation",
  name: "CutoverSandboxExec",
  document: `mutation CutoverSandboxExec($command: String!, $environmentId: String!, $id: String!, $timeoutSec: Int) {
    sandboxExec(command: $command, environmentId: $environmentId, id: $id, timeoutSec: $timeoutSec) {
      exitCode stdout stderr timedOut truncated
    }
  }`,
  answer: execAnswer,
};

const idAnswer = z.object({ id: z.string() }).nullish();

export const sandboxHeartbeat: Operation<{ sandboxHeartbeat?: { id: string } | null | undefined }> = {
  kind: "mutation",
  name: "CutoverSandboxHeartbeat",
  document: `mutation CutoverSandboxHeartbeat($environmentId: String!, $id: String!) {
    sandboxHeartbeat(environmentId: $environmentId, id: $id) { id }
  }`,
  answer: z.object({ sandboxHeartbeat: idAnswer }),
};

export const sandboxDestroy: Operation<{ sandboxDestroy?: { id: string } | null | undefined }> = {
  kind: "mutation",
  name: "CutoverSandboxDestroy",
  document: `mutation CutoverSandboxDestroy($environmentId: String!, $id: String!) {
    sandboxDestroy(environmentId: $environmentId, id: $id) { id }
  }`,
  answer: z.object({ sandboxDestroy: idAnswer }),
};

/** The environment is required here although Railway's is optional: without it the change is made in every environment. */
export const serviceInstanceUpdate: Operation<{ serviceInstanceUpdate: boolean }> = {
  kind: "mutation",
  name: "CutoverServiceInstanceUpdate",
  document: `mutation CutoverServiceInstanceUpdate(
    $environmentId: String!, $serviceId: String!, $input: ServiceInstanceUpdateInput!
  ) {
    serviceInstanceUpdate(environmentId: $environmentId, serviceId: $serviceId, input: $input)
  }`,
  answer: z.object({ serviceInstanceUpdate: z.boolean() }),
};

const runOnceSettingsAnswer = z.object({
  serviceInstance: z.object({
    source: z.object({ image: z.string().nullish() }).nullish(),
    startCommand: z.string().nullish(),
    restartPolicyType: z.string(),
    numReplicas: z.number().nullish(),
  }),
});

/** What decides what a service runs, and how often. */
export const runOnceSettings: Operation<z.infer<typeof runOnceSettingsAnswer>> = {
  kind: "query",
  name: "CutoverRunOnceSettings",
  document: `query CutoverRunOnceSettings($environmentId: String!, $serviceId: String!) {
    serviceInstance(environmentId: $environmentId, serviceId: $serviceId) {
      source { image } startCommand restartPolicyType numReplicas
    }
  }`,
  answer: runOnceSettingsAnswer,
};

const logsAnswer = z.object({
  deploymentLogs: z.array(z.object({ message: z.string(), timestamp: z.string() })),
});

export const deploymentLogs: Operation<z.infer<typeof logsAnswer>> = {
  kind: "query",
  name: "CutoverDeploymentLogs",
  document: `query CutoverDeploymentLogs($deploymentId: String!, $limit: Int, $startDate: DateTime) {
    deploymentLogs(deploymentId: $deploymentId, limit: $limit, startDate: $startDate) { message timestamp }
  }`,
  answer: logsAnswer,
};
