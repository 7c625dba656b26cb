// Run scenarios of the web console in one browser. Each line of standard input is a scenario as JSON,
// {"scenario": …, …}; each line of standard output is its result, {"result": …} or {"error": …}.
//   node scenarios.mjs ADDRESS KEY FOLDER
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const [base, key, folder] = process.argv.slice(2);
const AXE = readFileSync(new URL("./node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
const PATIENCE = 20_000;
const DEADLINE = 120_000;
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"],
});
const contexts = [];

/** Open a page of a new browser profile, and collect its errors and its requests. */
async function openPage({ width = 1280, height = 800, colorScheme = "light", signedIn = true } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme, reducedMotion: "reduce" });
  contexts.push(context);
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  const notes = { errors: [], requests: [], pending: new Set() };
  page.on("pageerror", (error) => notes.errors.push(String(error)));
  // The browser writes a line for each answer of 4xx, which a scenario may ask for.
  page.on("console", (message) => {
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) notes.errors.push(message.text());
  });
  page.on("request", (request) => {
    notes.requests.push(request.url());
    // The stream of changes does not end.
    if (!request.url().endsWith("/ui/changes")) notes.pending.add(request);
  });
  for (const end of ["requestfinished", "requestfailed"]) page.on(end, (request) => notes.pending.delete(request));
  if (signedIn) await page.addInitScript((text) => sessionStorage.setItem("pileus-key", text), key);
  return { page, context, notes };
}

/** Sign in on the page that asks for it. */
async function signInWithPassword(page, email, password) {
  await page.getByRole("button", { name: "With a password" }).click();
  await page.getByLabel("E-mail").fill(email);
  await page.getByLabel("Password", { exact: true }).fill(password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await settle(page);
}

/** Wait until a page has loaded what it shows. */
async function settle(page) {
  await page.locator(".frame main h1").first().waitFor();
  await page.waitForFunction(() => !document.querySelector('[aria-busy="true"]'));
  await page.waitForLoadState("load");
}

/** Go to an address of the console without loading the page again. */
async function visit(page, path) {
  await page.evaluate(() => document.querySelector("dialog")?.close());
  // A dialog that closes changes the address.
  await page.locator("dialog").waitFor({ state: "detached" });
  await page.evaluate((target) => {
    history.pushState(null, "", target);
    window.dispatchEvent(new PopStateEvent("popstate"));
  }, path);
  await page.waitForFunction(() => document.querySelector("main h1") && !document.querySelector('[aria-busy="true"]'));
}

const COLOURS = ["color-contrast", "link-in-text-block"];

/** Return what axe finds: by all rules, or by those that depend on the theme. */
async function findViolations(page, rules) {
  return page.evaluate(async (names) => {
    const only = names ? { runOnly: { type: "rule", values: names } } : {};
    const { violations } = await globalThis.axe.run(document, { resultTypes: ["violations"], preload: false, ...only });
    return violations.map((violation) => `${violation.id}: ${violation.nodes.map((node) => node.html.slice(0, 160)).join(" | ")}`);
  }, rules);
}

/** Go to a page, within the console or by loading it, and wait until it has shown what it has asked for. */
async function open(page, notes, path) {
  if (page.url().startsWith(`${base}/ui/`) && path.startsWith("/ui/")) await visit(page, path);
  else await page.goto(base + path);
  await page.locator(path.includes("do=") ? "dialog[open]" : "h1").first().waitFor();
  await rest(page, notes);
}

/** Wait until a page has drawn what it has asked for. */
async function rest(page, notes) {
  for (let still = 0; still < 2; ) {
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => setTimeout(done))));
    still = notes.pending.size ? 0 : still + 1;
  }
}

/** Show a page at a width and in a theme. */
async function show(page, width, height, colorScheme) {
  await page.setViewportSize({ width, height });
  await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
}

/** Keep the first operation of each method in the API reference: all have one look, and axe would take minutes. */
function keepExamples() {
  const seen = new Set();
  for (const element of document.querySelectorAll("main section, nav a")) {
    const kind = `${element.tagName} ${element.querySelector(".verb").textContent} ${element.querySelector(".old, h3 .must") !== null}`;
    if (seen.has(kind)) element.remove();
    seen.add(kind);
  }
}

/** Check a page at several widths in both themes. The largest shows the elements of the one before: axe skips it. */
async function checkPage(page, notes, sizes) {
  const problems = [];
  const largest = sizes.at(-1);
  if (page.url().endsWith("/schema")) await page.evaluate(keepExamples);
  const note = (width, theme, texts) => problems.push(...texts.map((text) => `${width} ${theme}: ${text}`));
  if (!(await page.evaluate(() => "axe" in globalThis))) await page.evaluate(AXE);
  for (const size of sizes) {
    await show(page, ...size, "light");
    const violations = size === largest ? [] : await findViolations(page);
    note(size[0], "light", [...violations, ...(await page.evaluate(findOverflow))]);
  }
  for (const size of sizes.slice(0, -1).reverse()) {
    await show(page, ...size, "dark");
    note(size[0], "dark", await findViolations(page, COLOURS));
  }
  return [...problems, ...notes.errors.splice(0)];
}

