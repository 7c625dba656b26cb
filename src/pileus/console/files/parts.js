// Small parts that many pages use.
import { html, useEffect, useRef, useState } from "./vendor/preact.js";
import { Link, addressOf, addressWith } from "./addresses.js";
import { makeStore, useStore } from "./stores.js";
import { texts } from "./texts.js";
import { valueOf } from "./nouns.js";

const GOOD = new Set(["ACTIVE", "ONLINE", "FINISHED", "active", "available", "in-use", "done", "Up"]);
const BUSY = new Set([
  "BUILD", "NEW", "RUNNING", "REBOOT", "HARD_REBOOT", "RESIZE", "creating", "deleting", "attaching", "detaching",
  "extending", "retyping", "saving", "queued", "DELETING", "downloading", "reverting", "in progress",
  "PENDING_CREATE", "PENDING_UPDATE", "PENDING_DELETE", "DEGRADED", "DRAINING",
]);
const BAD = new Set(["ERROR", "error", "error_deleting", "killed", "FAILED", "rejected"]);

/** What screen readers announce. */
const announcement = makeStore("");

/** Let screen readers say a text. */
export function announce(text) {
  announcement.set("");
  setTimeout(() => announcement.set(text), 50);
}

/** The region whose text screen readers say when it changes. */
export function Announcer() {
  return html`<div class="hidden" role="status" aria-live="polite">${useStore(announcement)}</div>`;
}

/** A status in the colour of its meaning; the text alone says it too. */
export function Status({ value }) {
  if (value === null || value === undefined || value === "") return texts.none;
  const kind = GOOD.has(value) ? "good" : BUSY.has(value) ? "busy" : BAD.has(value) ? "bad" : "neutral";
  return html`<span class="status ${kind}">${value}</span>`;
}

/** A time, as its reader writes times; the title has the whole text. */
export function Time({ value }) {
  if (!value) return texts.none;
  const date = new Date(/[Z+]|-\d\d:\d\d$/.test(value.slice(10)) ? value : `${value}Z`);
  if (Number.isNaN(date.getTime())) return value;
  const isToday = date.toDateString() === new Date().toDateString();
  const text = isToday
    ? date.toLocaleTimeString("en-GB")
    : date.toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
  return html`<time datetime=${date.toISOString()} title=${value}>${text}</time>`;
}

/** Tags as chips; a click shows only what has the same tag. */
export function Tags({ tags, noun }) {
  return html`<ul class="chips">
    ${(tags || []).filter((tag) => !tag.read_only).map((tag) => {
      const text = `${tag.key}=${tag.value}`;
      const target = addressOf(noun, "", { tag_key_value: JSON.stringify({ [tag.key]: tag.value }) });
      return html`<li key=${tag.key}>
        <${Link} class="chip" to=${target} aria-label=${texts.list.tagChip(text)} title=${text}>${text}<//>
      </li>`;
    })}
  </ul>`;
}

/** A button with the reason beside it if it cannot be used. */
export function Button({ reason = "", kind = "", children, ...rest }) {
  const more = reason ? { "aria-disabled": "true", title: reason, onClick: () => announce(reason) } : {};
  return html`<button type="button" class="button ${kind}" ...${rest} ...${more}>${children}</button>`;
}

/** A text to copy, with the button that does. */
export function CopyBox({ text, label }) {
  const [isCopied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
    announce(texts.copied);
    setTimeout(() => setCopied(false), 1500);
  };
  return html`<div class="copybox">
    <pre tabindex="0" role="region" aria-label=${label}><code>${text}</code></pre>
    <button type="button" class="button small" onClick=${copy}>${isCopied ? texts.copied : texts.copy}</button>
  </div>`;
}

/** A record as the API shows it. */
export function Raw({ record, label }) {
  return html`<details class="raw">
    <summary>JSON</summary>
    <${CopyBox} text=${JSON.stringify(record, null, 2)} label=${label} />
  </details>`;
}

/** Facts with their names. */
export function Facts({ facts }) {
  return html`<dl class="facts">
    ${facts.map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}
  </dl>`;
}

/** What stands in the place of data that has not arrived. */
export const Loading = ({ error }) => (error ? html`<${ErrorBox} error=${error} />` : html`<p class="soft">${texts.loading}</p>`);

