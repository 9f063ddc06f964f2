import { describe, expect, test } from "vitest";
import { blockersOf, type RotationFacts } from "../../../components/migration/rotation/blockers.ts";
import { carriesPassword, withPassword } from "../../../components/migration/rotation/password-texts.ts";
import { refersTo } from "../../../components/migration/rotation/reference-path.ts";
import { isRightMoment } from "../../../components/migration/rotation/right-moment.ts";

const strong = "Vq3uT8_kL2-xW9zR4b";

describe("how a text carries a password", () => {
  test.for([
    ["POSTGRES_PASSWORD", strong, strong, "whole"],
    ["ANYTHING", strong, strong, "whole"],
    ["POSTGRES_USER", "postgres", "postgres", null],
    ["POSTGRES_PASSWORD", "postgres", "postgres", "whole"],
    ["DATABASE_URL", "postgresql://u:postgres@h:5432/postgres", "postgres", "url"],
    ["DATABASE_URL", "postgresql://postgres:other@h:5432/postgres", "postgres", null],
    ["DATABASE_URL", `postgresql://u:${strong}@\${{RAILWAY_PRIVATE_DOMAIN}}:5432/railway`, strong, "url"],
    ["DATABASE_URL", "postgresql://u:a%2Fb%3Ac@h/railway", "a/b:c", "url"],
    ["DATABASE_URL", "postgresql://u:${{POSTGRES_PASSWORD}}@h/railway", strong, null],
    ["DSN", `host=h password=${strong}`, strong, "inside"],
    ["DSN", "host=h password=short", "short", null],
    ["SEALED", null, strong, null],
    ["ABSENT", undefined, strong, null],
    ["EMPTY", "", "", null],
  ] as const)("%s %s", ([name, text, password, expected]) => {
    expect(carriesPassword(name, text, password)).toBe(expected);
  });

  test("only the password of a URL is replaced", () => {
    const text = `postgresql://u:${strong}@\${{RAILWAY_PRIVATE_DOMAIN}}:5432/u:x@y?application_name=a`;
    expect(withPassword("url", text, "new")).toBe(text.replace(strong, "new"));
    expect(withPassword("whole", text, "new")).toBe("new");
    // `$&` would insert what was found, had it a meaning here.
    expect(withPassword("url", "postgres://u:a@h/d", "$&")).toBe("postgres://u:$&@h/d");
  });
});

describe("who gets a password by reference", () => {
  const texts = new Map<string, Map<string, string | null>>([
    [
      "shared",
      new Map([
        ["DB", "${{pgvector.DATABASE_URL}}"],
        ["LOOP", "${{shared.LOOP}}"],
      ]),
    ],
    [
      "api",
      new Map([
        ["A", "${{pgvector.DATABASE_URL}}"],
        ["B", "${{A}}?x"],
        ["C", "${{shared.DB}}"],
      ]),
    ],
    [
      "web",
      new Map([
        ["D", "${{api.C}}"],
        ["E", "${{Postgres.DATABASE_URL}}"],
        ["F", "${{shared.LOOP}}"],
      ]),
    ],
    [
      "own",
      new Map([
        ["G", "plain"],
        ["H", null],
      ]),
    ],
  ]);

  test.for([
    ["api", "A", true],
    ["api", "B", true],
    ["api", "C", true],
    ["web", "D", true],
    ["web", "E", false],
    ["web", "F", false],
    ["own", "G", false],
    ["own", "H", false],
    ["own", "absent", false],
  ] as const)("%s %s: %s", ([service, variable, expected]) => {
    expect(refersTo("pgvector", { service, variable }, texts)).toBe(expected);
  });
});

describe("when the server's password is changed", () => {
  const building = { canWait: true, builtSinceMs: null };
  const waiting = (sinceMs: number) => ({ canWait: true, builtSinceMs: sinceMs });
  const hasty = { canWait: false, builtSinceMs: 1_000 };

  test.for([
    ["nobody uses it", [], true],
    ["all are built", [waiting(900), waiting(1_000)], true],
    ["one is still built", [waiting(900), building], false],
    ["one is still built, and one cannot wait", [hasty, building], true],
    ["who cannot wait is still built", [waiting(900), { ...hasty, builtSinceMs: null }], false],
    ["one has waited long enough", [waiting(0), building], true],
    ["none is built", [building, building], false],
  ] as const)("%s: %s", ([, progress, expected]) => {
    expect(isRightMoment(progress, 1_000, 500)).toBe(expected);
  });
});

describe("what blocks", () => {
  const clear: RotationFacts = {
    own: { user: "postgres" },
    migration: undefined,
    role: { isSuperuser: true, verifier: "SCRAM-SHA-256$x", sessions: [], replicating: [], isStandby: false },
    survey: {
      holders: [{ name: "POSTGRES_PASSWORD", kind: "whole" }],
      ...{
        dependents: [],
        idle: [],
        copies: [],
        sameElsewhere: [],
        unfit: [],
        unreadable: [],
        everywhere: true,
      },
    },
  };
  const during = (state: string) =>
    ({ id: "m", epoch: 1, updatedAt: "", record: { state } }) as unknown as RotationFacts["migration"];

  test.for([undefined, during("finished"), during("aborted")])("nothing", (migration) => {
    expect(blockersOf({ ...clear, migration })).toEqual([]);
  });

  test.for(["loading", "switching", "promoted", "aborting"])("a cutover that is %s", (state) => {
    expect(blockersOf({ ...clear, migration: during(state) })).toEqual([
      expect.stringContaining(`cutover is under way (${state})`),
    ]);
  });

  test.for([
    ["no superuser", { role: { ...clear.role, isSuperuser: false, verifier: null } }],
    ["has no password", { role: { ...clear.role, verifier: null } }],
    ["standby", { role: { ...clear.role, isStandby: true } }],
    ["replicates", { role: { ...clear.role, replicating: ["standby"] } }],
    ["No variable", { survey: { ...clear.survey, holders: [] } }],
    ["inside of another text", { survey: { ...clear.survey, unfit: ["DSN"] } }],
    ["has a copy", { survey: { ...clear.survey, copies: ["metrics (production): URL"] } }],
  ] as const)("%s", ([words, change]) => {
    const blockers = blockersOf({ ...clear, ...change });
    expect(blockers).toHaveLength(1);
    expect(blockers[0]).toContain(words);
  });
});
