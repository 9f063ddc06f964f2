import { local } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { Note } from "./note.ts";

interface NoteSettings {
  readonly name: string;
  readonly text: string;
  /** The name of an earlier note that must be there first. */
  readonly after?: string;
  readonly protect?: boolean;
  /** Hands the note what FIXTURE_PASSWORD holds, as a secret. */
  readonly password?: boolean;
  /** Another label makes it another note. */
  readonly label?: string;
  /** A shell command to run once the note is kept. */
  readonly command?: string;
}

const config = new pulumi.Config();
const notes = new Map<string, Note>();

for (const { name, text, after, protect, password, label, command } of config.requireObject<NoteSettings[]>(
  "notes",
)) {
  const earlier = after === undefined ? undefined : notes.get(after);
  const note = new Note(
    name,
    {
      text,
      heading:
        earlier === undefined ? config.require("greeting") : pulumi.interpolate`after ${earlier.length}`,
      label,
      ...(password === true ? { password: pulumi.secret(process.env.FIXTURE_PASSWORD ?? "") } : {}),
    },
    { protect, dependsOn: earlier === undefined ? [] : [earlier] },
  );
  notes.set(name, note);
  if (command !== undefined) {
    new local.Command(`${name}-command`, { create: command, triggers: [text] }, { dependsOn: [note] });
  }
}

export const names = [...notes.keys()];
export const lengths = Object.fromEntries([...notes].map(([name, note]) => [name, note.length]));
export const types = {
  copies: typeof config.requireNumber("copies"),
  loud: config.requireBoolean("loud"),
};
export const hidden = pulumi.secret("seldom told");
