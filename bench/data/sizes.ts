import { applicationTables } from "./application.ts";
import { document, enumeration, type GeneratedTable, label, reference, timestamp } from "./columns.ts";

/** Raised when the generated data changes, so that what an earlier version built is not taken for it. */
export const dataVersion = 1;

/** One set of data to copy. */
export interface DataSize {
  readonly name: SizeName;
  readonly title: string;
  /** With the rows they hold, in an order in which they can be filled. */
  readonly tables: readonly GeneratedTable[];
}

export const sizeNames = ["small", "50MB", "500MB", "1.5GB", "tables"] as const;
export type SizeName = (typeof sizeNames)[number];

/** What {@link sizeNames} stand for. */
export function dataSize(name: SizeName): DataSize {
  if (name === "tables")
    return { name, title: `${smallTableCount.toLocaleString("en")} small tables`, tables: smallTables() };
  return { name, title: titles[name], tables: scaled(megabytes[name]) };
}

const megabytes = { small: 8, "50MB": 50, "500MB": 500, "1.5GB": 1536 } as const;
const titles = {
  small: "8 MB, as the real project",
  "50MB": "50 MB",
  "500MB": "500 MB",
  "1.5GB": "1.5 GB",
} as const;

/** The application's tables with the rows of so many megabytes of heap and TOAST. */
export function scaled(size: number): GeneratedTable[] {
  return applicationTables.map((table) => ({ ...table, rows: Math.max(1, Math.round(table.rows * size)) }));
}

const smallTableCount = 2_000;

/** Small tables in groups of ten: nine refer to the first one of their group. */
export function smallTables(count = smallTableCount): GeneratedTable[] {
  const tables: GeneratedTable[] = [];
  for (let number = 0; number < count; number++) {
    const first = tables[number - (number % 10)];
    tables.push({
      schema: "public",
      name: `table_${String(number + 1).padStart(4, "0")}`,
      key: "text",
      rows: 20,
      columns: [
        ...(first === undefined ? [] : [reference("parent_id", first)]),
        label("name", { unique: true }),
        enumeration("state", ["NEW", "OPEN", "DONE"]),
        document("data"),
        timestamp("created_at", { indexed: true }),
      ],
    });
  }
  return tables;
}
