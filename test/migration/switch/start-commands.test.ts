import { describe, expect, test } from "vitest";
import { writesBeforeStart } from "../../../components/migration/preflight/railway/start-commands.ts";

const reasons = (startCommand: string | null, preDeployCommand: readonly string[] = []) =>
  writesBeforeStart({ startCommand, preDeployCommand });

describe("a start command that writes", () => {
  test.each([
    ["npx prisma migrate deploy && node dist/main.js", "prisma migrate deploy"],
    ["prisma  db   push --accept-data-loss; node .", "prisma db push"],
    ["npm run migrate && npm start", "migrate"],
    ["pnpm db:migrate && pnpm start", "migrate"],
    ["yarn run db:push && yarn start", "db:push"],
    ["npm run start:migrate", "migrate"],
    ["sh -c 'node migrate.js && node server.js'", "migrate"],
    ["node ./scripts/run-migrations.mjs && node .", "migrations"],
    ["npx drizzle-kit push && node .", "drizzle-kit push"],
    ["knex migrate:latest && node .", "migrate"],
    ["typeorm migration:run -d dist/data-source.js", "migration"],
    ["bundle exec rails db:migrate && rails server", "migrate"],
    ["bundle exec rails db:seed", "db:seed"],
    ["bin/rails db:schema:load", "schema:load"],
    ["python manage.py migrate && gunicorn app", "migrate"],
    ["alembic upgrade head && uvicorn app", "alembic upgrade"],
    ["dbmate up && ./server", "dbmate up"],
    ["atlas schema apply --auto-approve", "schema apply"],
    ["npm run seed && node .", "seed"],
  ])("%s", (command, said) => {
    expect(reasons(command)).toEqual([`says "${said}" in its start command`]);
  });
});

describe("one that does not", () => {
  test.each([
    null,
    "",
    "npm start",
    "node dist/main.js",
    "next start -p $PORT",
    "npm run start:prod",
    "prisma migrate status && node .",
    "npx prisma generate && node .",
    "typeorm migration:show",
    "node immigration-service.js",
    "node migrated.js",
    "node seedlings.js",
  ])("%s", (command) => {
    expect(reasons(command)).toEqual([]);
  });
});

test("every pre-deploy command counts, a blank one does not", () => {
  expect(reasons("node .", ["./prepare.sh"])).toEqual(["runs a pre-deploy command"]);
  expect(reasons("node .", ["", " "])).toEqual([]);
  expect(reasons("npm run migrate", ["./prepare.sh"])).toHaveLength(2);
});

test("nothing of the command line around it is told", () => {
  const command = "DATABASE_URL=postgresql://u:t0psecret@h/d prisma migrate deploy --schema t0psecret";
  expect(reasons(command).join()).not.toContain("t0psecret");
});
