import type { AppliedEdit, EnvironmentScope, Railway } from "../../railway/railway.ts";

/** Who changed things, as far as Railway tells. It only explains what was found, so no failure of it is one of the look. */
export interface Authors {
  /** Of the newest deployed edit of a service; of one of its variables, where a name is given. */
  editor(serviceId: string | null, variable?: string): Promise<string | null>;
  deployer(deploymentId: string): Promise<string | null>;
}

/** Asks Railway when something was found, and for the edits once only. */
export function readAuthors(railway: Railway, scope: EnvironmentScope): Authors {
  let edits: Promise<readonly AppliedEdit[]> | undefined;
  return {
    async editor(serviceId, variable) {
      edits ??= railway.appliedEdits(scope).catch(() => []);
      const edit = (await edits).find((one) => touches(one, serviceId, variable));
      return edit === undefined || edit.by === null ? null : `${edit.by} at ${edit.at.toISOString()}`;
    },
    deployer: (deploymentId) => railway.deployer(deploymentId).catch(() => null),
  };
}

function touches(edit: AppliedEdit, serviceId: string | null, variable: string | undefined): boolean {
  if (serviceId === null) return variable !== undefined && edit.sharedVariables.includes(variable);
  const names = edit.services.get(serviceId);
  return names !== undefined && (variable === undefined ? names.length === 0 : names.includes(variable));
}
