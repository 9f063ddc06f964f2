import { parseArgs } from "node:util";
import { presentError } from "../components/errors.ts";
import { type Transport, transportSchema } from "../components/migration/inputs.ts";
import { planTargetTls, type TargetTlsRequest } from "../components/migration/target-tls/plan.ts";
import { lookAtTargetTls, switchTargetTls, type TargetTlsRun } from "../components/migration/target-tls.ts";
import { renderOutcome, renderPlan, renderTargetTls } from "./render-target-tls.ts";
import { readStack, runScript, wrongArguments } from "./stack.ts";
import { outliveTerminal } from "./terminal.ts";

const help = `Gives the running target server a certificate of its own and switches TLS on, without a restart: the pgvector image
comes without TLS, and its public address would carry every row in clear text. The private key is made on the server and
stays there. Nothing else is changed, and off puts back what was.

  npm run target-tls -- --stack prod [status]
  npm run target-tls -- --stack prod on [--yes] [--renew] [--accept-rules] [--port 15432]
  npm run target-tls -- --stack prod off [--yes] [--accept-rules] [--port 15432]

Without --yes it only shows what it would do, and what that means for each client.

status  whether TLS is on, its certificate with the fingerprint to pin, who is connected and how (default)
on      make key and certificate, switch ssl on, prove it by a new connection; nothing where it is on already
off     switch ssl off, remove key and certificate; sessions that use TLS go on until they end

--renew         with on: a new key and certificate in the last 30 days of the present one. Its fingerprint is another one.
--accept-rules  you have looked at the hostssl and hostnossl rules of pg_hba.conf, whose meaning changes with ssl
--port          a local port that a tunnel to the target forwards (railway connect --tunnel-only), in place of the stack's
                transport: the first time a public address is of no use, because it has no TLS yet

Refused while a migration is under way, and where somebody else has set TLS up. May be interrupted: on and off go on.
The Railway token is taken from RAILWAY_TOKEN (project) or RAILWAY_API_TOKEN (account, workspace).

Exit codes:
  0  done, nothing to do, or shown
  1  failed or refused: the error says in which state things are
  2  wrong arguments
`;

const commands = ["status", "on", "off"] as const;

await runScript(async () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      stack: { type: "string", default: "prod" },
      yes: { type: "boolean", default: false },
      renew: { type: "boolean", default: false },
      "accept-rules": { type: "boolean", default: false },
      port: { type: "string" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return 0;
  }
  const command = commands.find((name) => name === (positionals[0] ?? "status"));
  if (command === undefined || positionals.length > 1) throw wrongArguments("Say status, on or off");
  if (values.renew && command !== "on") throw wrongArguments("--renew goes with on");
  if (command === "status" && (values.yes || values["accept-rules"]))
    throw wrongArguments("status takes neither --yes nor --accept-rules");
  const tunnel = values.port === undefined ? undefined : parseTunnel(values.port);
  const run = await targetTlsRun(values.stack, tunnel);
  if (command === "status") {
    process.stdout.write(renderTargetTls(await lookAtTargetTls(run), values.stack));
    return 0;
  }
  const request = { command, renew: values.renew, acceptRules: values["accept-rules"] };
  if (!values.yes) return show(run, request, values.stack);
  outliveTerminal();
  process.stdout.write(renderOutcome(await switchTargetTls(run, request), values.stack));
  return 0;
});

async function show(run: TargetTlsRun, request: TargetTlsRequest, stack: string): Promise<number> {
  const look = await lookAtTargetTls(run);
  const plan = planTargetTls(request, look.seen, new Date());
  process.stdout.write(`${renderTargetTls(look, stack)}\n`);
  if (plan.action === "refuse") {
    console.error(presentError(plan.error));
    return 1;
  }
  process.stdout.write(renderPlan(plan, look));
  return 0;
}

async function targetTlsRun(stack: string, tunnel: Transport | undefined): Promise<TargetTlsRun> {
  const { railway, inputs } = await readStack(stack);
  const { transport } = inputs;
  return {
    railway,
    inputs: { ...inputs, transport: { ...transport, target: tunnel ?? transport.target } },
    reporter: { step: (text) => console.log(`── ${text}`), detail: (text) => console.log(`   ${text}`) },
  };
}

function parseTunnel(text: string): Transport {
  const parsed = transportSchema.safeParse({ via: "tunnel", port: Number(text) });
  if (parsed.success) return parsed.data;
  throw wrongArguments("--port is a local port that a tunnel forwards");
}
