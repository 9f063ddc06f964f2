import { expect, test } from "vitest";
import { migrationStates } from "../../../components/migration/journal/record.ts";
import { wishOf } from "../../../components/migration/target-tls/client-variables.ts";
import type { TargetTlsObservation } from "../../../components/migration/target-tls/observe.ts";
import { planTargetTls, type TargetTlsRequest } from "../../../components/migration/target-tls/plan.ts";

const now = new Date("2026-11-26T12:00:00Z");

/** A server as the image starts it. */
const untouched: TargetTlsObservation = {
  server: { major: 17, inRecovery: false, supportsTls: true, allowsAlterSystem: true },
  configuration: { own: [], foreign: [], isOn: false, unread: [], broken: [], isAutoFilePlain: true },
  files: { current: null, hasFormer: false, hasWorkFolder: false, others: [] },
  served: null,
  rules: [],
  sessions: [],
  migration: null,
};

const codeOf = (changes: Partial<TargetTlsObservation>, request: Partial<TargetTlsRequest> = {}) => {
  const asked = { command: "on", renew: false, acceptRules: false, ...request } as const;
  const plan = planTargetTls(asked, { ...untouched, ...changes }, now);
  return plan.action === "refuse" ? plan.error.code : plan.action;
};

test("a server as the image starts it is switched on, and there is nothing to switch off", () => {
  expect(codeOf({})).toBe("switch-on");
  expect(codeOf({}, { command: "off" })).toBe("nothing");
});

test.for([
  ["a replica", { inRecovery: true }],
  ["PostgreSQL 14", { major: 14 }],
  ["a program without TLS", { supportsTls: false }],
  ["no ALTER SYSTEM", { allowsAlterSystem: false }],
] as const)("%s is unsuitable", ([, server]) => {
  expect(codeOf({ server: { ...untouched.server, ...server } })).toBe("TLS_SERVER_UNSUITABLE");
});

test("a renewal changes the meaning of no rule, a switch does", () => {
  const validTo = new Date(now.getTime() + 10 * 24 * 60 * 60_000);
  const current = { fingerprint: "AA", validTo, isOurs: true, names: [] };
  const on: Partial<TargetTlsObservation> = {
    configuration: {
      ...untouched.configuration,
      own: ["ssl_cert_file", "ssl_key_file", "ssl"],
      isOn: true,
    },
    files: { ...untouched.files, current },
    served: current,
    rules: [{ line: 1, type: "hostssl", databases: "all", users: "all", address: "all", method: "trust" }],
  };
  expect(codeOf(on)).toBe("nothing");
  expect(codeOf(on, { renew: true })).toBe("renew");
  expect(codeOf(on, { command: "off" })).toBe("TLS_RULES_CHANGE");
  expect(codeOf(on, { command: "off", acceptRules: true })).toBe("switch-off");
});

test("only a migration that is over lets it pass, on and off", () => {
  const isOver = (state: string) => state === "finished" || state === "aborted";
  const begun = { files: { ...untouched.files, hasWorkFolder: true } };
  for (const migration of migrationStates) {
    expect(codeOf({ migration })).toBe(isOver(migration) ? "switch-on" : "TLS_MIGRATION_UNDER_WAY");
    expect(codeOf({ ...begun, migration }, { command: "off" })).toBe(
      isOver(migration) ? "switch-off" : "TLS_MIGRATION_UNDER_WAY",
    );
  }
});

test("a file that the server cannot read lets no reload pass", () => {
  const configuration = { ...untouched.configuration, broken: ["work_mem in postgresql.conf"] };
  expect(codeOf({ configuration })).toBe("TLS_RELOAD_UNSAFE");
});

test("what an interrupted command wrote waits for a reload of its own, and nothing else does", () => {
  const begun = { ...untouched.configuration, own: ["ssl_cert_file"] as const };
  expect(codeOf({ configuration: { ...begun, unread: ["postgresql.auto.conf"] } })).toBe("switch-on");
  expect(codeOf({ configuration: { ...begun, unread: ["pg_hba.conf"] } })).toBe("TLS_RELOAD_UNSAFE");
  const { configuration } = untouched;
  expect(codeOf({ configuration: { ...configuration, unread: ["postgresql.auto.conf"] } })).toBe(
    "TLS_RELOAD_UNSAFE",
  );
});

const at = "postgresql://user:word@pgvector.railway.internal:5432/railway";
test.for([
  [at, "unsaid"],
  [`${at}?application_name=x`, "unsaid"],
  ["pgvector.railway.internal", "unsaid"],
  [undefined, "unsaid"],
  [null, "unreadable"],
  [`${at}?sslmode=disable`, "none"],
  [`${at}?ssl=false`, "none"],
  [`${at}?sslmode=prefer`, "either"],
  [`${at}?sslmode=allow`, "either"],
  [`${at}?schema=public&sslmode=require`, "tls"],
  [`${at}?SSLMODE=Require`, "tls"],
  [`${at}?ssl=true`, "tls"],
  [`${at}?sslmode=no-verify`, "tls"],
  [`${at}?sslmode=verify-ca`, "verified"],
  [`${at}?sslmode=verify-full`, "verified"],
  [`${at}?sslmode=require&sslrootcert=/etc/root.crt`, "verified"],
  [`${at}?sslmode=require&sslaccept=strict`, "verified"],
] as const)("%s asks for: %s", ([text, wish]) => {
  expect(wishOf(text)).toBe(wish);
});
