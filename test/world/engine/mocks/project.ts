import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { z } from "zod";

const typeNames = ["string", "integer", "boolean", "array", "object"] as const;

const declarationSchema = z.object({
  type: z.enum(typeNames).default("string"),
  default: z.unknown().optional(),
  secret: z.boolean().optional(),
});

const projectSchema = z.object({
  name: z.string(),
  main: z.string().default("index.ts"),
  config: z.record(z.string(), z.unknown()).default({}),
});

export interface Project {
  readonly name: string;
  readonly main: string;
  /** The configuration as Pulumi hands it to programs: fully named keys, everything but text as JSON. */
  readonly config: Record<string, string>;
  /** What the declared types refuse; the program must not run then. */
  readonly problems: readonly string[];
}

/** Reads `Pulumi.yaml` and completes the stack's configuration by its schema, as the engine does before a program runs. */
export function readProject(directory: string, stack: string, values: Record<string, unknown>): Project {
  const { name, main, config } = projectSchema.parse(
    parse(readFileSync(join(directory, "Pulumi.yaml"), "utf8")),
  );
  const qualify = (key: string) => (key.includes(":") ? key : `${name}:${key}`);
  const complete = new Map(Object.entries(values).map(([key, value]) => [qualify(key), value]));
  const problems: string[] = [];
  for (const [key, declared] of Object.entries(config)) {
    const declaration = declarationSchema.safeParse(declared);
    // Anything else is a plain value rather than a declaration, and applies to every stack.
    const { type, default: fallback } = declaration.success
      ? declaration.data
      : { type: undefined, default: declared };
    const value = complete.get(qualify(key)) ?? fallback;
    if (value === undefined) problems.push(`Stack '${stack}' is missing configuration value '${key}'`);
    else if (type !== undefined && !fits(value, type)) {
      problems.push(`Stack '${stack}' with configuration key '${key}' must be of type '${type}'`);
    } else complete.set(qualify(key), value);
  }
  return {
    name,
    main,
    config: Object.fromEntries([...complete].map(([key, value]) => [key, toText(value)])),
    problems,
  };
}

/** A scalar counts by its text: in a stack's file `5` and `"5"` are the same. */
function fits(value: unknown, type: (typeof typeNames)[number]): boolean {
  if (type === "array") return Array.isArray(value);
  if (typeof value === "object") return type === "object" && value !== null && !Array.isArray(value);
  switch (type) {
    case "object":
      return false;
    case "integer":
      return /^-?\d+$/.test(String(value));
    case "boolean":
      return /^(true|false)$/.test(String(value));
    case "string":
      return true;
  }
}

function toText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
