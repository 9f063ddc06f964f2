/** How far the deployment of one service has come, as far as the server's password is concerned. */
export interface DeploymentProgress {
  /**
   * Whether its new container may be refused for a while: Railway leaves the old one in place until the health check
   * passes, and nothing that runs once only, such as a command before the deployment, has to log in.
   */
  readonly canWait: boolean;
  /** Since when it has been past its build, `null` while it is not: its container starts about then. */
  readonly builtSinceMs: number | null;
}

/**
 * Whether the server's password is to be changed now. Until then old containers get new sessions and new ones do not;
 * afterwards it is the other way round, so the best moment is when every new container is about to start: what fails in a
 * build has then failed while nothing was changed. A container that cannot wait, or has waited long enough, decides for all.
 */
export function isRightMoment(
  progress: readonly DeploymentProgress[],
  nowMs: number,
  patienceMs: number,
): boolean {
  const built = progress.filter(({ builtSinceMs }) => builtSinceMs !== null);
  if (built.length === progress.length) return true;
  return built.some(({ canWait, builtSinceMs }) => !canWait || nowMs - (builtSinceMs ?? nowMs) >= patienceMs);
}
