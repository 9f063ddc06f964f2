import { createHash, randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { AwsV4Signer } from "aws4fetch";

/** What one request does wrong, in the order of the requests it is planned for. */
export type S3Fault = {
  readonly method: string;
  /** `reset`: the connection is cut without an answer; a number: answered with that status. */
  readonly how: "reset" | number;
  /** Requests of that method that go well before. Default: 0. */
  readonly after?: number;
};

/** A service that speaks S3's API for one bucket, as far as a multipart upload and its reading need it. */
export interface S3Server {
  readonly endpoint: string;
  readonly region: string;
  readonly bucket: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** Complete objects, by key. */
  readonly objects: Map<string, Buffer>;
  /** Keys of the uploads that were begun and neither completed nor aborted. */
  openUploads(): string[];
  fail(fault: S3Fault): void;
  stop(): Promise<void>;
}

/** Every request's signature is computed anew and compared: a client that signs wrongly, or not at all, gets 403. */
export async function startS3Server(): Promise<S3Server> {
  const service = {
    region: "test-1",
    bucket: "final-backups",
    credentials: { accessKeyId: `AKIA${randomUUID().slice(0, 8)}`, secretAccessKey: randomUUID() },
    objects: new Map<string, Buffer>(),
  };
  const uploads = new Map<string, { key: string; parts: Map<number, Buffer> }>();
  const faults: Array<{ method: string; how: "reset" | number; after: number }> = [];

  const server = createServer((request, response) => {
    answer(request, response).catch(() => request.socket.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await read(request);
    const method = request.method ?? "GET";
    const url = new URL(request.url ?? "/", endpoint);
    const planned = faults.find((fault) => fault.method === method);
    if (planned !== undefined && planned.after-- === 0) {
      faults.splice(faults.indexOf(planned), 1);
      if (planned.how === "reset") return void request.socket.resetAndDestroy();
      return send(response, planned.how, error("Planned"));
    }
    if (!(await isSigned(request, method, url, body)))
      return send(response, 403, error("SignatureDoesNotMatch"));
    const [, bucket, ...rest] = url.pathname.split("/");
    if (bucket !== service.bucket) return send(response, 404, error("NoSuchBucket"));
    respond(response, method, url.searchParams, rest.map(decodeURIComponent).join("/"), body);
  }

  function respond(
    response: ServerResponse,
    method: string,
    query: URLSearchParams,
    key: string,
    body: Buffer,
  ): void {
    const upload = query.get("uploadId");
    if (method === "GET" && query.has("uploads"))
      return send(response, 200, listing(query.get("prefix") ?? ""));
    if (method === "POST" && query.has("uploads")) {
      const id = randomUUID();
      uploads.set(id, { key, parts: new Map() });
      return send(
        response,
        200,
        `<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`,
      );
    }
    if (upload !== null) return respondToUpload(response, method, query, upload, body);
    const object = service.objects.get(key);
    if (object === undefined) return send(response, 404, method === "HEAD" ? "" : error("NoSuchKey"));
    response.writeHead(200, { "content-length": object.length, etag: etagOf(object) });
    response.end(method === "HEAD" ? undefined : object);
  }

  function respondToUpload(
    response: ServerResponse,
    method: string,
    query: URLSearchParams,
    id: string,
    body: Buffer,
  ): void {
    const upload = uploads.get(id);
    if (upload === undefined) return send(response, 404, error("NoSuchUpload"));
    if (method === "PUT") {
      upload.parts.set(Number(query.get("partNumber")), body);
      response.writeHead(200, { etag: etagOf(body) });
      return void response.end();
    }
    uploads.delete(id);
    if (method === "DELETE") return void response.writeHead(204).end();
    const named = [...body.toString().matchAll(/<PartNumber>(\d+)<\/PartNumber><ETag>([^<]*)<\/ETag>/g)];
    const parts = named.map(([, number, etag]) => ({ part: upload.parts.get(Number(number)), etag }));
    // As S3 does once it has begun to answer: status 200, and the error in the body.
    if (parts.some(({ part, etag }) => part === undefined || etagOf(part) !== etag)) {
      return send(response, 200, error("InvalidPart"));
    }
    service.objects.set(upload.key, Buffer.concat(parts.map(({ part }) => part as Buffer)));
    return send(response, 200, "<CompleteMultipartUploadResult/>");
  }

  function listing(prefix: string): string {
    const open = [...uploads].filter(([, { key }]) => key.startsWith(prefix));
    const entries = open.map(
      ([id, { key }]) => `<Upload><Key>${key}</Key><UploadId>${id}</UploadId></Upload>`,
    );
    return `<ListMultipartUploadsResult>${entries.join("")}</ListMultipartUploadsResult>`;
  }

  async function isSigned(
    request: IncomingMessage,
    method: string,
    url: URL,
    body: Buffer,
  ): Promise<boolean> {
    const header = (name: string) => String(request.headers[name] ?? "");
    const contentHash = header("x-amz-content-sha256");
    if (contentHash !== "UNSIGNED-PAYLOAD" && contentHash !== sha256(body)) return false;
    const expected = await new AwsV4Signer({
      method,
      url: url.href,
      headers: { "x-amz-content-sha256": contentHash },
      ...service.credentials,
      service: "s3",
      region: service.region,
      datetime: header("x-amz-date"),
    }).authHeader();
    return expected === header("authorization");
  }

  return {
    ...service,
    endpoint,
    openUploads: () => [...uploads.values()].map(({ key }) => key),
    fail: ({ after = 0, ...fault }) => void faults.push({ ...fault, after }),
    async stop() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

async function read(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function send(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { "content-type": "application/xml" }).end(body);
}

function error(code: string): string {
  return `<?xml version="1.0"?><Error><Code>${code}</Code><Message>a text</Message></Error>`;
}

function etagOf(content: Buffer): string {
  return `"${createHash("md5").update(content).digest("hex")}"`;
}

function sha256(content: Buffer): string {
  return createHash("sha256").update(content).digest("hex");
}
