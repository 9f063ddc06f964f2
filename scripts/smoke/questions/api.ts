import { randomUUID } from "node:crypto";
import * as product from "../../../components/railway/operations.ts";
import { authorisationHeader } from "../../../components/railway/token.ts";
import { NoAnswer, names, type Question } from "../question.ts";
import { refusalOf, type Stage, volumesOf } from "../stage.ts";

/** How the API itself answers. */
export const apiQuestions: readonly Question[] = [
  {
    id: "validation-status",
    question: "With which HTTP status does Railway answer a document that does not fit its schema?",
    source: "facts 1.4, 7.1",
    assumed: "400",
    ground: "project",
    seconds: 1,
    sends: [],
    reads: ["SmokeInvalidDocument"],
    ask: async ({ token, access }) => {
      const url = new URL(access.endpoint);
      url.searchParams.set("source", "railway-pgvector-cutover");
      const response = await fetch(url, {
        method: "POST",
        headers: {
          "Content-Type": "application/json",
          "User-Agent": "railway-pgvector-cutover",
          ...authorisationHeader(token),
        },
        body: JSON.stringify({ query: "query SmokeInvalidDocument { thereIsNoSuchField }" }),
        redirect: "manual",
        signal: AbortSignal.timeout(30_000),
      });
      await response.body?.cancel();
      return String(response.status);
    },
  },
  {
    id: "unknown-id",
    question: "What is a deployment that does not exist answered with?",
    source: "facts 1.4",
    assumed: "refused: RAILWAY_NOT_FOUND",
    ground: "project",
    seconds: 2,
    sends: [],
    reads: names(product.deployment),
    ask: ({ context }) =>
      refusalOf(() => context.transport.request(product.deployment, { id: randomUUID() }), "an answer"),
  },
  {
    id: "wrong-kind-of-id",
    question: "What is the id of a volume answered with where that of its instance is expected?",
    source: "facts 1.4",
    assumed: "refused: RAILWAY_NOT_AUTHORIZED",
    ground: "scratch",
    seconds: 4,
    sends: [],
    reads: names(product.environmentServices, product.volumeBackups),
    ask: async (stage) => {
      const volume = await anyVolume(stage);
      return refusalOf(
        () => stage.context.transport.request(product.volumeBackups, { volumeInstanceId: volume }),
        "an answer",
      );
    },
  },
];

async function anyVolume(stage: Stage): Promise<string> {
  const volume = await stage.context.settle(async () => (await volumesOf(stage))[0]);
  if (volume === undefined) throw new NoAnswer("Railway's reads show no volume");
  return volume.id;
}