/** Return what is wider than the page; tables and tabs scroll in themselves. */
function findOverflow() {
  const width = document.documentElement.clientWidth;
  const content = document.querySelector("main");
  const isWide = document.documentElement.scrollWidth > width || content.scrollWidth > content.clientWidth + 1;
  return isWide ? [`${document.documentElement.scrollWidth} of ${width}, main ${content.scrollWidth} of ${content.clientWidth}`] : [];
}

const SCENARIOS = {
  /** Show pages in both themes at several widths, and return the problems of each: violations of axe, overflow, errors. */
  async pages({ pages, sizes, isSignedIn = true }) {
    const { page, notes } = await openPage({ signedIn: isSignedIn });
    const problems = {};
    for (const path of pages) {
      await open(page, notes, path);
      const found = await checkPage(page, notes, sizes);
      if (found.length) problems[path] = found;
    }
    return problems;
  },

  /** Take pictures of pages, whose names are given, in both themes at several widths. */
  async pictures({ pages, sizes, isSignedIn = true }) {
    const { page, notes } = await openPage({ signedIn: isSignedIn });
    for (const [path, name] of Object.entries(pages)) {
      await open(page, notes, path);
      for (const colorScheme of ["light", "dark"]) {
        for (const [width, height] of sizes) {
          await show(page, width, height, colorScheme);
          await page.screenshot({ path: join(folder, `${name}-${width}-${colorScheme}.png`) });
        }
      }
    }
    return true;
  },

  /**
   * Work with a list of many records of another server: pages, filters, a dialog that refers to one of them. Return the
   * size of each page, and the largest number of rows that was asked for.
   */
  async large_list({ server, serverKey, name }) {
    const { page, notes } = await openPage({ signedIn: false });
    await page.addInitScript((text) => sessionStorage.setItem("pileus-key", text), serverKey);
    const sizes = {};
    const measure = async (step) => {
      await page.waitForFunction(() => !document.querySelector('[aria-busy="true"]'));
      sizes[step] = await page.evaluate(() => ({
        rows: document.querySelectorAll("tbody tr").length,
        elements: document.querySelectorAll("*").length,
        range: document.querySelector(".pages [role=status]").textContent,
      }));
    };
    await page.goto(`${server}/ui/1/1/instances`);
    await settle(page);
    await measure("first");
    await page.getByRole("button", { name: "Next" }).click();
    await page.getByText("26–50 of", { exact: false }).waitFor();
    await measure("second");
    await page.getByLabel("Rows").selectOption("100");
    await page.getByText("1–100 of", { exact: false }).waitFor();
    await measure("largest");
    await page.goto(`${server}/ui/1/1/instances?limit=1000`);
    await settle(page);
    await measure("from_the_address");
    await page.locator("#filter-name").pressSequentially(name);
    const typed = await page.locator("#filter-name").inputValue();
    await page.keyboard.press("Enter");
    await page.getByText("1–1 of 1", { exact: true }).waitFor();
    await measure("filtered");
    await page.goto(`${server}/ui/1/1/snapshots?do=create`);
    await page.locator("#field-volume_id[list]").waitFor();
    const options = await page.locator("#field-volume_id-suggestions option").count();
    const lists = notes.requests.filter((url) => url.includes("/instances/1/1?")).map((url) => Number(new URL(url).searchParams.get("limit")));
    return { sizes, typed, options, most: Math.max(...lists), errors: notes.errors };
  },

  /** Create a schedule: check and uncheck volumes, and enter the ids of others. Return how many can be checked. */
  async references({ server, serverKey, others }) {
    const { page } = await openPage({ signedIn: false });
    await page.addInitScript((text) => sessionStorage.setItem("pileus-key", text), serverKey);
    await page.goto(`${server}/ui/1/1/schedules?do=create`);
    const dialog = page.locator("dialog[open]");
    await dialog.locator("#field-name").fill("nightly");
    await dialog.getByRole("checkbox").nth(1).check();
    await dialog.getByLabel("IDs of others").fill(others);
    await dialog.getByRole("checkbox").nth(0).check();
    await dialog.getByRole("checkbox").nth(1).uncheck();
    const boxes = await dialog.getByRole("checkbox").count();
    await dialog.locator('button[type="submit"]').click();
    await dialog.waitFor({ state: "detached" });
    return { boxes };
  },

  /** Return the values that texts of a dialog suggest, by their names. */
  async suggestions({ server, serverKey, path, names }) {
    const { page } = await openPage({ signedIn: false });
    await page.addInitScript((text) => sessionStorage.setItem("pileus-key", text), serverKey);
    await page.goto(`${server}${path}`);
    for (const name of names) await page.locator(`#field-${name}[list]`).waitFor();
    const lists = names.map((name) => page.locator(`#field-${name}`).evaluate((input) => [...input.list.options].map((option) => option.value)));
    return Object.fromEntries((await Promise.all(lists)).map((values, at) => [names[at], values]));
  },

  /** Show a page for people with a preference of motion: what indicates work, and how much of it moves. */
  async animations({ path, motion }) {
    const { page } = await openPage();
    await page.emulateMedia({ reducedMotion: motion });
    await page.goto(base + path);
    await page.locator(".spinner").first().waitFor();
    return page.evaluate(() => ({ spinners: document.querySelectorAll(".spinner").length, moving: document.getAnimations().length }));
  },

  /** Load the first list: its requests, and what they weigh. */
  async first_list() {
    const { page, notes } = await openPage();
    const sizes = [];
    // Not the stream of changes, which does not end.
    page.on("response", (response) => response.url().includes("/ui/files/") && sizes.push(response.request().sizes()));
    await page.goto(`${base}/ui/1/1/instances`);
    await settle(page);
    const bytes = await Promise.all(sizes);
    const files = notes.requests.filter((url) => url.includes("/ui/files/"));
    return {
      foreign: notes.requests.filter((url) => !url.startsWith(base) && !url.startsWith("data:")),
      files: files.length,
      bytes: bytes.reduce((sum, { responseBodySize }) => sum + responseBodySize, 0),
      errors: notes.errors,
    };
  },

  /** Return the milliseconds from the start of a navigation until the first row of a list, in new profiles. */
  async time_first_list({ rounds }) {
    const times = [];
    for (let round = 0; round < rounds; round += 1) {
      const { page, context } = await openPage();
      await page.addInitScript(() => {
        const observer = new MutationObserver(() => {
          if (!document.querySelector("tbody tr")) return;
          globalThis.firstRow = performance.now();
          observer.disconnect();
        });
        observer.observe(document, { childList: true, subtree: true });
      });
      await page.goto(`${base}/ui/1/1/instances`);
      await page.waitForFunction(() => globalThis.firstRow);
      times.push(await page.evaluate(() => globalThis.firstRow));
      await context.close();
    }
    return times;
  },

  /** Sign in with a ticket, in a second tab by the first one, and out in both. */
  async sign_in({ ticket }) {
    const { page, context, notes } = await openPage({ signedIn: false });
    await page.goto(`${base}/#ticket=${ticket}`);
    await page.waitForURL(/\/ui\//);
    await settle(page);
    const address = page.url();
    const second = await context.newPage();
    await second.goto(`${base}/ui/1/1/volumes`);
    await settle(second);
    const local = await page.evaluate(() => JSON.stringify(localStorage) + document.cookie);
    await page.locator(".account summary").click();
    await page.getByRole("button", { name: "Sign out" }).click();
    await second.getByRole("button", { name: "Sign in" }).waitFor();
    await page.goto(`${base}/#ticket=${ticket}`);
    const refusal = await page.getByRole("alert").textContent();
    return { address, local, refusal, stored: await page.evaluate(() => sessionStorage.length), errors: notes.errors };
  },

  /** Sign in with a key that is wrong, then with the right one. */
  async key_sign_in() {
    const { page } = await openPage({ signedIn: false });
    await page.goto(`${base}/ui/1/1/networks`);
    await page.getByLabel("API key").fill("1_wrong-key-wrong-key");
    await page.getByRole("button", { name: "Sign in" }).click();
    const refusal = await page.getByRole("alert").textContent();
    await page.getByLabel("API key").fill(key);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Networks", level: 1 }).waitFor();
    return { refusal, heading: await page.locator("h1").textContent() };
  },

  /** The life of an instance with the mouse: create, stop, tag, delete. */
  async life_by_mouse({ name }) {
    const { page, notes } = await openPage();
    await page.goto(`${base}/ui/1/1/instances`);
    await page.getByRole("button", { name: "Create instance" }).click();
    await page.getByLabel("Name", { exact: true }).fill(name);
    await page.getByLabel("Image").selectOption({ index: 1 });
    await page.getByLabel("Flavor").selectOption({ label: await flavorLabel(page) });
    await page.locator(".price").waitFor();
    const command = await page.locator(".samples pre").textContent();
    await page.getByRole("button", { name: "Create instance" }).click();
    await page.getByRole("heading", { name, level: 1 }).waitFor();
    await page.locator(".head .status", { hasText: "ACTIVE" }).waitFor();
    await runOperation(page, "Stop");
    await page.locator(".head .status", { hasText: "SHUTOFF" }).waitFor();
    await page.getByRole("link", { name: "Tags", exact: true }).click();
    await page.getByRole("button", { name: "Add a tag" }).click();
    await page.getByLabel("Name of the tag").last().fill("env");
    await page.getByLabel("Value of env").fill("prod");
    await page.getByRole("button", { name: "Save 1" }).click();
    await page.getByRole("button", { name: "Save", exact: true }).waitFor();
    const id = new URL(page.url()).pathname.split("/").pop();
    await page.locator(".actions .menu summary").click();
    await runOperation(page, "Delete");
    await page.getByRole("heading", { name: "Instances", level: 1 }).waitFor();
    return { id, command, errors: notes.errors };
  },

  /** The same with the keyboard alone. */
  async life_by_keyboard({ name }) {
    const { page, notes } = await openPage();
    await page.goto(`${base}/ui/1/1/instances`);
    await settle(page);
    await pressOn(page, "Create instance");
    await focusOn(page, "name");
    await page.keyboard.type(name);
    await focusOn(page, "image");
    await page.keyboard.press("ArrowDown");
    await focusOn(page, "flavor");
    await page.keyboard.type("g1-standard-1-2");
    await focusOn(page, "size");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name, level: 1 }).waitFor();
    await page.locator(".head .status", { hasText: "ACTIVE" }).waitFor();
    await pressOn(page, "Stop");
    await page.locator("dialog").waitFor();
    const focused = await page.evaluate(() => document.activeElement.closest("dialog") !== null);
    await page.keyboard.press("Escape");
    await page.locator("dialog").waitFor({ state: "detached" });
    const returned = await page.evaluate(() => document.activeElement.textContent.trim());
    await page.keyboard.press("Enter");
    await page.locator("dialog").waitFor();
    await page.keyboard.press("Enter");
    await page.locator(".head .status", { hasText: "SHUTOFF" }).waitFor();
    // What a screen reader says.
    await page.locator('[aria-live="polite"]', { hasText: "Stop has finished." }).waitFor({ state: "attached" });
    await pressOn(page, "More");
    await pressOn(page, "Delete");
    await page.locator("dialog").waitFor();
    await pressOn(page, "Delete");
    await page.getByRole("heading", { name: "Instances", level: 1 }).waitFor();
    return { focused, returned, errors: notes.errors };
  },

  /** Two browsers edit the tags of one instance: different tags are both kept, the same tag is asked about. */
  async two_editors({ path }) {
    const [one, two] = await Promise.all([openPage(), openPage()]);
    for (const { page } of [one, two]) {
      await page.goto(`${base}${path}?tab=tags`);
      await settle(page);
      await page.locator(".liveness.good").waitFor();
    }
    await addTag(one.page, "own", "kept");
    await addTag(two.page, "other", "saved");
    await two.page.getByRole("button", { name: "Save 1" }).click();
    await one.page.getByLabel("Value of other").waitFor();
    const patch = await one.page.locator(".copybox pre").first().textContent();
    await one.page.getByRole("button", { name: "Save 1" }).click();
    await two.page.getByLabel("Value of own").waitFor();
    await one.page.getByLabel("Value of own").fill("mine");
    await two.page.getByLabel("Value of own").fill("theirs");
    await two.page.getByRole("button", { name: "Save 1" }).click();
    const conflict = await one.page.getByRole("alert").filter({ hasText: "Somebody else" }).textContent();
    await one.page.getByRole("button", { name: "Keep mine" }).click();
    await one.page.getByRole("button", { name: "Save 1" }).click();
    await one.page.getByRole("button", { name: "Save", exact: true }).waitFor();
    return { patch, conflict, errors: [...one.notes.errors, ...two.notes.errors] };
  },

  /** Save a tag of an instance that a task holds: it is refused and kept, and saved when the fault that holds it is gone. */
  async locked_tags({ path, fault }) {
    const { page, notes } = await openPage();
    await page.goto(`${base}${path}?tab=tags`);
    await settle(page);
    await addTag(page, "late", "kept");
    await page.getByRole("button", { name: "Save 1" }).click();
    const refusal = await page.getByRole("alert").filter({ hasText: "This did not work" }).textContent();
    const explanation = await page.getByText("What you typed is still here").textContent();
    const kept = await page.getByLabel("Value of late").inputValue();
    await fetch(`${base}/_pileus/faults/${fault}`, { method: "DELETE", headers: { Authorization: `APIKey ${key}` } });
    await page.locator(".head .status", { hasText: "SHUTOFF" }).waitFor();
    await page.getByRole("button", { name: "Try again" }).click();
    await page.getByRole("button", { name: "Save", exact: true }).waitFor();
    return { refusal, explanation, kept, errors: notes.errors };
  },

  /** Filter a list by a tag chip and by a name, choose columns, and go to the address that this has made. */
  async list_views({ tag, name }) {
    const { page, notes } = await openPage();
    const rows = async () => (await page.locator("tbody tr td:first-child").allTextContents()).map((text) => text.trim());
    const headings = () => page.locator("thead th").allTextContents();
    await page.goto(`${base}/ui/1/1/instances`);
    await settle(page);
    await page.getByRole("link", { name: `Show only those with the tag ${tag}` }).first().click();
    await page.waitForURL(/tag_key_value/);
    await settle(page);
    const tagged = await rows();
    await page.locator("#filter-name").fill(name);
    await page.getByRole("button", { name: "Apply" }).click();
    await page.waitForURL(/[?&]name=/);
    await page.getByText("1–1 of 1", { exact: true }).waitFor();
    await page.locator("summary", { hasText: "Columns" }).click();
    await page.locator(".menu-items").getByLabel("Flavor").uncheck();
    await page.locator(".menu-items").getByLabel("SSH key").check();
    await page.waitForURL(/columns=/);
    const chosen = await headings();
    const { page: other } = await openPage();
    await other.goto(page.url());
    await settle(other);
    const shared = { headings: await other.locator("thead th").allTextContents(), rows: await other.locator("tbody tr").count() };
    await page.locator("#filter-name").fill("nothing-has-this-name");
    await page.getByRole("button", { name: "Apply" }).click();
    await page.getByText("Nothing matches these filters.").waitFor();
    return { tagged, chosen, shared, errors: notes.errors };
  },

  /** Find a request in the log, and return what the page shows of it. */
  async request_log({ text }) {
    const { page, notes } = await openPage();
    await page.goto(`${base}/ui/1/1/requests`);
    await page.getByLabel("Contains").fill(text);
    const exchange = page.locator(".exchange").first();
    await page.waitForFunction((part) => document.querySelector(".exchange .path")?.textContent.includes(part), text);
    const line = await exchange.locator("summary").innerText();
    await exchange.locator("summary").click();
    await exchange.locator("pre").first().waitFor();
    const bodies = await exchange.locator("pre").allTextContents();
    return { line, bodies, errors: notes.errors };
  },

  /** Without the stream, a list is polled: let time pass, and a change of another program appears. */
  async polling({ name }) {
    const { page } = await openPage();
    await page.clock.install();
    await page.route("**/ui/changes", (route) => route.abort());
    await page.goto(`${base}/ui/1/1/ssh_keys`);
    await settle(page);
    const liveness = await page.locator(".liveness").textContent();
    await fetch(`${base}/cloud/v1/ssh_keys/1`, {
      method: "POST",
      headers: { Authorization: `APIKey ${key}`, "Content-Type": "application/json" },
      body: JSON.stringify({ name }),
    });
    await page.clock.fastForward(16_000);
    await page.getByRole("link", { name }).waitFor();
    return liveness.trim();
  },

  /** A change of another program appears in a list that nobody touches. */
  async live_list({ name }) {
    const { page } = await openPage();
    await page.goto(`${base}/ui/1/1/ssh_keys`);
    await settle(page);
    await page.locator(".liveness.good").waitFor();
    await fetch(`${base}/cloud/v1/ssh_keys/1`, {
      method: "POST",
      headers: { Authorization: `APIKey ${key}`, "Content-Type": "application/json" },
      body: JSON.stringify({ name }),
    });
    await page.getByRole("link", { name }).waitFor();
    return true;
  },

  /** A task that a fault holds is shown, and released or failed. */
  async held_task({ path, button, state }) {
    const { page, notes } = await openPage();
    await page.goto(base + path);
    await page.getByText("holds this task").waitFor();
    await page.getByRole("button", { name: button }).click();
    await page.locator(".head .status", { hasText: state }).waitFor();
    return { error: (await page.locator("p.error").allTextContents()).join(" "), errors: notes.errors };
  },

  /** What a role may not do is disabled with a reason. */
  async reader({ readerKey, path }) {
    const { page } = await openPage({ signedIn: false });
    await page.addInitScript((text) => sessionStorage.setItem("pileus-key", text), readerKey);
    await page.goto(base + path);
    await settle(page);
    const button = page.getByRole("button", { name: "Create instance" });
    await button.click({ force: true });
    return { reason: await button.getAttribute("title"), address: page.url() };
  },

  /** Open a list, and wait until the page says that the server is lost. */
  async lose_server() {
    const { page } = await openPage();
    globalThis.lost = page;
    await page.goto(`${base}/ui/1/1/volumes`);
    await settle(page);
    return true;
  },
  async say_lost() {
    const page = globalThis.lost;
    await page.locator('a[href$="/networks"]').click();
    await page.getByText("The server does not answer").waitFor();
    return true;
  },
  async go_on() {
    const page = globalThis.lost;
    await page.getByText("The server does not answer").waitFor({ state: "detached" });
    await settle(page);
    return page.locator("h1").textContent();
  },

  /** Return the patches that the console would send, and the tags after them. */
  async merge_patches({ cases }) {
    const { page } = await openPage();
    await page.goto(`${base}/ui/1/1/instances`);
    return page.evaluate(async (given) => {
      const rule = await import("/ui/files/merge_patch.js");
      return given.map(([current, patch, wanted]) => ({
        applied: rule.applyPatch(current, patch),
        made: wanted && rule.makePatch(current, wanted),
      }));
    }, cases);
  },

  /**
   * Open dialogs and submit them, one after the other: each step has an address, the button to press and its row, unless
   * the address opens the dialog, the values by the names of their fields, and what the page shows or hides then. Return the same as a command, and what the
   * page shows afterwards.
   */
  async dialogs({ steps }) {
    const { page, notes } = await openPage();
    await page.goto(`${base}/ui/1/1/projects`);
    await settle(page);
    const results = [];
    for (const { path, row, press, values = {}, shows, hides } of steps) {
      await visit(page, path);
      const place = row ? page.locator("tr", { hasText: row }) : page.locator("main");
      if (press) await place.getByRole("button", { name: press, exact: true }).click();
      const dialog = page.locator("dialog[open]");
      for (const [name, value] of Object.entries(values)) await fillField(fieldOf(dialog, name), value);
      const command = await dialog.locator(".samples pre").textContent();
      const forms = await dialog.locator(".samples button[aria-pressed]").allTextContents();
      await dialog.locator('button[type="submit"]').click();
      await dialog.waitFor({ state: "detached" });
      await rest(page, notes);
      if (shows) await page.locator("main").getByText(shows).first().waitFor();
      if (hides) await page.locator("main").getByText(hides).first().waitFor({ state: "detached" });
      results.push({ command, forms: forms.map((text) => text.trim()), text: await page.locator("main").innerText() });
    }
    return { results, errors: notes.errors };
  },

  /** Wait until a page shows a text, and return all that it shows. */
  async show({ path, text }) {
    const { page, notes } = await openPage();
    await page.goto(base + path);
    await settle(page);
    await page.getByText(text, { exact: true }).first().waitFor();
    return { text: await page.locator("main").innerText(), errors: notes.errors };
  },

  /** Let a member of a pool fail, until the page shows that it has, and answer again. */
  async fail_member({ path }) {
    const { page, notes } = await openPage();
    await page.goto(base + path);
    await page.getByRole("button", { name: "Let it fail" }).click();
    await page.getByRole("button", { name: "Let it answer" }).click();
    await page.getByRole("button", { name: "Let it fail" }).waitFor();
    return notes.errors;
  },

  /** Reset the project of a page. */
  async reset_project({ path }) {
    const { page, notes } = await openPage();
    await page.goto(base + path);
    await settle(page);
    await page.getByRole("button", { name: "This project" }).click();
    await Promise.all([
      page.waitForURL(/\/instances$/),
      page.locator("dialog").getByRole("button", { name: "This project" }).click(),
    ]);
    return notes.errors;
  },

  /** Sign in with a wrong and with the right password; a token that is refused is renewed, in all tabs. */
  async password_sign_in({ email, password, path, heading }) {
    const { page, context, notes } = await openPage({ signedIn: false });
    await page.goto(base + path);
    await page.getByRole("button", { name: "With a password" }).click();
    await page.getByLabel("E-mail").fill(email);
    await page.getByLabel("Password", { exact: true }).fill("wrong");
    await page.getByRole("button", { name: "Sign in", exact: true }).click();
    const refusal = await page.getByRole("alert").textContent();
    await page.getByLabel("Password", { exact: true }).fill(password);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: heading, level: 1 }).waitFor();
    const second = await context.newPage();
    await second.goto(base + path);
    await second.getByRole("heading", { name: heading, level: 1 }).waitFor();
    await page.evaluate(() => sessionStorage.setItem("pileus-key", "access_refused"));
    await page.reload();
    await page.getByRole("heading", { name: heading, level: 1 }).waitFor();
    const read = (tab) => tab.evaluate(() => sessionStorage.getItem("pileus-key"));
    const renewed = await read(page);
    await second.waitForFunction((text) => sessionStorage.getItem("pileus-key") === text, renewed);
    return { refusal, renewed, tabs: [renewed, await read(second)], errors: notes.errors };
  },

  /** Sign two users in, each in a tab of its own, and renew the token of the first one. */
  async two_users({ emails, password, path }) {
    const { page, context, notes } = await openPage({ signedIn: false });
    const second = await context.newPage();
    for (const tab of [page, second]) await tab.goto(base + path);
    await signInWithPassword(page, emails[0], password);
    await signInWithPassword(second, emails[1], password);
    const read = (tab) => tab.evaluate(() => sessionStorage.getItem("pileus-key"));
    const before = await read(second);
    // The console made its channel before this one, so it gets each message first.
    await second.evaluate(() => {
      new BroadcastChannel("pileus-session").addEventListener("message", ({ data }) => (globalThis.lastMessage = data.kind));
    });
    await page.evaluate(() => sessionStorage.setItem("pileus-key", "access_refused"));
    await page.reload();
    await settle(page);
    await second.waitForFunction(() => globalThis.lastMessage === "renewed");
    const names = await Promise.all([page, second].map((tab) => tab.locator(".account summary").textContent()));
    return { before, after: await read(second), renewed: await read(page), names, errors: notes.errors };
  },

  /** Sign out once a change has arrived, and sign another user in: return the headers of their streams of changes. */
  async streams_of_two_users({ emails, password, path, name }) {
    const { page, notes } = await openPage({ signedIn: false });
    await page.goto(base + path);
    await signInWithPassword(page, emails[0], password);
    await page.locator(".liveness.good").waitFor();
    await fetch(`${base}/cloud/v1/ssh_keys/1`, {
      method: "POST",
      headers: { Authorization: `APIKey ${key}`, "Content-Type": "application/json" },
      body: JSON.stringify({ name }),
    });
    await page.locator("td", { hasText: name }).waitFor();
    const isStream = (request) => request.url().endsWith("/ui/changes");
    const ended = page.waitForEvent("requestfailed", isStream);
    await page.locator(".account summary").click();
    await page.getByRole("button", { name: "Sign out" }).click();
    const failure = (await ended).failure().errorText;
    const opened = page.waitForRequest(isStream);
    await signInWithPassword(page, emails[1], password);
    const headers = (await opened).headers();
    await page.locator(".liveness.good").waitFor();
    const session = await page.evaluate(() => sessionStorage.getItem("pileus-key"));
    return { failure, authorization: headers.authorization, position: headers["last-event-id"], session, errors: notes.errors };
  },

  /** Create an API key, and return its token, which the dialog shows once. */
  async create_key({ path, name }) {
    const { page } = await openPage();
    await page.goto(base + path);
    await page.locator("#field-name").fill(name);
    await page.locator('dialog button[type="submit"]').click();
    await page.getByText("This is shown once").waitFor();
    return page.locator("dialog pre").textContent();
  },

  /** Ask for a higher quota, and grant it. */
  async ask_for_quota({ path, name, limit }) {
    const { page, notes } = await openPage();
    await page.goto(base + path);
    await settle(page);
    await page.getByRole("button", { name: `Ask for more: ${name}`, exact: true }).click();
    await page.getByLabel("New limit").fill(String(limit));
    await page.getByLabel("What for").fill("tests");
    await page.getByRole("button", { name: "Ask", exact: true }).click();
    await page.getByRole("button", { name: "Grant" }).click();
    await page.locator("td", { hasText: "done" }).waitFor();
    return notes.errors;
  },

  /** Show the costs, and save them in a file. */
  async costs({ path, file }) {
    const { page, notes } = await openPage();
    await page.goto(base + path);
    await settle(page);
    const days = await page.locator("svg.chart").getAttribute("aria-label");
    const [saved] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Save as CSV" }).click()]);
    await saved.saveAs(file);
    const total = await page.locator(".price").textContent();
    return { days, total, text: await page.locator("main").innerText(), errors: notes.errors };
  },

  /** Save the state of the cloud in a file, and load it again. */
  async save_and_load({ file }) {
    const { page, notes } = await openPage();
    await page.goto(`${base}/ui/1/1/cloud`);
    await settle(page);
    const [saved] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Save", exact: true }).click()]);
    await saved.saveAs(file);
    await page.getByRole("button", { name: "Load a file" }).click();
    await page.locator("dialog").getByLabel("File").setInputFiles(file);
    await Promise.all([
      page.waitForURL(/\/instances$/),
      page.locator("dialog").getByRole("button", { name: "Load a file" }).click(),
    ]);
    await settle(page);
    return { heading: await page.locator("h1").textContent(), errors: notes.errors };
  },

  /** Run the modules as they are, without the bundle: a name that a module uses and does not import is an error. */
  async modules({ pages, files }) {
    const { page, notes } = await openPage();
    await page.route("**/ui/files/*.js", (route) =>
      route.fulfill({ path: join(files, new URL(route.request().url()).pathname.split("/").pop()), contentType: "text/javascript" }),
    );
    for (const path of pages) {
      await page.goto(base + path);
      await settle(page);
    }
    return notes.errors;
  },

  /** Return the same as each operation, as a command and for the SDK, with made up values. */
  async samples() {
    const { page } = await openPage();
    await page.goto(`${base}/ui/1/1/instances`);
    return page.evaluate(async () => {
      const { NOUNS } = await import("/ui/files/nouns.js");
      const { OPERATIONS, PART_OPERATIONS } = await import("/ui/files/operations.js");
      const { makeSample } = await import("/ui/files/actions.js");
      const { readValues } = await import("/ui/files/forms.js");
      const { commandSample, curlSample, pythonSample, terraformSample } = await import("/ui/files/samples.js");
      const { CLOUD_OPERATIONS } = await import("/ui/files/workbench_operations.js");
      const record = new Proxy({}, { get: (_, name) => `a-${String(name)}` });
      const ids = ["id", "member_id", "rule_id", "access_rule_id", "l7_rule_id", "volume_id", "port_id", "ip_address", "group_name"];
      const params = { ...Object.fromEntries(ids.map((name) => [name, `a-${name}`])), project_id: 1, client_id: 1 };
      const valueOf = ({ kind, options }) =>
        ({ number: "1", boolean: true, tags: [{ key: "env", value: "prod" }], list: "10.0.0.0/8", refs: ["a-ref"] })[kind] ?? options?.[0] ?? "a-${value}";
      const show = (operation) => {
        const noun = Object.values(NOUNS).find(({ path }) => operation.path.startsWith(`${path}/`)) || { sdk: "", word: "" };
        return (own = noun) => {
          const fields = operation.fields || [];
          const given = Object.fromEntries(fields.map((field) => [field.name, valueOf(field)]));
          const values = readValues(fields, given, record);
          const sample = makeSample({ operation, noun: own, place: { project: 1, region: 1 }, values, params, record });
          return { operation: `${own.word} ${operation.name}`, command: commandSample(sample), python: pythonSample(sample), curl: curlSample(sample), terraform: terraformSample(sample), hasVerb: Boolean(operation.verb) };
        };
      };
      return [
        ...Object.entries(OPERATIONS).flatMap(([word, listed]) => listed.map((operation) => show(operation)(NOUNS[word]))),
        ...[...Object.values(PART_OPERATIONS), ...Object.values(CLOUD_OPERATIONS).flat()].map((operation) => show(operation)()),
      ];
    });
  },

  /** Return the tables of nouns and operations. */
  async tables() {
    const { page } = await openPage();
    await page.goto(`${base}/ui/1/1/instances`);
    return page.evaluate(async () => {
      const { NOUNS } = await import("/ui/files/nouns.js");
      const { OPERATIONS, PART_OPERATIONS } = await import("/ui/files/operations.js");
      const { texts } = await import("/ui/files/texts.js");
      const { NAVIGATION } = await import("/ui/files/nouns.js");
      return JSON.parse(JSON.stringify({ NOUNS, NAVIGATION, OPERATIONS, PART_OPERATIONS, texts }));
    });
  },
};

