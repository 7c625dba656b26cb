// The frame: signing in, the navigation, the place, the theme, and the page of the present address.
import { html, render, useEffect, useErrorBoundary, useLayoutEffect, useRef, useState } from "./vendor/preact.js";
import { get, isOnline } from "./api.js";
import { Link, address, addressOf, navigate } from "./addresses.js";
import { caller } from "./caller.js";
import { followChanges, isLive } from "./changes.js";
import { NewInstancePage } from "./create_instance.js";
import { CostsPage } from "./costs.js";
import { DetailPage } from "./detail.js";
import { ListPage } from "./list.js";
import { NAVIGATION, NOUNS } from "./nouns.js";
import { Announcer, announce, showCurrent } from "./parts.js";
import { QuotasPage } from "./quotas.js";
import { RequestsPage } from "./requests.js";
import { currentSession, key, resumeSession, signOut } from "./session.js";
import { SignIn } from "./sign_in.js";
import { useStore } from "./stores.js";
import { TaskPage } from "./task.js";
import { texts } from "./texts.js";
import { ThemeChoice, applyTheme } from "./themes.js";
import { CloudPage } from "./workbench.js";

/** Pages that are no lists. */
const PAGES = { costs: CostsPage, quotas: QuotasPage, requests: RequestsPage, cloud: CloudPage };
/** Pages of one record with a look of their own, and pages that make one. */
const DETAILS = { tasks: TaskPage };
const CREATIONS = { instances: NewInstancePage };

function App() {
  const isSignedIn = Boolean(useStore(key));
  const session = currentSession();
  const [places, setPlaces] = useState(null);
  const [problem, setProblem] = useState(null);
  useLayoutEffect(() => {
    setPlaces(null);
    setProblem(null);
    if (!session) return undefined;
    let isCurrent = true;
    loadPlaces(() => isCurrent).then(
      (loaded) => isCurrent && setPlaces(loaded),
      (error) => isCurrent && setProblem(error),
    );
    return () => (isCurrent = false);
  }, [session]);
  if (!isSignedIn) return html`<${SignIn} />`;
  if (problem) return html`<main class="alone" id="content"><h1>${texts.errors.title}</h1><p role="alert">${problem.message}</p></main>`;
  if (!places) return html`<main class="alone" id="content"><h1 class="hidden">${texts.product}</h1><p>${texts.loading}</p></main>`;
  return html`<${Frame} places=${places} />`;
}

/** Read who has signed in, and the projects and regions; the address gets a place if it has none. Null if the session has ended. */
async function loadPlaces(isCurrent) {
  const [session, projects, regions] = await Promise.all([
    get("/ui/session"),
    get("/cloud/v1/projects", { limit: 1000 }),
    get("/cloud/v1/regions", { limit: 1000 }),
  ]);
  if (!isCurrent()) return null;
  caller.set(session);
  const { project, region, noun } = address.value;
  if (!project || !region || !noun) {
    const place = { project: project || projects.results[0]?.id, region: region || regions.results[0]?.id };
    navigate(addressOf(noun || "instances", "", {}, place), { replace: true });
  }
  return { projects: projects.results, regions: regions.results };
}

function Frame({ places }) {
  const here = useStore(address);
  const [isOpen, setOpen] = useState(false);
  const content = useRef(null);
  const shown = `${here.noun}/${here.id}`;
  const isFirst = useRef(true);
  useEffect(() => {
    setOpen(false);
    const title = texts.nouns[here.noun]?.many || texts.product;
    document.title = `${here.id ? `${here.id} · ` : ""}${title} · ${texts.product}`;
    if (!isFirst.current) content.current.querySelector("h1")?.focus({ preventScroll: true });
    isFirst.current = false;
    content.current.scrollTop = 0;
  }, [shown]);
  return html`<a class="skip" href="#content">${texts.skip}</a>
    <div class=${`frame${isOpen ? " open" : ""}`}>
      <header class="bar">
        <button type="button" class="button menu-button" aria-expanded=${String(isOpen)} aria-controls="navigation" onClick=${() => setOpen(!isOpen)}>
          ${texts.menu}
        </button>
        <${Link} class="brand" to=${addressOf("instances")}>${texts.product}<//>
        <${PlaceChoice} places=${places} here=${here} />
        <${Liveness} />
        <${ThemeChoice} />
        <${Account} />
      </header>
      <${Navigation} here=${here} />
      <main id="content" tabindex="-1" ref=${content}>
        <${Offline} />
        <${Page} key=${`${here.project}/${here.region}/${shown}`} here=${here} />
      </main>
    </div>
    <${Announcer} />`;
}

