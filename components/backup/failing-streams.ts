import { notReadable } from "./store-errors.ts";

/** Tells a failure of what is read from one of what is written to. */
export async function* failing(
  content: AsyncIterable<Uint8Array>,
  onFailure: () => void,
): AsyncGenerator<Uint8Array> {
  try {
    yield* content;
  } catch (error) {
    onFailure();
    throw error;
  }
}

/** What is stored at a place; a failure half-way names the place. */
export async function* readable(
  content: AsyncIterable<Uint8Array>,
  place: string,
): AsyncGenerator<Uint8Array> {
  try {
    yield* content;
  } catch (error) {
    throw notReadable(place, error);
  }
}