async function flavorLabel(page) {
  const options = page.getByLabel("Flavor").locator("option", { hasText: "g1-standard-1-2" });
  await options.first().waitFor({ state: "attached" });
  return (await options.first().textContent()).trim();
}

async function runOperation(page, label) {
  await page.getByRole("button", { name: label, exact: true }).click();
  await page.locator("dialog").getByRole("button", { name: label, exact: true }).click();
  await page.locator("dialog").waitFor({ state: "detached" });
}

/** Return the field of a form by its name, or by its label. */
function fieldOf(dialog, name) {
  return name.startsWith("label=") ? dialog.getByLabel(name.slice("label=".length)).first() : dialog.locator(`#field-${name}`);
}

/** Fill a field of a form by its kind. */
async function fillField(field, value) {
  if (typeof value === "boolean") return field.setChecked(value);
  const isChoice = await field.evaluate((element) => element.tagName === "SELECT");
  if (!isChoice) return field.fill(String(value));
  await field.locator("option", { hasText: value }).first().waitFor({ state: "attached" });
  const options = await field.locator("option").evaluateAll((all) => all.map((option) => ({ value: option.value, text: option.textContent })));
  const chosen = options.find((option) => option.value === value) || options.find((option) => option.text.includes(value));
  return field.selectOption(chosen.value);
}