function Page({ here }) {
  const [crash] = useErrorBoundary();
  if (crash) return html`<h1 tabindex="-1">${texts.errors.title}</h1><p role="alert">${texts.errors.crash} ${String(crash)}</p>`;
  const place = { project: here.project, region: here.region };
  const noun = NOUNS[here.noun];
  const create = here.id === "new" && CREATIONS[here.noun];
  const Special = create || (here.id ? DETAILS[here.noun] : PAGES[here.noun]);
  if (Special) return html`<${Special} place=${place} id=${here.id} />`;
  if (!noun || (here.id && noun.hasDetail === false)) return html`<h1 tabindex="-1">${texts.errors.unknownPage}</h1>`;
  if (here.id) return html`<${DetailPage} noun=${noun} word=${here.noun} place=${place} id=${here.id} />`;
  return html`<${ListPage} noun=${noun} word=${here.noun} place=${place} />`;
}

function Navigation({ here }) {
  const list = useRef(null);
  useEffect(() => showCurrent(list.current), [here.noun]);
  return html`<nav id="navigation" class="navigation" ref=${list} aria-label=${texts.navigation}>
    ${Object.entries(NAVIGATION).map(
      ([group, words]) => html`<div key=${group}>
        <h2>${texts.groups[group]}</h2>
        <ul>
          ${words.map(
            (word) => html`<li key=${word}>
              <${Link} to=${addressOf(word)} aria-current=${word === here.noun ? "page" : undefined}>${texts.nouns[word].many}<//>
            </li>`,
          )}
          ${group === "workbench" &&
          html`<li><a href="/schema">${texts.links.reference}</a></li>
            <li><a href="/docs">${texts.links.documentation}</a></li>`}
        </ul>
      </div>`,
    )}
  </nav>`;
}

function PlaceChoice({ places, here }) {
  const go = (change) => {
    const place = { project: here.project, region: here.region, ...change };
    navigate(addressOf(here.noun, "", {}, place));
  };
  return html`<div class="place" role="group" aria-label=${texts.place.label}>
    <select aria-label=${texts.place.project} value=${here.project} onChange=${(event) => go({ project: event.target.value })}>
      ${places.projects.map((project) => html`<option key=${project.id} value=${project.id}>${project.name}</option>`)}
    </select>
    <select aria-label=${texts.place.region} value=${here.region} onChange=${(event) => go({ region: event.target.value })}>
      ${places.regions.map((region) => html`<option key=${region.id} value=${region.id}>${region.display_name}</option>`)}
    </select>
  </div>`;
}

function Liveness() {
  const live = useStore(isLive);
  return html`<span class=${`liveness ${live ? "good" : "busy"}`} title=${texts.updates.title}>
    ${live ? texts.updates.live : texts.updates.polling}
  </span>`;
}

function Account() {
  const who = useStore(caller);
  return html`<details class="menu account">
    <summary class="button">${who.email.split("@")[0]}</summary>
    <div class="menu-items">
      <p>${texts.signedInAs(who.email, who.role)}</p>
      <p class="soft">${texts.product} ${who.version}</p>
      <button type="button" class="button" onClick=${() => signOut()}>${texts.signOut}</button>
    </div>
  </details>`;
}

function Offline() {
  const online = useStore(isOnline);
  const wasOffline = useRef(false);
  useEffect(() => {
    if (online && wasOffline.current) announce(texts.online);
    wasOffline.current = !online;
  }, [online]);
  return html`<div role="alert">${!online && html`<p class="offline">${texts.offline}</p>`}</div>`;
}

applyTheme();
resumeSession().then(() => {
  render(html`<${App} />`, document.getElementById("app"));
  followChanges();
});
