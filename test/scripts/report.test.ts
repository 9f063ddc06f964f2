import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { reportSchema, totalsOf } from "../../components/migration/report.ts";
import { renderReport } from "../../scripts/render-report.ts";
import { timelineOf } from "../../scripts/report-timeline.ts";
import { chromiumPath } from "./chromium.ts";
import { abortedReport, at, hostileName, promotedReport } from "./report-fixture.ts";

describe("the report", () => {
  test("counts exactly, tells what each variable held without a value, and holds no hash", () => {
    const report = promotedReport();
    expect(report).toMatchObject({
      state: "finished",
      writePauseMs: 40_000,
      moved: { rows: "9007199254740994", tables: [{ equal: true }, { equal: false }] },
      gate: { verdict: "green" },
    });
    expect(report.services.map(({ variables }) => variables[0]?.from)).toEqual([
      "${{Postgres.DATABASE_URL}}",
      "a value of its own, kept encrypted",
    ]);
    const text = JSON.stringify(report) + renderReport(report);
    expect(text).not.toMatch(/c0ffee|c2VjcmV0/);
    expect(reportSchema.parse(JSON.parse(JSON.stringify(report)))).toEqual(report);
  });

  test("with totals alone, tells no table's rows", () => {
    const totals = totalsOf(promotedReport());
    expect(reportSchema.parse(totals).moved).toMatchObject({ rows: "9007199254740994", tables: [] });
    const page = renderReport(totals);
    expect(page).toContain("<dd>9,007,199,254,740,994</dd>");
    expect(page).not.toMatch(/9,007,199,254,740,993|public\.users|<dd>0<\/dd>/);
  });

  test("its timeline ends with the window, whatever the journal says weeks later", () => {
    const timeline = timelineOf(promotedReport());
    expect(timeline).toMatchObject({ startMs: Date.parse(at(0)), endMs: Date.parse(at(40)) });
    expect(timeline?.lanes.map(({ label, startMs, endMs }) => [label, (endMs - startMs) / 1_000])).toEqual([
      ["writes paused", 40],
      ["copy and comparison", 20],
      ["both databases fenced", 20],
      ["@healthcare/public", 6],
      ["@healthcare/api", 8],
    ]);
  });

  test("says how both databases were reached, where the journal tells", () => {
    const { source, target } = promotedReport();
    expect(renderReport(promotedReport())).toContain(
      `<p>Reached: ${source} with TLS, certificate 5A:0C; ${target} IN CLEAR TEXT (made up).</p>`,
    );
    expect(renderReport(abortedReport())).not.toContain("Reached:");
  });

  test("of a migration that was put back says so, and why", () => {
    const page = renderReport(abortedReport());
    expect(page).toContain("Put back: the application runs on Postgres");
    expect(page).toContain("GATE_RED: it differs.");
    expect(page).not.toContain("<h2>Timeline");
  });

  test("tells the volume backups, or why there are none", () => {
    const report = promotedReport();
    const page = renderReport(report);
    expect(page).toContain("<code>b7c1</code>");
    expect(page).toContain(`${at(-300)}, before this run`);
    const skipped = { ...report, backups: { kind: "skipped" as const, reason: "the volumes are mirrored" } };
    expect(renderReport(skipped)).toContain("None was made: the volumes are mirrored");
    expect(renderReport({ ...report, backups: null })).not.toContain("Backups of the volumes");
  });

  test("a journal of a version without verdict is told so", () => {
    const page = renderReport({ ...promotedReport(), gate: null });
    expect(page).toContain("kept no more of it");
  });
});

if (chromiumPath === undefined) {
  console.warn(
    [
      "!".repeat(100),
      "!!  There is no Chromium on PATH: the report is NOT looked at in a browser.",
      "!!  Install the package chromium, or name a browser in CHROMIUM_PATH.",
      "!".repeat(100),
    ].join("\n"),
  );
}

describe.skipIf(chromiumPath === undefined)("in a browser", () => {
  let folder: string;
  let browser: Browser;

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "cutover-report-"));
    browser = await chromium.launch({
      ...(chromiumPath === undefined ? {} : { executablePath: chromiumPath }),
      args: [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    });
  });
  afterAll(async () => {
    await browser?.close();
    await rm(folder, { recursive: true });
  });

  /** Opens a page at a width; resolves with it and everything that it complained of or asked for. */
  async function open(content: string, width = 1_200, colorScheme: "light" | "dark" = "light") {
    const file = path.join(folder, "report.html");
    await writeFile(file, content);
    const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
    const noticed: string[] = [];
    page.on("console", (message) => noticed.push(message.text()));
    page.on("pageerror", (error) => noticed.push(error.message));
    page.on("request", (request) => noticed.push(request.url()));
    await page.goto(pathToFileURL(file).href, { waitUntil: "load" });
    return { page, noticed: noticed.filter((text) => text !== pathToFileURL(file).href) };
  }

  test("it stands alone: one file, no script, no request, no complaint, names as they are", async () => {
    const { page, noticed } = await open(renderReport(promotedReport()));
    expect(noticed).toEqual([]);
    expect(await page.title()).toBe("Cutover of clinic (production)");
    expect(await page.locator("script, img, link, iframe").count()).toBe(0);
    await page.locator("summary").click();
    expect(await page.getByRole("cell", { name: `public.${hostileName}`, exact: true }).isVisible()).toBe(
      true,
    );
    await page.close();
  });

  test("a reader sees the verdict, the pause, what moved and each service's evidence", async () => {
    const { page } = await open(renderReport(promotedReport()));
    expect(await page.getByRole("heading", { level: 1 }).innerText()).toBe(
      "pgvector is the application's database",
    );
    const figures = await page.locator(".figures").innerText();
    for (const part of ["40.0 s", "9,007,199,254,740,994", "1.2 MB", "green", "2 of 2"])
      expect(figures).toContain(part);
    const row = page.getByRole("row", { name: "@healthcare/public" });
    for (const part of [
      "${{Postgres.DATABASE_URL}}",
      "${{pgvector.DATABASE_URL}}",
      "new-1",
      "in place of",
      "old-1",
      at(27),
    ])
      expect(await row.innerText()).toContain(part);
    await page.close();
  });

  test("the bars are as long as what they stand for, and the pause is the longest", async () => {
    const { page } = await open(renderReport(promotedReport()));
    const track = await boxOf(page, ".track");
    const pause = await boxOf(page, ".bar.pause");
    expect(pause.width / track.width).toBeCloseTo(1, 2);
    const canary = await boxOf(page, ".bar.service");
    expect(canary.width / track.width).toBeCloseTo(6 / 40, 2);
    expect((canary.x - track.x) / track.width).toBeCloseTo(21 / 40, 2);
    expect(canary.height).toBeGreaterThan(8);
    await page.close();
  });

  test.for([
    [360, "light"],
    [1_200, "dark"],
  ] as const)("nothing runs out of a window of %i pixels, %s", async ([width, colorScheme]) => {
    const { page } = await open(renderReport(promotedReport()), width, colorScheme);
    await page.locator("summary").click();
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(width);
    const background = await page.evaluate(
      "getComputedStyle(document.querySelector('.figures div')).backgroundColor",
    );
    expect(background).toBe(colorScheme === "dark" ? "rgb(32, 37, 45)" : "rgb(243, 245, 248)");
    await page.close();
  });
});

async function boxOf(page: Page, selector: string) {
  const box = await page.locator(selector).first().boundingBox();
  if (box === null) throw new Error(`${selector} is not shown`);
  return box;
}
