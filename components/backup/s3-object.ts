import { createHash } from "node:crypto";
import { AwsClient } from "aws4fetch";
import type { S3Credentials } from "./destination.ts";
import type { StoredObject } from "./store.ts";

export interface S3Address {
  readonly endpoint: string;
  readonly region: string;
  readonly bucket: string;
  readonly key: string;
}

/**
 * The requests of S3's API for one object (docs.aws.amazon.com/AmazonS3/latest/API). Every method throws an
 * {@link S3Failure}, or what `fetch` throws once its tries are over.
 */
export class S3Object {
  readonly #client: AwsClient;
  readonly #url: string;
  readonly #bucketUrl: string;
  readonly #key: string;

  constructor({ endpoint, region, bucket, key }: S3Address, credentials: S3Credentials) {
    const { accessKeyId, secretAccessKey, sessionToken } = credentials;
    this.#client = new AwsClient({
      ...{ accessKeyId, secretAccessKey, service: "s3", region, retries: 5, initRetryMs: 200 },
      ...(sessionToken === undefined ? {} : { sessionToken }),
    });
    this.#bucketUrl = `${endpoint.replace(/\/+$/, "")}/${bucket}`;
    this.#url = `${this.#bucketUrl}/${key.split("/").map(encodeURIComponent).join("/")}`;
    this.#key = key;
  }

  /** `undefined` where there is no complete object of that name. */
  async head(): Promise<StoredObject | undefined> {
    const answer = await this.#send("HEAD", this.#url);
    if (answer.status === 404) return undefined;
    await assertOk(answer);
    return { bytes: Number(answer.headers.get("content-length")), version: answer.headers.get("etag") };
  }

  async get(): Promise<AsyncIterable<Uint8Array>> {
    const answer = await this.#send("GET", this.#url);
    await assertOk(answer);
    if (answer.body === null) throw new S3Failure(answer.status, "empty answer");
    return answer.body;
  }

  /** Ids of the uploads of this very object that were begun and neither completed nor aborted. */
  async listUploads(): Promise<string[]> {
    const query = `uploads=&prefix=${encodeURIComponent(this.#key)}`;
    const text = await this.#text(await this.#send("GET", `${this.#bucketUrl}?${query}`));
    return [...text.matchAll(/<Upload>(.*?)<\/Upload>/gs)]
      .map(([, upload = ""]) => ({ key: element(upload, "Key"), id: element(upload, "UploadId") }))
      .flatMap(({ key, id }) => (key === this.#key && id !== undefined ? [id] : []));
  }

  async createUpload(): Promise<string> {
    const text = await this.#text(await this.#send("POST", `${this.#url}?uploads=`));
    const id = element(text, "UploadId");
    if (id === undefined) throw new S3Failure(200, "no UploadId");
    return id;
  }

  /** Returns the part's ETag. The service checks the content against its hash. */
  async putPart(uploadId: string, number: number, content: Buffer): Promise<string> {
    const url = `${this.#url}?partNumber=${number}&uploadId=${encodeURIComponent(uploadId)}`;
    const answer = await this.#send("PUT", url, {
      body: content as Buffer<ArrayBuffer>,
      headers: { "x-amz-content-sha256": createHash("sha256").update(content).digest("hex") },
    });
    await this.#text(answer);
    const etag = answer.headers.get("etag");
    if (etag === null) throw new S3Failure(answer.status, "no ETag");
    return etag;
  }

  /** A completion that fails may do so with status 200 and an error in its body. */
  async completeUpload(uploadId: string, etags: readonly string[]): Promise<void> {
    const parts = etags.map(
      (etag, index) => `<Part><PartNumber>${index + 1}</PartNumber><ETag>${etag}</ETag></Part>`,
    );
    const answer = await this.#send("POST", `${this.#url}?uploadId=${encodeURIComponent(uploadId)}`, {
      body: `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${parts.join("")}</CompleteMultipartUpload>`,
      headers: { "content-type": "application/xml" },
    });
    const code = element(await this.#text(answer), "Code");
    if (code !== undefined) throw new S3Failure(answer.status, code);
  }

  /** Does nothing where it is gone already. */
  async abortUpload(uploadId: string): Promise<void> {
    const answer = await this.#send("DELETE", `${this.#url}?uploadId=${encodeURIComponent(uploadId)}`);
    if (answer.status !== 404) await assertOk(answer);
    await answer.body?.cancel();
  }

  /** The client repeats what the service fails or refuses for its load; a lost connection is repeated here. */
  async #send(method: string, url: string, init: RequestInit = {}): Promise<Response> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#client.fetch(url, { ...init, method, redirect: "error" });
      } catch (error) {
        if (attempt === mostAttempts) throw error;
      }
    }
  }

  async #text(answer: Response): Promise<string> {
    await assertOk(answer);
    return answer.text();
  }
}

const mostAttempts = 4;

/** What the service answered: its status and the error's code, which names neither content nor credentials. */
export class S3Failure extends Error {
  constructor(status: number, code: string) {
    super(`HTTP ${status} ${code}`);
    this.name = "S3Failure";
  }
}

async function assertOk(answer: Response): Promise<void> {
  if (answer.ok) return;
  const code = element(await answer.text().catch(() => ""), "Code");
  throw new S3Failure(answer.status, code ?? "without a reason");
}

function element(xml: string, name: string): string | undefined {
  const text = new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1];
  return text?.replaceAll(/&(lt|gt|quot|apos|amp);/g, (_all, entity: string) => entities[entity] ?? "");
}

const entities: Readonly<Record<string, string>> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };
