import { splitStatements } from "./sql-tokens.ts";

/**
 * The definition of a table without `pg_attver`, a stamp that some builds of PostgreSQL keep among each column's options
 * (seen on Debian's 17.12). That build's own pg_dump leaves it out, every other one writes it down as if it were an
 * option to be set; servers of another build refuse it as an unknown parameter.
 */
export function withoutBuildStamps(sql: string): string {
  if (!sql.includes("pg_attver=")) return sql;
  const statements = splitStatements(sql);
  const cleaned = statements.map(withoutStamp);
  // Left as it is to the byte where nothing matched: the words may stand in a function's body.
  if (cleaned.every((statement, index) => statement === statements[index])) return sql;
  return cleaned
    .filter((statement) => statement !== undefined)
    .map((statement) => `${statement};`)
    .join("\n");
}

const columnOptions = /^(ALTER (?:FOREIGN )?TABLE ONLY [\s\S]+ SET )\(([^()]*)\)$/;

function withoutStamp(statement: string): string | undefined {
  const [, start, options] = columnOptions.exec(statement) ?? [];
  if (start === undefined || options === undefined) return statement;
  const kept = options.split(", ").filter((option) => !/^pg_attver=\d+$/.test(option));
  return kept.length === 0 ? undefined : `${start}(${kept.join(", ")})`;
}
