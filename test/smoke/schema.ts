import { readFileSync } from "node:fs";
import { type DefinitionNode, Kind, parse, print } from "graphql";

const own = read("../../components/railway/schema.graphql");
const additions = read("../../scripts/smoke/schema-additions.graphql");

/** The program's schema with what the smoke test uses beside it, as text. Where both have a field, its arguments are united. */
export const smokeSchemaSdl: string = mergeSchemas(own, additions);

type Named = { readonly name: { readonly value: string } };

function mergeSchemas(first: string, second: string): string {
  const merged = new Map<string, DefinitionNode>();
  for (const definition of [...parse(first).definitions, ...parse(second).definitions]) {
    const name = "name" in definition ? (definition.name?.value ?? "") : "";
    const existing = merged.get(name);
    merged.set(name, existing === undefined ? definition : mergeDefinitions(existing, definition));
  }
  return print({ kind: Kind.DOCUMENT, definitions: [...merged.values()] });
}

function mergeDefinitions(first: DefinitionNode, second: DefinitionNode): DefinitionNode {
  if (first.kind === Kind.OBJECT_TYPE_DEFINITION && second.kind === Kind.OBJECT_TYPE_DEFINITION) {
    const fields = unite(first.fields ?? [], second.fields ?? [], (mine, theirs) => ({
      ...mine,
      arguments: unite(mine.arguments ?? [], theirs.arguments ?? []),
    }));
    return { ...first, fields };
  }
  if (first.kind === Kind.INPUT_OBJECT_TYPE_DEFINITION && second.kind === Kind.INPUT_OBJECT_TYPE_DEFINITION) {
    return { ...first, fields: unite(first.fields ?? [], second.fields ?? []) };
  }
  if (first.kind === Kind.ENUM_TYPE_DEFINITION && second.kind === Kind.ENUM_TYPE_DEFINITION) {
    return { ...first, values: unite(first.values ?? [], second.values ?? []) };
  }
  return first;
}

function unite<Member extends Named>(
  first: readonly Member[],
  second: readonly Member[],
  both: (mine: Member, theirs: Member) => Member = (mine) => mine,
): Member[] {
  const members = new Map(first.map((one) => [one.name.value, one]));
  for (const one of second) {
    const mine = members.get(one.name.value);
    members.set(one.name.value, mine === undefined ? one : both(mine, one));
  }
  return [...members.values()];
}

function read(file: string): string {
  return readFileSync(new URL(file, import.meta.url), "utf8");
}
