import { withConnection } from "../postgres/connection.ts";
import { isSealed, isWhole, readFence } from "../postgres/fence.ts";
import type { SourceObservation } from "./decide.ts";
import { maintenanceDatabase } from "./maintenance.ts";
import type { ResolvedDatabase } from "./resolve.ts";

/** Looks at the source's seal, witness and fence. Reads only. */
export async function observeSource(
  source: Pick<ResolvedDatabase, "connection">,
  schemas: readonly string[],
): Promise<SourceObservation> {
  const { connection } = source;
  const sealed = await withConnection(
    connection,
    { purpose: "observe", readOnly: true, database: maintenanceDatabase(connection) },
    (client) => isSealed(client, connection.database),
  );
  if (sealed) return { sealed, witness: null, fenceUnbroken: null };
  return withConnection(connection, { purpose: "observe", readOnly: true }, async (client) => {
    const fence = await readFence(client, schemas);
    return { sealed, witness: fence.witness, fenceUnbroken: isWhole(fence) };
  });
}
