import { hasCode } from "../../errors.ts";
import { readCertificate, type ServerAddress, type ServerCertificate } from "../secure-socket.ts";

/**
 * The certificate that a server shows, whoever made it.
 *
 * @returns `null` where the server offers no TLS
 * @throws CutoverError `SERVER_UNREACHABLE`
 */
export async function readServedCertificate(address: ServerAddress): Promise<ServerCertificate | null> {
  try {
    return await readCertificate(address);
  } catch (error) {
    if (hasCode(error, "TLS_NOT_OFFERED")) return null;
    throw error;
  }
}
