import type { z } from "zod";
import type { environmentPatchAnswer, memberAnswer } from "./answers.ts";
import type { RailwayContext } from "./context.ts";
import type { EnvironmentScope } from "./environment.ts";
import * as operations from "./operations.ts";
import { collectPages, pageSize } from "./paging.ts";

/** What one edit of the environment touches. No values. */
export interface Edit {
  /** Service id → names of the variables that it sets or deletes; empty where it changes something else of the service. */
  readonly services: ReadonlyMap<string, readonly string[]>;
  readonly sharedVariables: readonly string[];
}

/** An edit that was deployed. */
export interface AppliedEdit extends Edit {
  readonly at: Date;
  readonly by: string | null;
}

/** Reads what is staged; an edit of nothing where nothing is. */
export async function readStagedEdit(
  { transport }: RailwayContext,
  { environmentId }: EnvironmentScope,
): Promise<Edit> {
  const answer = await transport.request(operations.stagedChanges, { environmentId });
  return toEdit(answer.environmentStagedChanges.patch);
}

/** The newest deployed edits, newest first. In which order Railway lists them is not documented. */
export async function listAppliedEdits(
  { transport }: RailwayContext,
  { environmentId }: EnvironmentScope,
): Promise<AppliedEdit[]> {
  const patches = await collectPages(
    operations.environmentPatches.name,
    async (after) => {
      const page = { environmentId, first: pageSize, after };
      return (await transport.request(operations.environmentPatches, page)).environmentPatches;
    },
    (nodes) => nodes.length >= mostEdits,
  );
  return patches
    .flatMap(({ appliedAt, appliedBy, patch }) =>
      appliedAt ? [{ ...toEdit(patch), at: new Date(appliedAt), by: nameOf(appliedBy) }] : [],
    )
    .sort((left, right) => right.at.getTime() - left.at.getTime());
}

const mostEdits = 3 * pageSize;

/** Who caused a deployment; `null` for the platform itself, and where Railway does not tell. */
export async function readDeployer({ transport }: RailwayContext, id: string): Promise<string | null> {
  const { deployment } = await transport.request(operations.deploymentCreator, { id });
  return nameOf(deployment.creator);
}

function toEdit({ services, sharedVariables }: z.infer<typeof environmentPatchAnswer>): Edit {
  return {
    services: new Map(
      Object.entries(services ?? {}).map(([id, service]) => [id, Object.keys(service?.variables ?? {})]),
    ),
    sharedVariables: Object.keys(sharedVariables ?? {}),
  };
}

function nameOf(member: z.infer<typeof memberAnswer> | null | undefined): string | null {
  return member?.name || member?.email || null;
}
