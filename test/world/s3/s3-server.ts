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
  /** Called once a HEAD was answered: what happens between a look and a reading. */
  onHead: (() => unknown) | undefined;
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
    respond(request, response).catch(() => request.socket.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await read(request);
    const method = request.method ?? "GET";
    const url = new URL(request.url ?? "/", endpoint);
    const how = plannedFault(method);
    if (how === "reset") {
      request.socket.resetAndDestroy();
      return;
    }
    const { status, headers, content } =
      how === undefined ? await answerSigned(request, method, url, body) : failure(how, "Planned");
    response.writeHead(status, { "content-length": content.length, ...headers });
    response.end(method === "HEAD" ? undefined : content);
    if (method === "HEAD") simulated.onHead?.();
  }

  async function answerSigned(request: IncomingMessage, method: string, url: URL, body: Buffer) {
    const signed = await isSigned(request, method, url, body);
    return signed ? answer(method, url, body) : failure(403, "SignatureDoesNotMatch");
  }

  function plannedFault(method: string): "reset" | number | undefined {
    const planned = faults.find((fault) => fault.method === method);
    if (planned === undefined || planned.after-- > 0) return undefined;
    faults.splice(faults.indexOf(planned), 1);
    return planned.how;
  }

  function answer(method: string, { pathname, searchParams: query }: URL, body: Buffer): Answer {
    const [, bucket, ...rest] = pathname.split("/");
    const key = rest.map(decodeURIComponent).join("/");
    if (bucket !== service.bucket) return failure(404, "NoSuchBucket");
    const upload = query.get("uploadId");
    if (upload !== null) return answerUpload(method, query, upload, body);
    if (query.has("uploads")) {
      if (method === "GET") return success(listing(query.get("prefix") ?? ""));
      const id = randomUUID();
      uploads.set(id, { key, parts: new Map() });
      return success(`<Result><UploadId>${id}</UploadId></Result>`);
    }
    const object = service.objects.get(key);
    if (object === undefined) return failure(404, "NoSuchKey");
    return { status: 200, headers: { etag: etagOf(object) }, content: object };
  }

  function answerUpload(method: string, query: URLSearchParams, id: string, body: Buffer): Answer {
    const upload = uploads.get(id);
    if (upload === undefined) return failure(404, "NoSuchUpload");
    if (method === "PUT") {
      upload.parts.set(Number(query.get("partNumber")), body);
      return { status: 200, headers: { etag: etagOf(body) }, content: Buffer.alloc(0) };
    }
    uploads.delete(id);
    if (method === "DELETE") return success("");
    const named = [...body.toString().matchAll(/<PartNumber>(\d+)<\/PartNumber><ETag>([^<]*)<\/ETag>/g)];
    const parts = named.map(([, number, etag]) => ({ part: upload.parts.get(Number(number)), etag }));
    // As S3 does once it has begun to answer: status 200, and the error in the body.
    if (parts.some(({ part, etag }) => part === undefined || etagOf(part) !== etag)) {
      return failure(200, "InvalidPart");
    }
    service.objects.set(upload.key, Buffer.concat(parts.map(({ part }) => part as Buffer)));
    return success("<CompleteMultipartUploadResult/>");
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

  const simulated: S3Server = {
    ...service,
    endpoint,
    onHead: undefined,
    openUploads: () => [...uploads.values()].map(({ key }) => key),
    fail: ({ after = 0, ...fault }) => void faults.push({ ...fault, after }),
    async stop() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
  return simulated;
}

async function read(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly content: Buffer;
}

function success(xml: string): Answer {
  return { status: 200, content: Buffer.from(xml) };
}

function failure(status: number, code: string): Answer {
  return { status, content: Buffer.from(`<Error><Code>${code}</Code><Message>a text</Message></Error>`) };
}

function etagOf(content: Buffer): string {
  return `"${createHash("md5").update(content).digest("hex")}"`;
}

function sha256(content: Buffer): string {
  return createHash("sha256").update(content).digest("hex");
}
