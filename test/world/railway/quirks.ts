/** Behaviour that Railway does not document, or that was seen both ways: each can be switched. */
export interface Quirks {
  /** HTTP status of an answer to a document that does not validate. */
  readonly validationStatus: 200 | 400;
  /** Whether `variableDelete`, which has no `skipDeploys`, creates a deployment. */
  readonly variableDeleteDeploys: boolean;
  /** Whether `serviceInstanceDeployV2` answers with an id that is no deployment's. */
  readonly deployAnswersForeignId: boolean;
  /** Whether a project token may delete services and volumes. */
  readonly projectTokenMayDelete: boolean;
  /** Whether a project token may back volumes up. */
  readonly projectTokenMayBackUp: boolean;
  readonly proxyDomainHasTrailingDot: boolean;
  /** Whether references are rewritten when the service that they name is renamed. */
  readonly renameRewritesReferences: boolean;
  /** Whether tokens may change anything, as those of a member who may only look may not. */
  readonly tokensReadOnly: boolean;
  /** Why nobody may deploy, in Railway's words. */
  readonly deploymentsDisallowed: string | null;
  /** Why nobody may create a sandbox (a feature that workspaces have to ask for), in Railway's words. */
  readonly sandboxesRefused: string | null;
  /** Whether a sandbox that was asked for in the private network comes up outside of it. */
  readonly sandboxesStayIsolated: boolean;
  /** Whether a service keeps its restart policy, whatever it is told. */
  readonly restartPolicyStays: boolean;
}

export const defaultQuirks: Quirks = {
  validationStatus: 400,
  variableDeleteDeploys: true,
  deployAnswersForeignId: false,
  projectTokenMayDelete: false,
  projectTokenMayBackUp: true,
  proxyDomainHasTrailingDot: false,
  renameRewritesReferences: false,
  tokensReadOnly: false,
  deploymentsDisallowed: null,
  sandboxesRefused: null,
  sandboxesStayIsolated: false,
  restartPolicyStays: false,
};
