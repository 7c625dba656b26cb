// Open the page of a console, wait until it shows the screen, and take a screenshot:
//   node console.mjs ADDRESS PICTURE.png
// Print the result as a line of JSON.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [address, picture] = process.argv.slice(2);
const profile = mkdtempSync(join(tmpdir(), "console-"));
const quiet = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];
const browser = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
  headless: true,
  args: quiet,
  viewport: { width: 1000, height: 640 },
});

// Return the number of colours on the screen; an empty screen has one.
function colours() {
  const canvas = document.querySelector("#screen canvas");
  if (!canvas || !canvas.width) return 0;
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const seen = new Set();
  for (let at = 0; at < data.length; at += 4) seen.add((data[at] << 16) | (data[at + 1] << 8) | data[at + 2]);
  return seen.size;
}

const errors = [];
try {
  const page = browser.pages()[0] ?? (await browser.newPage());
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  await page.goto(address);
  await page.waitForSelector("#state:not([data-state=connecting])", { timeout: 20000 });
  const state = await page.textContent("#state");
  if (state === "connected") await page.waitForFunction(colours, null, { timeout: 20000 }).catch(() => {});
  await page.waitForTimeout(500);
  const result = { state, colours: await page.evaluate(colours), errors };
  if (picture) await page.screenshot({ path: picture });
  console.log(JSON.stringify(result));
} finally {
  await browser.close();
  rmSync(profile, { recursive: true, force: true });
}
