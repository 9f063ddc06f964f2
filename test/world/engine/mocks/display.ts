import type { StepOperation } from "../engine.ts";
import type { Properties } from "./secrets.ts";
import { mask } from "./secrets.ts";

const unknownValue = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

const signs: Record<StepOperation, string> = {
  create: "+",
  update: "~",
  replace: "±",
  delete: "-",
  same: " ",
  read: ">",
  refresh: "~",
};

/** One line for a step, such as ` ~ pulumi-nodejs:dynamic/fixture:Note first update [diff: ~text]`. */
export function describeStep(
  operation: StepOperation,
  type: string,
  name: string,
  phase: string,
  changed: readonly string[] = [],
): string {
  const difference = changed.length === 0 ? "" : ` [diff: ${changed.join("")}]`;
  return ` ${signs[operation]}  ${type} ${name} ${phase}${difference}`;
}

/** The inputs that differ, with a sign each; the provider's own text is no news to anybody. */
export function describeDifferences(olds: Properties, news: Properties): string[] {
  const keys = [...new Set([...Object.keys(olds), ...Object.keys(news)])].filter(
    (key) => key !== "__provider",
  );
  return keys.sort().flatMap((key) => {
    if (!(key in olds)) return [`+${key}`];
    if (!(key in news)) return [`-${key}`];
    return JSON.stringify(olds[key]) === JSON.stringify(news[key]) ? [] : [`~${key}`];
  });
}

export function describeOutputs(outputs: Properties): string {
  const lines = JSON.stringify(outputs, (_key, value) => (value === unknownValue ? "[unknown]" : value), 4);
  return `Outputs:\n${lines.split("\n").slice(1, -1).join("\n")}`;
}

export function maskOutputs(outputs: Properties): Properties {
  return mask(outputs);
}