async function addTag(page, name, value) {
  await page.getByRole("button", { name: "Add a tag" }).click();
  await page.getByLabel("Name of the tag").last().fill(name);
  await page.getByLabel(`Value of ${name}`).fill(value);
}

/** Move the focus by Tab until a test holds. */
async function tabUntil(page, test, value) {
  for (let count = 0; count < 120; count += 1) {
    await page.keyboard.press("Tab");
    if (await page.evaluate(test, value)) return;
  }
  throw new Error(`Tab never reaches ${value}`);
}

const focusOn = (page, id) => tabUntil(page, (wanted) => document.activeElement.id === wanted, id);

async function pressOn(page, label) {
  await page.getByText(label, { exact: true }).first().waitFor();
  await tabUntil(page, (wanted) => document.activeElement.textContent.trim() === wanted, label);
  await page.keyboard.press("Enter");
}

function withDeadline(promise) {
  return Promise.race([promise, new Promise((_, reject) => setTimeout(reject, DEADLINE, new Error("the scenario takes too long")))]);
}

for await (const line of createInterface({ input: process.stdin })) {
  const { scenario, ...rest } = JSON.parse(line);
  try {
    console.log(JSON.stringify({ result: await withDeadline(SCENARIOS[scenario](rest)) }));
  } catch (error) {
    console.log(JSON.stringify({ error: error.stack }));
  }
  if (scenario !== "lose_server" && scenario !== "say_lost") await Promise.all(contexts.splice(0).map((context) => context.close()));
}
await browser.close();
process.exit(0);
