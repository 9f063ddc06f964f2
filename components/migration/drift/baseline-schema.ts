import { z } from "zod";

/** How a finished migration left what may change later: what drift is told from. Names, ids and hashes only. */
export const driftBaselineSchema = z.object({
  recordedAt: z.iso.datetime(),
  newDatabase: z.object({
    image: z.string().nullable(),
    volumeId: z.string().nullable(),
    volumeMountPath: z.string().nullable(),
    serverMajor: z.int(),
    /** Of the `vector` extension; `null` where it is not installed. */
    vectorVersion: z.string().nullable(),
  }),
  /** Ids of the TCP proxies that were open then, of both databases: one that is opened anew has another. */
  tcpProxies: z.array(z.string()),
  /** Catalogue key → hash of everything declared about it, of the moved and of the protected schemas. */
  structure: z.record(z.string(), z.string()),
  protectedStructure: z.record(z.string(), z.string()),
});

export type DriftBaseline = z.infer<typeof driftBaselineSchema>;
