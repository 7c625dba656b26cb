// Addresses: every state of the page has one, /ui/PROJECT/REGION/NOUN/ID?QUERY.
import { html } from "./vendor/preact.js";
import { makeStore } from "./stores.js";

export const ROOT = "/ui";

/**
 * @typedef {{project: number, region: number, noun: string, id: string, query: URLSearchParams}} Address
 */

/** Return the parts of a location. @returns {Address} */
export function parseAddress({ pathname, search }) {
  const parts = pathname.startsWith(`${ROOT}/`) ? pathname.slice(ROOT.length + 1).split("/").map(decodeURIComponent) : [];
  const [project, region, noun = "", id = ""] = parts;
  return { project: Number(project) || 0, region: Number(region) || 0, noun, id, query: new URLSearchParams(search) };
}

/** The present address. */
export const address = makeStore(parseAddress(location));

window.addEventListener("popstate", () => address.set(parseAddress(location)));

/** Return the text of an address: the present place with another noun, id and query. */
export function addressOf(noun, id = "", query = {}, place = address.value) {
  const path = [place.project, place.region, noun, ...(id === "" ? [] : [id])].map(encodeURIComponent).join("/");
  const parameters = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== "" && value != null));
  const text = parameters.toString();
  return `${ROOT}/${path}${text ? `?${text}` : ""}`;
}

/** Return the present address with some parameters changed; null removes one. */
export function addressWith(changes) {
  const { noun, id, query } = address.value;
  return addressOf(noun, id, { ...Object.fromEntries(query), ...changes });
}

/** Go to an address. `replace` leaves no entry in the history. */
export function navigate(target, { replace = false } = {}) {
  history[replace ? "replaceState" : "pushState"](null, "", target);
  address.set(parseAddress(location));
}

function followLink(event, target) {
  if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  navigate(target);
}

/** A link within the console: it changes the page without loading it, and opens in a new tab as links do. */
export function Link({ to, children, ...rest }) {
  return html`<a href=${to} onClick=${(event) => followLink(event, to)} ...${rest}>${children}</a>`;
}
