import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A bucket for the engine's state that a run elsewhere reaches as well, as far as the engine uses one. It checks no signature. */
export interface StateBucket {
  readonly port: number;
  /** `PULUMI_BACKEND_URL` and the credentials that the engine asks for. */
  readonly environment: Readonly<Record<string, string>>;
  readonly objects: ReadonlyMap<string, Buffer>;
  stop(): Promise<void>;
}

export async function startStateBucket(): Promise<StateBucket> {
  const objects = new Map<string, Buffer>();
  const server = createServer((request, response) => {
    answer(objects, request, response).catch(() => request.socket.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    port,
    objects,
    environment: {
      PULUMI_BACKEND_URL: `s3://state?region=test-1&endpoint=http://127.0.0.1:${port}&use_path_style=true&disable_https=true`,
      AWS_ACCESS_KEY_ID: "key-of-the-state-bucket",
      AWS_SECRET_ACCESS_KEY: "secret-of-the-state-bucket",
      AWS_REGION: "test-1",
    },
    async stop() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

async function answer(
  objects: Map<string, Buffer>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  const url = new URL(request.url ?? "/", "http://bucket");
  const key = decodeURIComponent(url.pathname.split("/").slice(2).join("/"));
  const send = (status: number, content: Buffer | string = "", headers: Record<string, string> = {}) => {
    const bytes = Buffer.from(content);
    response.writeHead(status, { "content-length": bytes.length, ...headers });
    response.end(request.method === "HEAD" ? undefined : bytes);
  };
  if (key === "") return send(200, listing(objects, url.searchParams));
  const source = request.headers["x-amz-copy-source"];
  switch (request.method) {
    case "PUT": {
      const copied = source === undefined ? undefined : objects.get(keyOfSource(String(source)));
      if (source !== undefined && copied === undefined) return send(404, noSuchKey);
      const isNew = request.headers["if-none-match"] !== "*" || !objects.has(key);
      if (!isNew) return send(412, "<Error><Code>PreconditionFailed</Code></Error>");
      objects.set(key, copied ?? plain(body, request));
      const now = new Date().toISOString();
      return copied === undefined
        ? send(200, "", { etag: etagOf(body) })
        : send(
            200,
            `<CopyObjectResult><ETag>${etagOf(copied)}</ETag><LastModified>${now}</LastModified></CopyObjectResult>`,
          );
    }
    case "DELETE":
      objects.delete(key);
      return send(204);
    default: {
      const object = objects.get(key);
      if (object === undefined) return send(404, noSuchKey);
      return send(200, object, {
        etag: etagOf(object),
        "last-modified": new Date().toUTCString(),
        "content-type": "application/octet-stream",
      });
    }
  }
}

const noSuchKey = "<Error><Code>NoSuchKey</Code><Message>none</Message></Error>";

/** The SDK sends bodies in chunks with checksums behind them. */
function plain(body: Buffer, request: IncomingMessage): Buffer {
  if (!String(request.headers["content-encoding"] ?? "").includes("aws-chunked")) return body;
  const parts: Buffer[] = [];
  for (let at = 0; ; ) {
    const lineEnd = body.indexOf("\r\n", at);
    const size = Number.parseInt(body.subarray(at, lineEnd).toString(), 16);
    if (!(size > 0)) return Buffer.concat(parts);
    parts.push(body.subarray(lineEnd + 2, lineEnd + 2 + size));
    at = lineEnd + 2 + size + 2;
  }
}

function keyOfSource(source: string): string {
  return decodeURIComponent(source).replace(/^\//, "").split("/").slice(1).join("/");
}

function listing(objects: ReadonlyMap<string, Buffer>, query: URLSearchParams): string {
  const prefix = query.get("prefix") ?? "";
  const delimiter = query.get("delimiter") ?? "";
  const keys = [...objects.keys()].filter((key) => key.startsWith(prefix)).sort();
  const isFolder = (key: string) => delimiter !== "" && key.slice(prefix.length).includes(delimiter);
  const folders = new Set(
    keys
      .filter(isFolder)
      .map((key) => key.slice(0, key.indexOf(delimiter, prefix.length) + delimiter.length)),
  );
  const contents = keys
    .filter((key) => !isFolder(key))
    .map((key) => {
      const object = objects.get(key) ?? Buffer.alloc(0);
      return `<Contents><Key>${key}</Key><Size>${object.length}</Size><ETag>${etagOf(object)}</ETag><LastModified>${new Date().toISOString()}</LastModified></Contents>`;
    });
  const common = [...folders].map((folder) => `<CommonPrefixes><Prefix>${folder}</Prefix></CommonPrefixes>`);
  return `<?xml version="1.0"?><ListBucketResult><IsTruncated>false</IsTruncated>${contents.join("")}${common.join("")}</ListBucketResult>`;
}

function etagOf(content: Buffer): string {
  return `"${createHash("md5").update(content).digest("hex")}"`;
}
