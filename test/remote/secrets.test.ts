import { describe, expect, test } from "vitest";
import { backendOf, secretsProviderOf } from "../../components/remote/backend.ts";
import { secretsFor } from "../../components/remote/secrets.ts";

const operator = {
  RAILWAY_TOKEN: "railway",
  RAILWAY_API_TOKEN: "wider railway",
  RAILWAY_REMOVAL_TOKEN: "may delete",
  PULUMI_ACCESS_TOKEN: "pulumi",
  CUTOVER_WEBHOOK_URL: "https://hooks.example/a",
  PULUMI_CONFIG_PASSPHRASE: "",
  AWS_ACCESS_KEY_ID: "key",
  AWS_SECRET_ACCESS_KEY: "aws",
  AWS_PROFILE: "clinic",
  GITHUB_TOKEN: "github",
  HOME: "/home/operator",
};

const cloud = {
  tokenVariable: "RAILWAY_TOKEN",
  backend: "https://api.pulumi.com",
  secretsProvider: "service",
};

describe("of the operator's environment", () => {
  test.each([
    ["Pulumi Cloud", cloud, ["RAILWAY_TOKEN", "PULUMI_ACCESS_TOKEN"]],
    [
      "a bucket and a passphrase, which may be empty",
      { ...cloud, backend: "s3://state?region=eu-central-1", secretsProvider: "passphrase" },
      ["RAILWAY_TOKEN", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "PULUMI_CONFIG_PASSPHRASE"],
    ],
    [
      "a key service of another cloud",
      { ...cloud, secretsProvider: "awskms://alias/state" },
      ["RAILWAY_TOKEN", "PULUMI_ACCESS_TOKEN", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"],
    ],
    [
      "a command without the engine",
      { ...cloud, tokenVariable: "RAILWAY_API_TOKEN", backend: null },
      ["RAILWAY_API_TOKEN"],
    ],
    [
      "a run that tells people and who began it",
      { ...cloud, also: ["CUTOVER_WEBHOOK_URL", "CUTOVER_OPERATOR"] },
      ["RAILWAY_TOKEN", "PULUMI_ACCESS_TOKEN", "CUTOVER_WEBHOOK_URL"],
    ],
  ])("nothing travels but what %s needs", (_name, needs, names) => {
    expect(Object.keys(secretsFor(needs, operator)).toSorted()).toEqual(names.toSorted());
  });

  test.each(["file:///home/operator/state", "file://~", "mem://"])("a state in %s is refused", (backend) => {
    expect(() => secretsFor({ ...cloud, backend }, operator)).toThrow(
      expect.objectContaining({ code: "REMOTE_BACKEND_LOCAL" }),
    );
  });

  test("what is missing is named, all of it", () => {
    expect(() => secretsFor({ ...cloud, backend: "gs://state", secretsProvider: "passphrase" }, {})).toThrow(
      expect.objectContaining({
        code: "REMOTE_SECRET_MISSING",
        message: expect.stringContaining("RAILWAY_TOKEN, GOOGLE_CREDENTIALS, PULUMI_CONFIG_PASSPHRASE"),
      }),
    );
  });

  test("a value that Railway would take for a reference is refused, and not shown", () => {
    const value = "pass${{shared.word}}";
    const needs = { ...cloud, secretsProvider: "passphrase" };
    try {
      secretsFor(needs, { ...operator, PULUMI_CONFIG_PASSPHRASE: value });
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({ code: "REMOTE_SECRET_UNUSABLE" });
      expect(String((error as Error).message)).not.toContain(value);
    }
  });
});

test("the backend is the environment's, then the project's, then Pulumi Cloud", () => {
  const project = { name: "p", backend: { url: "s3://state" } };
  expect(backendOf(project, "gs://state")).toBe("gs://state");
  expect(backendOf(project, undefined)).toBe("s3://state");
  expect(backendOf({ name: "p" }, "")).toBe("https://api.pulumi.com");
});

test.each([
  [{ encryptionsalt: "v1:…", config: {} }, "passphrase"],
  [{ secretsprovider: "passphrase", encryptionsalt: "v1:…" }, "passphrase"],
  [{ secretsprovider: "awskms://alias/state", encryptedkey: "…" }, "awskms://alias/state"],
  [{ config: {} }, "service"],
  [null, "service"],
])("the file %j tells that secrets are protected by %s", (stack, provider) => {
  expect(secretsProviderOf(stack)).toBe(provider);
});
