import { accessSync, constants } from "node:fs";
import path from "node:path";

/** A Chromium that is installed here, or the one that CHROMIUM_PATH names; none is ever downloaded. */
export const chromiumPath: string | undefined = process.env.CHROMIUM_PATH ?? findOnPath();

function findOnPath(): string | undefined {
  const folders = (process.env.PATH ?? "").split(path.delimiter);
  return ["chromium", "chromium-browser", "google-chrome"]
    .flatMap((name) => folders.map((folder) => path.join(folder, name)))
    .find((candidate) => {
      try {
        accessSync(candidate, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}
