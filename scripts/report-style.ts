import { Html, html } from "./html.ts";

/** A page up to its body: it needs nothing beside itself, no script, no font, no request. */
export function reportHead(title: string): Html {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${title}</title>
${reportStyle}
</head>`;
}

/** The page's look: readable in light and dark, on a phone, and on paper. */
const reportStyle = new Html(`<style>
:root { color-scheme: light dark; --line: light-dark(#d0d5dd, #3f4652); --soft: light-dark(#f3f5f8, #20252d);
  --good: light-dark(#146c2e, #6fd58c); --bad: light-dark(#a8200d, #ff9a8a); --pause: light-dark(#c4320a, #f0804f);
  --phase: light-dark(#475467, #98a2b3); --service: light-dark(#1f5fbf, #7fb0ff); }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; padding: 1.5rem; max-width: 70rem; overflow-wrap: anywhere; }
h1 { margin: 0; font-size: 1.6rem; } h2 { margin: 2rem 0 .5rem; font-size: 1.15rem; }
.good { color: var(--good); } .bad, .reason { color: var(--bad); } .where { margin: 0; }
code { font-size: .875em; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: .75rem; margin: 1rem 0; }
.figures div { background: var(--soft); padding: .6rem .8rem; border-radius: .4rem; }
dt { font-size: .85rem; } dd { margin: 0; font-weight: 600; }
.lane { display: grid; grid-template-columns: 12rem 1fr 9rem; gap: .75rem; align-items: center; padding: .15rem 0; }
.track { position: relative; height: 1.1rem; background: var(--soft); }
.bar { position: absolute; top: 0; bottom: 0; min-width: 2px; }
.bar.pause { background: var(--pause); } .bar.phase { background: var(--phase); } .bar.service { background: var(--service); }
.bar.open { opacity: .5; }
.axis { display: flex; justify-content: space-between; gap: 1rem; font-size: .85rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; overflow-wrap: normal; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; border-bottom: 1px solid var(--line); }
@media (max-width: 40rem) { .lane { grid-template-columns: 1fr auto; } .track { grid-column: 1 / -1; grid-row: 2; } }
@media print { body { max-width: none; } .wide { overflow: visible; } }
</style>`);
