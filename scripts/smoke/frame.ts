import * as product from "../../components/railway/operations.ts";
import * as operations from "./operations.ts";
import { names, type Plan, send } from "./question.ts";

/** What the run itself sends, around the steps and the questions. */
export const framePlans: Readonly<Record<"look" | "create" | "remove", Plan>> = {
  look: {
    seconds: 5,
    sends: [],
    reads: names(operations.workspaces, operations.workspaceProjects),
  },
  create: {
    seconds: 20,
    sends: [
      send(operations.projectCreate, {
        input: {
          name: "pgvector-cutover-smoke-<random>",
          description: "<marker of the run>",
          workspaceId: "<workspace>",
          isPublic: false,
          prDeploys: false,
          defaultEnvironmentName: "production",
        },
      }),
      send(operations.projectUpdate, {
        id: "<project>",
        input: { description: "<marker of the run, with the project's id>" },
      }),
      send(operations.projectTokenCreate, {
        input: { projectId: "<project>", environmentId: "<environment>", name: "smoke-test" },
      }),
    ],
    reads: names(operations.workspaceProjects, product.projectEnvironments),
  },
  remove: {
    seconds: 20,
    sends: [send(operations.projectDelete, { id: "<project>" })],
    reads: names(operations.workspaceProjects, operations.projectServices),
  },
};
