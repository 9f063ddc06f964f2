import { parseArgs } from "node:util";
import { CutoverError } from "../components/errors.ts";
import { sha256 } from "../components/migration/evidence/canonical.ts";
import { isSecretName, type KnownSecret } from "../components/migration/evidence/known-secrets.ts";
import { describeOperator, describeProgram } from "../components/migration/evidence/note-run.ts";
import { readEvidence } from "../components/migration/evidence/read-evidence.ts";
import { contentsDigest, sumsFile } from "../components/migration/evidence/sums.ts";
import { verifyBundle } from "../components/migration/evidence/verify.ts";
import { makeBundle } from "./evidence/bundle.ts";
import { readBundle, writeBundle } from "./evidence/files.ts";
import { assertNoSecret } from "./evidence/scan.ts";
import { readStack, runScript, wrongArguments } from "./stack.ts";

const help = `Writes the audit bundle of one cutover, also of one that was put back, from the journal in the target: who, when, by which
configuration, the plan, every step, the gate's verdict with counts and hashes, the proof of each service, the versions.
No secret and no row is in it, which is looked at once more before anything is written. Changes nothing anywhere else.

  npm run evidence -- --stack prod [--migration ID] [--out DIR]
  npm run evidence -- --verify DIR [--digest SHA256]

--migration  one by its id; default: the one that counts, the live one or else the newest
--out        a folder that does not exist yet; default: cutover-evidence-STACK-ID in this folder. Readable by you alone
--verify     recomputes every hash and checks every document of a bundle; names each altered, missing or extra file.
             Needs no token and no stack
--digest     what the bundle's digest has to be, as it was printed, written down or signed
The Railway token is taken from RAILWAY_TOKEN (project) or RAILWAY_API_TOKEN (account, workspace).

Exit codes:
  0  written, and the cutover is at its end; with --verify: nothing speaks against the bundle
  1  written of an unfinished cutover; or failed or refused: the error says why; with --verify: something speaks against it
  2  wrong arguments
`;

await runScript(async () => {
  const { values } = parseArgs({
    options: {
      stack: { type: "string" },
      migration: { type: "string" },
      out: { type: "string" },
      verify: { type: "string" },
      digest: { type: "string" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return 0;
  }
  const { verify, digest, ...making } = values;
  if (verify === undefined) {
    if (digest !== undefined) throw wrongArguments("--digest belongs to --verify");
    return make(making.stack ?? "prod", making.migration, making.out);
  }
  if (making.stack !== undefined || making.migration !== undefined || making.out !== undefined) {
    throw wrongArguments("--verify takes neither --stack nor --migration nor --out");
  }
  if (digest !== undefined && !/^[0-9a-f]{64}$/i.test(digest)) {
    throw wrongArguments("--digest takes 64 hexadecimal digits");
  }
  return check(verify, digest?.toLowerCase());
});

async function make(stack: string, id: string | undefined, out: string | undefined): Promise<number> {
  const { railway, inputs } = await readStack(stack);
  const { known, ...assembled } = await readEvidence(railway, inputs, id);
  const { migration, state, outcome } = assembled.documents["evidence.json"];
  const files = makeBundle(assembled, {
    exportedAt: new Date().toISOString(),
    exporter: await describeOperator(railway),
    program: await describeProgram(),
    stack,
  });
  assertNoSecret(files, [...known.secrets, ...secretsOfEnvironment()]);
  const { problems } = verifyBundle(new Map([...files].map(([name, text]) => [name, Buffer.from(text)])));
  if (problems.length > 0) {
    throw new CutoverError({
      code: "EVIDENCE_NOT_AS_DOCUMENTED",
      message: `The bundle does not pass its own check: ${problems.map(({ file, why }) => `${file}: ${why}`).join("; ")}. Nothing was written.`,
      remedy: "Use the version of this program that ran the cutover, and report it as a defect.",
    });
  }
  const folder = out ?? `cutover-evidence-${stack}-${migration}`;
  writeBundle(folder, files);
  const sums = files.get(sumsFile) ?? "";
  process.stdout.write(`${folder}: migration ${migration}, ${state}, ${files.size} files
  contents  ${contentsDigest(sums)}  the same for every bundle of it
  bundle    ${sha256(sums)}  of SHA256SUMS: write it down or sign it
`);
  for (const what of known.unread) console.error(`Not searched for, because it could not be read: ${what}`);
  if (outcome === "unfinished")
    console.error("The cutover is not at its end: make another bundle afterwards.");
  return outcome === "unfinished" ? 1 : 0;
}

function check(folder: string, expected: string | undefined): number {
  const { digest, problems } = verifyBundle(readBundle(folder));
  for (const { file, kind, why } of problems) process.stdout.write(`${kind}: ${file} (${why})\n`);
  const isOther = expected !== undefined && digest !== expected;
  if (isOther) process.stdout.write(`altered: ${sumsFile} (the bundle's digest is not ${expected})\n`);
  if (digest !== undefined) process.stdout.write(`bundle    ${digest}\n`);
  if (problems.length > 0 || isOther) return 1;
  process.stdout.write(
    expected === undefined
      ? "Every file is as the manifest says. Compare the digest with the one that was written down or signed.\n"
      : "Every file is as the manifest says, and the digest is the expected one.\n",
  );
  return 0;
}

/** Whatever this process was given under the name of a secret. */
function secretsOfEnvironment(): KnownSecret[] {
  return Object.entries(process.env).flatMap(([name, value]) =>
    value !== undefined && value !== "" && isSecretName(name) ? [{ what: name, value }] : [],
  );
}
