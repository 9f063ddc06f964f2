import { connect, createServer, type Socket } from "node:net";
import { Direction, type Flow, slowLink, windowBytes } from "./link.ts";

/**
 * A slow line before two servers, in a process of its own so that its work is nobody else's. Its arguments are the ports
 * that it leads to, of source and target; it prints the ports that it listens on. Whatever its client sends, to either
 * server, shares one direction, and what it receives the other, as on the line of one machine. It ends when its standard
 * input closes.
 */
const directions = [new Direction(slowLink), new Direction(slowLink)] as const;
const timers: Array<NodeJS.Timeout | undefined> = [];

const ports = await Promise.all(process.argv.slice(2).map((port) => listen(Number(port))));
process.stdout.write(`${JSON.stringify(ports)}\n`);
process.stdin.on("end", () => process.exit()).resume();

function listen(port: number): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const upstream = connect({ host: "127.0.0.1", port, allowHalfOpen: true });
    join(client, upstream, 0);
    join(upstream, client, 1);
  });
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve((server.address() as { port: number }).port));
  });
}

/** Carries what `from` sends to `to`, along one direction of the line. */
function join(from: Socket, to: Socket, number: 0 | 1): void {
  from.setNoDelay(true);
  let underWay = 0;
  let ended = false;
  const flow: Flow = {
    pending: [],
    deliver(bytes) {
      const release = () => {
        underWay -= bytes.length;
        if (underWay < windowBytes && from.isPaused()) from.resume();
        if (ended && underWay === 0) to.end();
      };
      if (to.destroyed) release();
      else to.write(bytes, release);
    },
  };
  from.on("data", (bytes: Buffer) => {
    underWay += bytes.length;
    if (underWay >= windowBytes) from.pause();
    directions[number].send(flow, bytes);
    turn(number);
  });
  from.on("end", () => {
    ended = true;
    if (underWay === 0) to.end();
  });
  from.on("error", () => to.destroy());
  from.on("close", () => {
    if (!ended) to.destroy();
  });
}

function turn(number: 0 | 1): void {
  clearTimeout(timers[number]);
  const now = performance.now();
  const next = directions[number].advance(now);
  timers[number] = next === undefined ? undefined : setTimeout(() => turn(number), Math.max(0, next - now));
}
