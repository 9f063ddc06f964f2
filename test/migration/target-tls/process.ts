import { switchTargetTls } from "../../../components/migration/target-tls.ts";
import { railwayOf, type TargetTlsCall } from "./world.ts";

/** One command in a process of its own, so that a test can kill it. Prints one line for each step. */
const call = JSON.parse(process.env.TARGET_TLS ?? "") as TargetTlsCall;
const print = (line: string) => console.log(line);
await switchTargetTls(
  {
    railway: railwayOf(call.variables),
    inputs: call.inputs,
    reporter: { step: print, detail: print },
    ...(call.validDays === undefined ? {} : { validDays: call.validDays }),
  },
  call.request,
);
