import { appendFileSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { dynamic } from "@pulumi/pulumi";
import { z } from "zod";
import {
  checkInputs,
  encodeProperties,
  knownInputs,
  type Properties,
} from "../../../../../components/dynamic/codec.ts";

const inputsSchema = z.strictObject({
  name: z.string(),
  text: z.string().max(40, "longer than a note"),
  heading: z.string(),
  label: z.string().optional(),
  password: z.string().optional(),
});
const outputsSchema = inputsSchema.extend({ length: z.int(), observed: z.string() });

/** Keeps each note as a file, and tells every call in `calls.jsonl`; files named after a fault make it fail. */
export const provider: dynamic.ResourceProvider = {
  async configure({ config }) {
    tell("configure", { greeting: config.get("greeting") });
  },
  async check(olds: Properties, news: Properties) {
    tell("check", { olds, news });
    return checkInputs(inputsSchema, news);
  },
  async diff(_id, olds: Properties, news: Properties) {
    tell("diff", { olds, news });
    const reading = knownInputs(inputsSchema, news);
    if (reading.kind !== "known") return { changes: true };
    if (olds.label !== reading.inputs.label) return { changes: true, replaces: ["label"] };
    return {
      changes: olds.observed !== reading.inputs.text || olds.heading !== reading.inputs.heading,
    };
  },
  async create(inputs: Properties) {
    tell("create", { inputs });
    const { id, outs } = keep(inputs);
    return { id, outs };
  },
  async read(id, outputs: Properties = {}) {
    tell("read", { outputs });
    if (!existsSync(path(`${id}.txt`))) return {};
    const observed = readFileSync(path(`${id}.txt`), "utf8");
    return { id, props: encodeProperties(outputsSchema, { ...outputs, observed }, outputs) };
  },
  async update(_id, olds: Properties, news: Properties) {
    tell("update", { olds, news });
    return { outs: keep(news).outs };
  },
  async delete(id) {
    tell("delete", { id });
    rmSync(path(`${id}.txt`), { force: true });
  },
};

function keep(news: Properties): { id: string; outs: Properties } {
  const reading = knownInputs(inputsSchema, news);
  if (reading.kind !== "known") throw new Error("the inputs of a note are not known");
  const { name, ...rest } = reading.inputs;
  if (existsSync(path(`refuse-${name}`))) throw new Error(`the pen is broken for ${name}`);
  writeFileSync(path(`${name}.txt`), rest.text);
  console.log(`keeping ${name}`);
  const outs = encodeProperties(
    outputsSchema,
    { name, ...rest, length: rest.text.length, observed: rest.text },
    news,
  );
  if (existsSync(path(`tear-${name}`))) throw new UnfinishedResource(name, outs, [`${name} is torn`]);
  return { id: name, outs };
}

function tell(call: string, details: object): void {
  appendFileSync(path("calls.jsonl"), `${JSON.stringify({ call, ...details })}\n`);
}

function path(name: string): string {
  const world = process.env.FIXTURE_WORLD;
  if (world === undefined) throw new Error("FIXTURE_WORLD is not set");
  return join(world, name);
}

/**
 * Tells Pulumi that the resource exists but is not finished: the update fails, `properties` are saved, and the next
 * `up` calls `update` whatever `diff` says.
 */
class UnfinishedResource extends Error {
  readonly id: string;
  readonly properties: Record<string, unknown>;
  /** All that the operator gets to see: Pulumi drops the message when there are reasons. */
  readonly reasons: string[];

  /** @param properties From `encodeProperties`: without the provider's text the state could never be read again. */
  constructor(id: string, properties: Record<string, unknown>, reasons: string[]) {
    super(reasons.join("\n"));
    this.name = "UnfinishedResource";
    this.id = id;
    this.properties = properties;
    this.reasons = reasons;
  }
}
