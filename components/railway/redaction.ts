import { redactUrls } from "../errors.ts";

/** Cleans texts that Railway wrote before they become part of an error or a log line. */
export interface Redactor {
  /** Remembers a value (a token, the value of a variable) that must never be printed. */
  learn(value: string): void;
  /** The first line of a text, shortened, without any learnt value and without credentials in URLs. */
  clean(text: string): string;
}

/** Shorter values are ports and flags: hiding each "5432" or "true" would only make messages unreadable. */
const minimumSecretLength = 6;
const longestCleanText = 300;

/** Creates a redactor that knows nothing yet. */
export function createRedactor(): Redactor {
  const secrets = new Set<string>();
  return {
    learn(value) {
      for (const form of secretForms(value)) secrets.add(form);
    },
    clean(text) {
      let result = text;
      // Longest first: a password inside a URL must not leave the rest of that URL standing.
      for (const secret of [...secrets].sort((left, right) => right.length - left.length)) {
        result = result.replaceAll(secret, "[redacted]");
      }
      result = redactUrls(result).split("\n", 1)[0] ?? "";
      return result.length > longestCleanText ? `${result.slice(0, longestCleanText)}…` : result;
    },
  };
}

/**
 * A secret as it may come back: as it is, escaped in JSON, encoded in a URL, and the password inside a URL. Without those that
 * are too short to be told from other text.
 */
export function secretForms(value: string): string[] {
  const forms = [value, JSON.stringify(value).slice(1, -1), encodeURIComponent(value.toWellFormed())];
  if (URL.canParse(value)) {
    const { password } = new URL(value);
    forms.push(password);
    try {
      forms.push(decodeURIComponent(password));
    } catch {
      // Not percent-encoded text: the raw form above is all there is.
    }
  }
  return forms.filter((form) => form.length >= minimumSecretLength);
}
