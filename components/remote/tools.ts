/** One thing that the runner needs: how to see that it is there, and how it gets there. */
export interface Tool {
  readonly name: string;
  /** Bash that ends with 0 when nothing has to be done. */
  readonly check: string;
  /** Bash that provides it. It runs in the project's folder, as root, on Debian. */
  readonly install: string;
}

export interface ToolVersions {
  /** Of Node, without a "v". */
  readonly node: string;
  /** Of the Pulumi CLI, without a "v"; `null` where the command needs none. */
  readonly pulumi: string | null;
}

/**
 * What has to be there, in order, each in the operator's own version. Everything comes from its maker over TLS; the
 * packages are those of the lockfile, by its hashes. What an image brings already is left as it is.
 */
export function neededTools({ node, pulumi }: ToolVersions): readonly Tool[] {
  return [
    {
      name: "curl",
      check: "command -v curl && command -v gzip && command -v tar",
      install:
        "apt-get update -qq && apt-get install -y -qq --no-install-recommends curl ca-certificates gzip tar",
    },
    {
      name: `Node ${node}`,
      check: `test "$(node --version)" = v${node} && command -v npm`,
      install: unpacked(`https://nodejs.org/dist/v${node}/node-v${node}-linux-$arch.tar.gz`, "node"),
    },
    ...(pulumi === null
      ? []
      : [
          {
            name: `Pulumi ${pulumi}`,
            check: `test "$(pulumi version)" = v${pulumi}`,
            install: unpacked(
              `https://get.pulumi.com/releases/sdk/pulumi-v${pulumi}-linux-$arch.tar.gz`,
              "pulumi",
            ),
          },
        ]),
    {
      name: "the packages of the lockfile",
      check: `node --input-type=commonjs -e '${packagesCheck}'`,
      install: "npm ci --omit=dev --no-audit --no-fund",
    },
  ];
}

function unpacked(url: string, folder: string): string {
  return [
    "arch=$(uname -m | sed 's/x86_64/x64/; s/aarch64/arm64/')",
    `mkdir -p "$runner/tools/${folder}"`,
    `curl -fsSL --retry 3 --max-time 300 "${url}" | tar -xz --strip-components=1 -C "$runner/tools/${folder}"`,
  ].join(" && ");
}

/** Each direct dependency is installed in the lockfile's version, here or in a folder above. */
const packagesCheck = [
  "const { existsSync } = require(`node:fs`);",
  "const locked = require(`./package-lock.json`).packages;",
  "for (const name of Object.keys(require(`./package.json`).dependencies)) {",
  "const file = require.resolve.paths(name).map((path) => `${path}/${name}/package.json`).find(existsSync);",
  "if (!file || require(file).version !== locked[`node_modules/${name}`].version) process.exit(1);",
  "}",
].join(" ");
