import { z } from "zod";
import type { MovedTable } from "../postgres/relations.ts";
import { reference } from "../railway/references.ts";
import { covers } from "./acceptance.ts";
import { type Finding, findingSchema } from "./finding.ts";
import { gateDifferenceCodes } from "./gate/difference.ts";
import { acceptanceSchema, transportSchema } from "./inputs.ts";
import { planBackups, plannedBackupsSchema } from "./plan/backups.ts";
import { estimateCutover, estimatesSchema } from "./plan/estimates.ts";
import type { VariableKind } from "./preflight/railway/addresses.ts";
import type { AppFacts, PreflightFacts, PreflightResult } from "./preflight/run-preflight.ts";

export { renderPlan } from "./plan/render.ts";
export { renderPlanAsMarkdown } from "./plan/render-markdown.ts";

const plannedDatabaseSchema = z.object({
  service: z.string(),
  /** `null` where the server could not be asked. */
  major: z.int().nullable(),
  host: z.string().nullable(),
  encrypted: z.boolean().nullable(),
  /** How it is reached, as the configuration says. */
  transport: transportSchema,
});

export const plannedVariableSchema = z.object({
  name: z.string(),
  /** A reference, or a description of a value that is none: never the value. */
  from: z.string(),
  to: z.string(),
});

/** What a cutover would do, for a reviewer and for other tooling. Plain data without secrets, values or row content. */
export const planSchema = z.object({
  version: z.literal(1),
  project: z.string(),
  environment: z.string(),
  source: plannedDatabaseSchema,
  target: plannedDatabaseSchema,
  schemas: z.array(z.string()),
  protectedSchemas: z.array(z.string()),
  /** `null` where the source could not be asked. */
  contents: z
    .object({
      tables: z.int(),
      sequences: z.int(),
      dataBytes: z.number(),
      indexBytes: z.number(),
      estimatedRows: z.number(),
      schemas: z.array(
        z.object({ name: z.string(), tables: z.int(), bytes: z.number(), estimatedRows: z.number() }),
      ),
      largestTables: z.array(z.object({ name: z.string(), bytes: z.number(), estimatedRows: z.number() })),
    })
    .nullable(),
  services: z.array(
    z.object({
      name: z.string(),
      wave: z.int(),
      isCanary: z.boolean(),
      startsReadOnly: z.boolean(),
      variables: z.array(plannedVariableSchema),
    }),
  ),
  dumpClient: z.string().nullable(),
  backups: plannedBackupsSchema,
  estimates: estimatesSchema,
  findings: z.array(findingSchema),
  /** Differences of the copy that the configuration accepts, should the gate find them. */
  acceptedDifferences: z.array(acceptanceSchema),
});

export type Plan = z.infer<typeof planSchema>;

/** How many of the largest tables a plan lists. */
const largestTableCount = 5;

/** Turns what the preflight saw into a plan. Pure, and the same facts give the same plan. */
export function makePlan({ findings, facts }: PreflightResult): Plan {
  const { inputs, services } = facts;
  const canaryWave = Math.min(...inputs.services.map(({ wave }) => wave));
  const to = reference(services.target?.name ?? inputs.target, "DATABASE_URL");
  return planSchema.parse({
    version: 1,
    project: facts.scope?.projectName ?? inputs.project,
    environment: facts.scope?.environmentName ?? inputs.environment,
    source: plannedDatabase("source", facts),
    target: plannedDatabase("target", facts),
    schemas: inputs.schemas,
    protectedSchemas: inputs.protectedSchemas,
    contents: contentsOf(facts),
    services: inputs.services
      .toSorted((left, right) => left.wave - right.wave || left.name.localeCompare(right.name, "en"))
      .map(({ name, wave, startsReadOnly, variables }) => {
        const app = services.apps.find((each) => each.inputs.name === name);
        return {
          name,
          wave,
          isCanary: wave === canaryWave,
          startsReadOnly,
          variables: variables.map((variable) => ({
            name: variable,
            from: describeOrigin(app, variable, facts),
            to,
          })),
        };
      }),
    dumpClient:
      facts.dumpClient === undefined
        ? null
        : `pg_dump ${facts.dumpClient.version} (${facts.dumpClient.kind})`,
    backups: planBackups(facts),
    estimates: estimateCutover(facts),
    findings,
    acceptedDifferences: inputs.accept.filter(
      (acceptance) =>
        gateCodes.includes(acceptance.code) &&
        !findings.some((finding) => covers(acceptance, finding, findings)),
    ),
  });
}

