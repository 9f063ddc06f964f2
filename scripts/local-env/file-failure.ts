import { CutoverError } from "../../components/errors.ts";

/** Names the file that could not be read or written; the system's own message may hold no more than a code. */
export function fileFailure(file: string, cause: unknown): CutoverError {
  const code = (cause as NodeJS.ErrnoException).code ?? "unknown error";
  return new CutoverError({
    code: "LOCAL_ENV_FILE_FAILED",
    message: `${file} could not be read or written (${code}).`,
    remedy:
      "Look at the file and its folder's rights, then run again. `--undo` takes back what was already written.",
    cause,
  });
}
