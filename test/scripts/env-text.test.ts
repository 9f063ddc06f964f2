import { parseEnv } from "node:util";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { findAssignments, removeAddition, setVariable } from "../../scripts/local-env/env-text.ts";

const name = "LLM_DATABASE_URL";
const value = '"postgresql://new:x@host:5432/railway"';

describe("setVariable", () => {
  test.for([
    ["an empty file", "", `${name}=${value}\n`],
    ["a value", `${name}=old\n`, `${name}=${value}\n`],
    ["no value", `A=1\n${name}=\nB=2\n`, `A=1\n${name}=${value}\nB=2\n`],
    ["a value in double quotes", `${name}="o#ld" # why\n`, `${name}=${value} # why\n`],
    ["a value in single quotes", `${name}='old'`, `${name}=${value}`],
    ["a value over several lines", `${name}="a\nb"\nB=2\n`, `${name}=${value}\nB=2\n`],
    ["an escaped quote", `${name}="a\\"b" # c\nB="2"\n`, `${name}=${value} # c\nB="2"\n`],
    ["a remark behind", `${name}=old # why\n`, `${name}=${value} # why\n`],
    ["blanks around", `  ${name} =  old  \nB=2`, `  ${name} =  ${value}  \nB=2`],
    ["export", `export ${name}=old\n`, `export ${name}=${value}\n`],
    ["a colon", `${name}: old\n`, `${name}: ${value}\n`],
    [
      "the last of two, which is the one that counts",
      `${name}=a\n${name}=b\n`,
      `${name}=a\n${name}=${value}\n`,
    ],
    ["not in a remark", `# ${name}=old\n`, `# ${name}=old\n${name}=${value}\n`],
    ["not in another's value", `A="\n${name}=old\n"\n`, `A="\n${name}=old\n"\n${name}=${value}\n`],
    ["not of a longer name", `X_${name}=1\n${name}_2=2\n`, `X_${name}=1\n${name}_2=2\n${name}=${value}\n`],
    ["Windows line breaks", `A=1\r\n${name}=old\r\nB=2\r\n`, `A=1\r\n${name}=${value}\r\nB=2\r\n`],
    ["added with Windows line breaks", "A=1\r\nB=2", `A=1\r\nB=2\r\n${name}=${value}\r\n`],
    ["added to an open last line", "A=1", `A=1\n${name}=${value}\n`],
    ["remarks and blank lines below", `${name}=old\n\n# B\n\nB=2\n`, `${name}=${value}\n\n# B\n\nB=2\n`],
  ])("%s", ([, before = "", after]) => {
    const { text } = setVariable(before, name, value);
    expect(text).toBe(after);
    expect(findAssignments(text, name).at(-1)?.raw).toBe(value);
  });

  test("keeps what is no valid UTF-8, and a letter whose last byte looks like a blank", () => {
    const before = Buffer.from([0xc3, 0xa0, 0x20, 0xff, 0xfe, 0x0a]);
    const text = Buffer.concat([Buffer.from("A="), before, Buffer.from(`${name}=à\n`)]).toString("latin1");
    const bytes = Buffer.from(setVariable(text, name, value).text, "latin1");
    expect(bytes).toEqual(Buffer.concat([Buffer.from("A="), before, Buffer.from(`${name}=${value}\n`)]));
  });

  test("in any file: readers see the new value and every other as before, and it can be taken back", () => {
    fc.assert(
      fc.property(fc.array(line()), fc.constantFrom("\n", "\r\n"), fc.boolean(), (lines, eol, isOpen) => {
        const before = lines.join(eol) + (isOpen || lines.length === 0 ? "" : eol);
        const { text, addition } = setVariable(before, name, value);
        const { [name]: _former, ...others } = parseEnv(before);
        const { [name]: now, ...othersNow } = parseEnv(text);
        expect(`"${now}"`).toBe(value);
        expect(othersNow).toEqual(others);
        const present = findAssignments(text, name).at(-1);
        if (present === undefined) throw new Error("it was set");
        if (addition !== null) expect(removeAddition(text, present, addition)).toBe(before);
      }),
      { numRuns: 500 },
    );
  });
});

describe("removeAddition", () => {
  test.for([
    ["what was added", `A=1\n${name}=x\n`, `\n${name}=x\n`, "A=1"],
    ["the line alone where others wrote behind it", `A=1\n${name}=x\nB=2\n`, `\n${name}=x\n`, "A=1\nB=2\n"],
    [
      "the line alone where its surroundings changed",
      `A=1\r\n${name}=x # mine\r\nB=2`,
      `\n${name}=x\n`,
      "A=1\r\nB=2",
    ],
  ])("takes away %s", ([, text = "", addition = "", expected]) => {
    const present = findAssignments(text, name).at(-1);
    expect(present && removeAddition(text, present, addition)).toBe(expected);
  });
});

/** A line as people write them: assignments, remarks, blank ones, values over two lines. */
function line(): fc.Arbitrary<string> {
  const word = fc.stringMatching(/^[A-Za-z0-9/:.@-]{0,8}$/);
  const names = fc.constantFrom("A", "DATABASE_URL", name, `${name}_OLD`, "B_2");
  return fc.oneof(
    fc.tuple(names, word).map(([variable, text]) => `${variable}=${text}`),
    fc.tuple(names, word).map(([variable, text]) => `${variable}="${text} # ${text}"`),
    fc.tuple(names, word).map(([variable, text]) => `${variable}='${text}' # ${text}`),
    fc.tuple(names, word).map(([variable, text]) => `${variable}="${text}\n${name}=${text}"`),
    fc.tuple(names, word).map(([variable, text]) => `# ${variable}=${text}`),
    fc.constant(""),
  );
}