const gateCodes: readonly string[] = gateDifferenceCodes;

/** Whether the plan can be carried out, as far as it could be looked at. */
export function verdictOf({ findings }: Pick<Plan, "findings">): "ready" | "blocked" | "unchecked" {
  const has = (wanted: Finding["severity"]) => findings.some(({ severity }) => severity === wanted);
  if (has("blocker")) return "blocked";
  return has("unchecked") ? "unchecked" : "ready";
}

function plannedDatabase(side: "source" | "target", facts: PreflightFacts): Plan["source"] {
  const connection = facts.connections[side];
  return {
    service: facts.services[side]?.name ?? facts.inputs[side],
    major: facts[side]?.server?.major ?? null,
    host: connection?.host ?? null,
    encrypted: connection === undefined ? null : connection.tls !== "off",
    transport: facts.inputs.transport[side],
  };
}

function contentsOf({ source, inputs }: PreflightFacts): Plan["contents"] {
  const tables = source?.tables;
  if (tables === undefined) return null;
  const sum = (select: (table: MovedTable) => number, list: readonly MovedTable[] = tables) =>
    list.reduce((total, table) => total + select(table), 0);
  // A partitioned table's estimate repeats those of its partitions.
  const rows = (table: MovedTable) =>
    table.kind === "partitioned" ? 0 : Math.max(0, Math.round(table.estimatedRows));
  return {
    tables: tables.length,
    sequences: source?.sequences ?? 0,
    dataBytes: sum(({ sizeBytes }) => sizeBytes),
    indexBytes: sum(({ indexBytes }) => indexBytes),
    estimatedRows: sum(rows),
    schemas: inputs.schemas.map((name) => {
      const own = tables.filter(({ schema }) => schema === name);
      return {
        name,
        tables: own.length,
        bytes: sum(totalBytes, own),
        estimatedRows: sum(rows, own),
      };
    }),
    largestTables: tables
      .toSorted((left, right) => totalBytes(right) - totalBytes(left))
      .slice(0, largestTableCount)
      .map((table) => ({
        name: `${table.schema}.${table.name}`,
        bytes: totalBytes(table),
        estimatedRows: rows(table),
      })),
  };
}

function totalBytes({ sizeBytes, indexBytes }: MovedTable): number {
  return sizeBytes + indexBytes;
}

function describeOrigin(app: AppFacts | undefined, variable: string, facts: PreflightFacts): string {
  const known = app?.variables.find(({ name }) => name === variable);
  if (known === undefined) return "not checked";
  return known.pureReference ?? describeKind(known.kind, facts);
}

function describeKind(kind: VariableKind, { services, inputs }: PreflightFacts): string {
  const source = services.source?.name ?? inputs.source;
  const target = services.target?.name ?? inputs.target;
  switch (kind) {
    case "reference to source":
      return `a text with a reference to ${source}`;
    case "reference to target":
      return `a text with a reference to ${target}`;
    case "indirect reference to source":
      return `a reference that leads to ${source}`;
    case "indirect reference to target":
      return `a reference that leads to ${target}`;
    case "literal naming source":
      return `a literal that names ${source}`;
    case "literal naming target":
      return `a literal that names ${target}`;
    case "other":
      return "a value that names neither database";
    case "sealed":
      return "a sealed value";
    case "absent":
      return "(no such variable)";
    default:
      return kind satisfies never;
  }
}
