/** A statement as the client sent it. */
export interface FrontendStatement {
  /** SQL text; empty for a Sync that follows no statement. */
  readonly text: string;
  /** Parameters in text form, `null` for NULL. */
  readonly parameters: readonly (string | null)[];
}

export type FrontendMessage =
  /** Asks for TLS or GSS encryption, before anything else. */
  | { readonly kind: "encryption" }
  | {
      readonly kind: "message";
      readonly bytes: Buffer;
      /** Set on the message with which the server would begin to carry the statement out. */
      readonly statement?: FrontendStatement;
      /** Set on the message after which the server will say ReadyForQuery for this statement. */
      readonly completes?: FrontendStatement;
    };

/** Cuts a stream of typed messages (PostgreSQL manual 53.7): one byte, a length that counts itself, the content. */
export class MessageSplitter {
  #rest: Buffer = Buffer.alloc(0);

  read(chunk: Buffer): { type: string; bytes: Buffer }[] {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const messages: { type: string; bytes: Buffer }[] = [];
    let offset = 0;
    while (this.#rest.length - offset >= 5) {
      const end = offset + 1 + this.#rest.readInt32BE(offset + 1);
      if (this.#rest.length < end) break;
      messages.push({
        type: String.fromCharCode(this.#rest[offset] ?? 0),
        bytes: this.#rest.subarray(offset, end),
      });
      offset = end;
    }
    this.#rest = this.#rest.subarray(offset);
    return messages;
  }
}

/** Reads what a client sends from its first byte on. Simple queries, and extended ones of one statement at a time as `pg` sends them. */
export class FrontendReader {
  applicationName = "";
  #isStarted = false;
  #start: Buffer = Buffer.alloc(0);
  readonly #messages = new MessageSplitter();
  readonly #prepared = new Map<string, string>();
  #current: FrontendStatement | undefined;

  read(chunk: Buffer): FrontendMessage[] {
    if (this.#isStarted) return this.#messages.read(chunk).map((message) => this.#interpret(message));
    this.#start = Buffer.concat([this.#start, chunk]);
    if (this.#start.length < 8 || this.#start.length < this.#start.readInt32BE(0)) return [];
    const length = this.#start.readInt32BE(0);
    const packet = this.#start.subarray(0, length);
    const rest = this.#start.subarray(length);
    this.#start = Buffer.alloc(0);
    const code = packet.readInt32BE(4);
    const isRequest = code === sslRequestCode || code === gssRequestCode;
    this.#isStarted = !isRequest;
    if (code === protocolVersion3 || code > protocolVersion3) this.applicationName = startupName(packet);
    const first: FrontendMessage = isRequest ? { kind: "encryption" } : { kind: "message", bytes: packet };
    return rest.length === 0 ? [first] : [first, ...this.read(rest)];
  }

  #interpret({ type, bytes }: { type: string; bytes: Buffer }): FrontendMessage {
    const message = { kind: "message" as const, bytes };
    switch (type) {
      case "Q": {
        const statement = { text: textAt(bytes, 5).text, parameters: [] };
        return { ...message, statement, completes: statement };
      }
      case "P": {
        const name = textAt(bytes, 5);
        this.#prepared.set(name.text, textAt(bytes, name.end).text);
        return message;
      }
      case "B": {
        const { prepared, parameters } = readBind(bytes);
        this.#current = { text: this.#prepared.get(prepared) ?? "", parameters };
        return { ...message, statement: this.#current };
      }
      case "S": {
        const completes = this.#current ?? { text: "", parameters: [] };
        this.#current = undefined;
        return { ...message, completes };
      }
      default:
        return message;
    }
  }
}

const protocolVersion3 = 196_608;
const sslRequestCode = 80_877_103;
const gssRequestCode = 80_877_104;

function startupName(packet: Buffer): string {
  const words = packet.subarray(8).toString("utf8").split("\0");
  const index = words.findIndex((word, position) => position % 2 === 0 && word === "application_name");
  return index === -1 ? "" : (words[index + 1] ?? "");
}

function textAt(bytes: Buffer, start: number): { text: string; end: number } {
  const end = bytes.indexOf(0, start);
  return { text: bytes.subarray(start, end).toString("utf8"), end: end + 1 };
}

/** Portal, statement, the parameters' formats, the parameters. Binary ones are shown as hexadecimal digits. */
function readBind(bytes: Buffer): { prepared: string; parameters: (string | null)[] } {
  const portal = textAt(bytes, 5);
  const prepared = textAt(bytes, portal.end);
  const formatCount = bytes.readInt16BE(prepared.end);
  const formats = Array.from({ length: formatCount }, (_, index) =>
    bytes.readInt16BE(prepared.end + 2 + 2 * index),
  );
  let offset = prepared.end + 2 + 2 * formatCount;
  const count = bytes.readInt16BE(offset);
  offset += 2;
  const parameters: (string | null)[] = [];
  for (let index = 0; index < count; index++) {
    const length = bytes.readInt32BE(offset);
    offset += 4;
    const value = length === -1 ? null : bytes.subarray(offset, offset + length);
    const isBinary = (formats.length === 1 ? formats[0] : formats[index]) === 1;
    parameters.push(value === null ? null : value.toString(isBinary ? "hex" : "utf8"));
    offset += Math.max(0, length);
  }
  return { prepared: prepared.text, parameters };
}
