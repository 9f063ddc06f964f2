/** Where a run tells what it does. Texts carry no secret and no row content. */
export interface Reporter {
  /** A step of the protocol begins. */
  step(text: string): void;
  /** Something worth a line of its own within a step. */
  detail(text: string): void;
}
