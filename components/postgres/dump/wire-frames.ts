/**
 * The few facts about PostgreSQL's wire protocol (manual, 53.7 "Message Formats") that are needed to stand between a
 * pg_dump that connects through callbacks and a session that is authenticated already. Pure: bytes in, values out.
 */

/** A message of a length-prefixed stream: its type byte (`""` for the untyped first packet of a client) and size. */
export interface Frame {
  readonly type: string;
  /** The payload, for the untyped first packet only; other payloads are of no interest here. */
  readonly payload: Uint8Array | undefined;
}

/** Splits a stream of any chunking into frames, without keeping the payload of typed messages. */
export class FrameScanner {
  #startup: boolean;
  #header = new Uint8Array(0);
  #remaining = 0;

  /** @param startup whether the stream starts with untyped packets, as the client's side does */
  constructor(startup: boolean) {
    this.#startup = startup;
  }

  /** Returns the frames that are complete with this chunk. */
  push(chunk: Uint8Array): Frame[] {
    const frames: Frame[] = [];
    let offset = 0;
    while (offset < chunk.length) {
      if (this.#startup) {
        this.#header = concatenate(this.#header, chunk.subarray(offset));
        offset = chunk.length;
        const payload = this.#takeStartupPacket();
        if (payload !== undefined) frames.push({ type: "", payload });
        continue;
      }
      if (this.#remaining === 0) {
        const missing = headerBytes - this.#header.length;
        this.#header = concatenate(this.#header, chunk.subarray(offset, offset + missing));
        offset += missing;
        if (this.#header.length < headerBytes) break;
        this.#remaining = readLength(this.#header, 1) - 4;
      }
      const taken = Math.min(this.#remaining, Math.max(0, chunk.length - offset));
      this.#remaining -= taken;
      offset += taken;
      if (this.#remaining === 0) {
        frames.push({ type: String.fromCharCode(this.#header[0] ?? 0), payload: undefined });
        this.#header = new Uint8Array(0);
      }
    }
    return frames;
  }

  /** The client waits for the answer to each untyped packet, so there is never more than one of them in the buffer. */
  #takeStartupPacket(): Uint8Array | undefined {
    if (this.#header.length < 4 || this.#header.length < readLength(this.#header, 0)) return undefined;
    const payload = this.#header.subarray(4);
    this.#header = new Uint8Array(0);
    if (requestsEncryption(payload) === false) this.#startup = false;
    return payload;
  }
}

/** Whether an untyped packet asks for TLS or GSS encryption, to be answered by one byte (`N`: no), and not to log in. */
export function requestsEncryption(payload: Uint8Array): boolean {
  const code = readLength(payload, 0);
  return code === 80_877_103 || code === 80_877_104;
}

/** What a server says after a successful login: AuthenticationOk, its parameters, ReadyForQuery. */
export function loginAnswer(parameters: Readonly<Record<string, string>>): Uint8Array {
  const messages = [
    message("R", new Uint8Array(4)),
    ...Object.entries(parameters).map(([name, value]) =>
      message("S", new TextEncoder().encode(`${name}\0${value}\0`)),
    ),
    message("K", new Uint8Array(8)),
    message("Z", new TextEncoder().encode("I")),
  ];
  return messages.reduce(concatenate);
}

export function concatenate(first: Uint8Array, second: Uint8Array): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(first.length + second.length);
  joined.set(first, 0);
  joined.set(second, first.length);
  return joined;
}

const headerBytes = 5;

function message(type: string, payload: Uint8Array): Uint8Array {
  const header = new Uint8Array(headerBytes);
  header[0] = type.charCodeAt(0);
  new DataView(header.buffer).setUint32(1, payload.length + 4);
  return concatenate(header, payload);
}

function readLength(bytes: Uint8Array, offset: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(offset);
}
