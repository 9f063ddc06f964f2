import {
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLInputField,
  type GraphQLNamedType,
  type GraphQLSchema,
  isEnumType,
  isInputObjectType,
  isObjectType,
  isRequiredArgument,
  isRequiredInputField,
  isSpecifiedScalarType,
  parse,
  print,
  validate,
} from "graphql";
import type { Operation } from "./transport.ts";

/** Where our own schema says something that a published one does not; empty when ours is a part of it. */
export function findSchemaDifferences(own: GraphQLSchema, published: GraphQLSchema): string[] {
  return Object.values(own.getTypeMap())
    .filter((type) => !type.name.startsWith("__") && !isSpecifiedScalarType(type))
    .flatMap((type) => compareTypes(type, published.getType(type.name)));
}

/** What a published schema would refuse in our operations: `CutoverDeployment: Cannot query field …`. */
export function findInvalidOperations(
  operations: readonly Operation<unknown>[],
  published: GraphQLSchema,
): string[] {
  return operations.flatMap(({ name, document }) =>
    validate(published, parse(document)).map(({ message }) => `${name}: ${message}`),
  );
}

function compareTypes(own: GraphQLNamedType, published: GraphQLNamedType | undefined): string[] {
  if (published === undefined) return [`type ${own.name} is gone`];
  if (own.constructor !== published.constructor) return [`type ${own.name} is of another kind`];
  if (isEnumType(own) && isEnumType(published)) {
    return own
      .getValues()
      .filter(({ name }) => published.getValue(name) === undefined)
      .map(({ name }) => `${own.name}.${name} is gone`);
  }
  if (isObjectType(own) && isObjectType(published)) {
    return compareMembers(own.name, own.getFields(), published.getFields(), compareArguments);
  }
  if (isInputObjectType(own) && isInputObjectType(published)) {
    const fields = published.getFields();
    return [
      ...compareMembers(own.name, own.getFields(), fields, compareDefaults),
      ...newlyRequired(own.name, own.getFields(), Object.values(fields).filter(isRequiredInputField)),
    ];
  }
  return [];
}

function compareMembers<Member extends { readonly type: { toString(): string } }>(
  owner: string,
  own: Readonly<Record<string, Member>>,
  published: Readonly<Record<string, Member>>,
  compareFurther: (path: string, own: Member, published: Member) => string[],
): string[] {
  return Object.entries(own).flatMap(([name, member]) => {
    const path = `${owner}.${name}`;
    const counterpart = published[name];
    if (counterpart === undefined) return [`${path} is gone`];
    const [ours, theirs] = [String(member.type), String(counterpart.type)];
    return [
      ...(ours === theirs ? [] : [`${path} is ${theirs}, not ${ours}`]),
      ...compareFurther(path, member, counterpart),
    ];
  });
}

function compareArguments(
  path: string,
  own: GraphQLField<unknown, unknown>,
  published: GraphQLField<unknown, unknown>,
): string[] {
  const ours = byName(own.args);
  return [
    ...compareMembers(path, ours, byName(published.args), compareDefaults),
    ...newlyRequired(path, ours, published.args.filter(isRequiredArgument)),
  ];
}

function compareDefaults(
  path: string,
  own: GraphQLArgument | GraphQLInputField,
  published: GraphQLArgument | GraphQLInputField,
): string[] {
  const [ours, theirs] = [defaultText(own), defaultText(published)];
  return ours === theirs ? [] : [`${path} has the default ${theirs ?? "none"}, not ${ours ?? "none"}`];
}

function defaultText({ default: given }: GraphQLArgument | GraphQLInputField): string | undefined {
  if (given === undefined) return undefined;
  return given.literal === undefined ? JSON.stringify(given.value) : print(given.literal);
}

function newlyRequired(
  path: string,
  own: Readonly<Record<string, unknown>>,
  required: readonly { readonly name: string }[],
): string[] {
  return required.filter(({ name }) => !(name in own)).map(({ name }) => `${path} now requires ${name}`);
}

function byName(list: readonly GraphQLArgument[]): Record<string, GraphQLArgument> {
  return Object.fromEntries(list.map((entry) => [entry.name, entry]));
}