/** Save a file on the machine of the browser. */
export function saveFile(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

/** An error with its request id, and a way to try again. */
export function ErrorBox({ error, onRetry }) {
  if (!error) return null;
  const fields = Object.entries(error.fields || {});
  return html`<div class="error" role="alert">
    <p><strong>${texts.errors.title}.</strong> ${error.message}</p>
    ${fields.length > 0 &&
    html`<ul>
      ${fields.map(([field, problem]) => html`<li key=${field}><code>${field}</code>: ${describeProblem(problem)}</li>`)}
    </ul>`}
    ${error.requestId && html`<p class="soft">${texts.errors.request(error.requestId)}</p>`}
    ${onRetry && html`<button type="button" class="button" onClick=${onRetry}>${texts.errors.retry}</button>`}
  </div>`;
}

function describeProblem(problem) {
  return Array.isArray(problem) ? problem.join("; ") : JSON.stringify(problem);
}

/** Scroll the link of the present page into view. */
export function showCurrent(list) {
  list.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
}

/** Tabs as links: each has an address. */
export function Tabs({ tabs, current, label }) {
  const list = useRef(null);
  useEffect(() => showCurrent(list.current), [current]);
  return html`<nav class="tabs" aria-label=${label} ref=${list}>
    ${tabs.map(
      (tab) => html`<${Link}
        key=${tab}
        to=${addressWith({ tab: tab === tabs[0] ? null : tab, do: null })}
        aria-current=${tab === current ? "page" : undefined}
        >${texts.tabs[tab] || tab}<//
      >`,
    )}
  </nav>`;
}

/** A dialog of the browser: it keeps the focus, and Escape closes it. */
export function Dialog({ title, onClose, children, kind = "" }) {
  const element = useRef(null);
  useEffect(() => {
    const opener = document.activeElement;
    element.current.showModal();
    element.current.querySelector("form input, form select, form textarea, form button")?.focus();
    return () => opener instanceof HTMLElement && opener.isConnected && opener.focus();
  }, []);
  return html`<dialog ref=${element} class=${kind} aria-labelledby="dialog-title" onClose=${onClose}>
    <header>
      <h2 id="dialog-title">${title}</h2>
      <button type="button" class="button small" onClick=${() => element.current.close()}>${texts.close}</button>
    </header>
    ${children}
  </dialog>`;
}

/** A usage against its limit. */
export function Meter({ label, used, limit, format = String }) {
  const share = limit ? Math.min(1, used / limit) : 0;
  const kind = share >= 0.9 ? "bad" : share >= 0.7 ? "busy" : "good";
  return html`<div class="meter">
    <span class="meter-label">${label}</span>
    <svg class=${kind} viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
      <rect class="track" width="100" height="6" rx="1" />
      <rect class="value" width=${share * 100} height="6" rx="1" />
    </svg>
    <span class="meter-value">${format(used)} / ${limit ? format(limit) : "∞"}</span>
  </div>`;
}

/** A field of a form with its label, its hint and its problem. */
export function Field({ label, hint, problem, children, id }) {
  return html`<div class="field">
    <label for=${id}>${label}${hint ? html` <span class="soft">${hint}</span>` : ""}</label>
    ${children} ${problem && html`<p class="problem" id=${`${id}-problem`}>${problem}</p>`}
  </div>`;
}

/** A table that scrolls in itself where it is wider than the page. */
export function Table({ label, columns, rows, children }) {
  return html`<div class="table" role="region" aria-label=${label} tabindex="0">
    <table>
      <caption class="hidden">
        ${label}
      </caption>
      <thead>
        <tr>
          ${columns.map((column) => html`<th scope="col" key=${column}>${column}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows ? rows.map((cells, row) => html`<tr key=${row}>${cells.map((cell, at) => html`<td key=${at}>${cell}</td>`)}</tr>`) : children}
      </tbody>
    </table>
  </div>`;
}

/** Format a price. */
export function money(amount, currency = "EUR") {
  if (amount === null || amount === undefined) return texts.none;
  const digits = Math.abs(amount) < 1 ? 4 : 2;
  return new Intl.NumberFormat("en", {
    style: "currency", currency: currency || "EUR", minimumFractionDigits: 2, maximumFractionDigits: digits,
  }).format(amount);
}

/** Format a number of bytes. */
export function bytes(number) {
  if (number === null || number === undefined) return texts.none;
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const power = Math.min(units.length - 1, number ? Math.floor(Math.log2(Math.abs(number)) / 10) : 0);
  return `${(number / 1024 ** power).toFixed(power ? 1 : 0)} ${units[power]}`;
}

function addressTexts(value) {
  return Object.values(value || {}).flat().map((single) => single.addr);
}

/** Return the beginning of an id, and other texts as they are. */
const shortId = (text) => (/^[0-9a-f]{8}-[0-9a-f-]{27}$/.test(text) ? `${text.slice(0, 8)}…` : text);

/** How the value of a column is shown, by the kind of the column. */
const CELLS = {
  status: (value) => html`<${Status} value=${value} />`,
  time: (value) => html`<${Time} value=${value} />`,
  code: (value) => (value ? html`<code>${value}</code>` : texts.none),
  number: (value) => (value ?? texts.none).toLocaleString("en"),
  size: (value) => (value === null || value === undefined ? texts.none : texts.gigabytes(value)),
  megabytes: (value) => texts.megabytes(value),
  bytes: (value) => bytes(value),
  money: (value, record) => money(value, record.currency_code),
  boolean: (value) => (value === null || value === undefined ? texts.none : texts.boolean[value]),
  count: (value) => String(value?.length ?? 0),
  addresses: (value) => html`<code>${addressTexts(value).join(" ") || texts.none}</code>`,
  list: (value) => (value || []).join(", ") || texts.none,
  names: (value) => (value || []).map((single) => single.name).join(", ") || texts.none,
  attachments: (value) =>
    (value || []).length === 0
      ? texts.none
      : value.map(
          (single) => html`<${Link} class="reference" key=${single.server_id} to=${addressOf("instances", single.server_id)}
            >${single.instance_name || single.server_id}<//
          > `,
        ),
  resources: (value) =>
    (value || []).map((single, at) => html`<span key=${at}>${single.resource_type} <code title=${single.resource_id}>${shortId(String(single.resource_id))}</code> </span>`),
};

/** Show one value of a record. */
export function Cell({ column, record, noun }) {
  const value = valueOf(record, column.name);
  if (column.kind === "tags") return html`<${Tags} tags=${value} noun=${noun} />`;
  if (column.kind === "link") {
    const target = column.of ? valueOf(record, column.of) : value;
    if (!target) return texts.none;
    return html`<${Link} class="reference" to=${addressOf(column.noun, target)} title=${value || target}>${shortId(value || target)}<//>`;
  }
  const show = CELLS[column.kind];
  if (show) return show(value, record);
  return value === null || value === undefined || value === "" ? texts.none : String(value);
}
