import { Readable } from "node:stream";
import type { ReadableStream } from "node:stream/web";
import { Decrypter, Encrypter, generateX25519Identity, identityToRecipient } from "age-encryption";

/** A key pair for one proof. The identity stays in this process's memory and dies with it. */
export interface EphemeralKey {
  readonly identity: string;
  readonly recipient: string;
}

/** A new key pair. */
export async function newEphemeralKey(): Promise<EphemeralKey> {
  const identity = await generateX25519Identity();
  return { identity, recipient: await identityToRecipient(identity) };
}

/** Encrypts a stream in the format of age (age-encryption.org/v1): every recipient's identity can read it, alone. */
export async function encrypt(
  content: AsyncIterable<Uint8Array>,
  recipients: readonly string[],
): Promise<Readable> {
  const encrypter = new Encrypter();
  for (const recipient of recipients) encrypter.addRecipient(recipient);
  return fromWeb(await encrypter.encrypt(toWeb(content)));
}

/** The content of an encrypted stream. Fails where a byte of it was changed or its end is missing. */
export async function decrypt(content: AsyncIterable<Uint8Array>, identity: string): Promise<Readable> {
  const decrypter = new Decrypter();
  decrypter.addIdentity(identity);
  return fromWeb(await decrypter.decrypt(toWeb(content)));
}

/** Node's streams and the library's (the DOM's) are the same at run time. */
type WebStream = globalThis.ReadableStream<Uint8Array>;

function toWeb(content: AsyncIterable<Uint8Array>): WebStream {
  return Readable.toWeb(heard(Readable.from(content, { objectMode: false }))) as unknown as WebStream;
}

function fromWeb(stream: WebStream): Readable {
  return heard(Readable.fromWeb(stream as unknown as ReadableStream));
}

/** Whoever reads it is told of its failure; where nobody reads any more, it must not end the process. */
function heard(stream: Readable): Readable {
  return stream.on("error", () => {});
}
