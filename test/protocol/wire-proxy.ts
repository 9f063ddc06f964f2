import { once } from "node:events";
import { type AddressInfo, connect as connectSocket, createServer, type Server, type Socket } from "node:net";
import { FrontendReader, type FrontendStatement, MessageSplitter } from "./wire-messages.ts";

/** One statement on its way: `before` it reaches the server, and `after` the server has carried it out but nobody knows yet. */
export interface StatementOnTheWire extends FrontendStatement {
  readonly stage: "before" | "after";
  /** The session's application name, such as `pgvector_cutover:control`. */
  readonly session: string;
  /** Tells sessions of the same name apart. */
  readonly connection: number;
}

/** Decides about a statement that is held meanwhile. `drop` cuts its session without another byte. */
export type Interceptor = (statement: StatementOnTheWire) => Promise<"go-on" | "drop">;

/** A way to a PostgreSQL server on which every statement of a run can be seen, held and lost. Clear text only. */
export interface WireProxy {
  readonly port: number;
  intercept(interceptor: Interceptor | undefined): void;
  /** Resets every connection; new ones are accepted. */
  cut(): void;
  /** From now on nothing gets through, nor is anything refused: a network that swallows packets. Until {@link restore}. */
  swallow(): void;
  restore(): void;
  close(): Promise<void>;
}

export async function startWireProxy(server: { host: string; port: number }): Promise<WireProxy> {
  const links = new Set<Link>();
  let interceptor: Interceptor | undefined;
  let swallowing = false;
  let connections = 0;
  const listener: Server = createServer((client) => {
    const link = new Link(client, server, ++connections, (statement) =>
      interceptor === undefined ? Promise.resolve("go-on") : interceptor(statement),
    );
    links.add(link);
    client.once("close", () => links.delete(link));
    if (swallowing) link.swallow();
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  return {
    port: (listener.address() as AddressInfo).port,
    intercept(next) {
      interceptor = next;
    },
    cut() {
      for (const link of links) link.reset();
    },
    swallow() {
      swallowing = true;
      for (const link of links) link.swallow();
    },
    restore() {
      swallowing = false;
      for (const link of links) link.reset();
    },
    async close() {
      listener.close();
      for (const link of links) link.reset();
      await once(listener, "close");
    },
  };
}

/** One session's two sockets. */
class Link {
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #connection: number;
  readonly #decide: Interceptor;
  readonly #requests = new FrontendReader();
  readonly #answers = new MessageSplitter();
  /** Statements that the server has and has not answered yet, the oldest first. */
  readonly #unanswered: FrontendStatement[] = [];
  #forwarding: Promise<void> = Promise.resolve();
  #returning: Promise<void> = Promise.resolve();
  #swallowed = false;

  constructor(
    client: Socket,
    server: { host: string; port: number },
    connection: number,
    decide: Interceptor,
  ) {
    this.#client = client;
    this.#connection = connection;
    this.#decide = decide;
    this.#server = connectSocket(server);
    for (const socket of [client, this.#server]) {
      socket.setNoDelay(true);
      socket.on("error", () => this.reset());
    }
    client.on("data", (chunk) => {
      this.#forwarding = this.#forwarding.then(() => this.#forward(chunk)).catch(() => this.reset());
    });
    this.#server.on("data", (chunk) => {
      this.#returning = this.#returning.then(() => this.#return(chunk)).catch(() => this.reset());
    });
    client.once("close", () => this.#server.destroy());
    this.#server.once("close", () => this.#returning.finally(() => client.destroy()));
  }

  reset(): void {
    this.#client.resetAndDestroy();
    this.#server.destroy();
  }

  /** Both peers' systems go on acknowledging packets, as far as their buffers reach. */
  swallow(): void {
    this.#swallowed = true;
  }

  async #forward(chunk: Buffer): Promise<void> {
    for (const message of this.#requests.read(chunk)) {
      if (message.kind === "encryption") {
        if (!this.#swallowed) this.#client.write("N");
        continue;
      }
      if (message.statement !== undefined && !(await this.#pass("before", message.statement))) return;
      if (message.completes !== undefined) this.#unanswered.push(message.completes);
      await this.#write(this.#server, message.bytes);
    }
  }

  async #return(chunk: Buffer): Promise<void> {
    for (const { type, bytes } of this.#answers.read(chunk)) {
      if (type === "Z") {
        const statement = this.#unanswered.shift();
        if (statement !== undefined && statement.text !== "" && !(await this.#pass("after", statement)))
          return;
      }
      await this.#write(this.#client, bytes);
    }
  }

  async #pass(stage: "before" | "after", statement: FrontendStatement): Promise<boolean> {
    const decision = await this.#decide({
      ...statement,
      stage,
      session: this.#requests.applicationName,
      connection: this.#connection,
    });
    if (decision === "drop") this.reset();
    return decision === "go-on";
  }

  async #write(socket: Socket, bytes: Buffer): Promise<void> {
    if (this.#swallowed) return;
    if (socket.destroyed) throw new Error("the peer is gone");
    if (!socket.write(bytes)) {
      await Promise.race([once(socket, "drain"), once(socket, "close")]);
    }
  }
}
