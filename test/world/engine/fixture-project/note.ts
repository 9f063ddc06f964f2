import * as pulumi from "@pulumi/pulumi";
import { providerText } from "../../../../components/dynamic/lazy-provider.ts";

interface NoteInputs {
  readonly text: pulumi.Input<string>;
  readonly heading: pulumi.Input<string>;
  readonly label?: pulumi.Input<string> | undefined;
  readonly password?: pulumi.Input<string>;
}

/** A text file that belongs to the stack. */
export class Note extends pulumi.CustomResource {
  declare readonly length: pulumi.Output<number>;

  constructor(name: string, inputs: NoteInputs, options?: pulumi.CustomResourceOptions) {
    const properties = { name, ...inputs, length: undefined };
    const __provider = providerText("#providers/note");
    super("pulumi-nodejs:dynamic/fixture:Note", name, { ...properties, __provider }, options);
  }
}
