import type { Question } from "./question.ts";
import { apiQuestions } from "./questions/api.ts";
import { deploymentQuestions } from "./questions/deployments.ts";
import { lifeQuestions } from "./questions/life.ts";
import { serviceQuestions } from "./questions/services.ts";
import { tokenQuestions } from "./questions/tokens.ts";
import { variableQuestions } from "./questions/variables.ts";

/** Every question, in the order in which they are asked: what one leaves behind, a later one may find. */
export const questions: readonly Question[] = [
  ...apiQuestions,
  ...variableQuestions,
  ...deploymentQuestions,
  ...serviceQuestions,
  ...tokenQuestions,
  ...lifeQuestions,
];
