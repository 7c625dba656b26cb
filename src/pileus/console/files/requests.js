// The request log of a simulated cloud: what clients sent, what they got, and the same as curl.
import { html, useEffect, useState } from "./vendor/preact.js";
import { get, send } from "./api.js";
import { obstacleTo } from "./caller.js";
import { curlSample } from "./samples.js";
import { Button, CopyBox, ErrorBox, Time } from "./parts.js";
import { useInterval } from "./stores.js";
import { texts } from "./texts.js";

const SECONDS = 2;
const KEPT = 100;

/** The page. */
export function RequestsPage() {
  const obstacle = obstacleTo("control");
  const [filter, setFilter] = useState({ status: "", text: "", withConsole: false });
  const [state, setState] = useState({ results: [], error: null });
  const load = () =>
    obstacle ||
    get("/_pileus/requests", { limit: 500, status: filter.status, text: filter.text }).then(
      ({ results }) => setState({ results: results.reverse(), error: null }),
      (error) => setState((last) => ({ ...last, error })),
    );
  useEffect(() => void load(), [filter.status, filter.text]);
  useInterval(SECONDS, load);
  const shown = state.results.filter((exchange) => filter.withConsole || !exchange.client.user_agent?.startsWith("Mozilla/")).slice(0, KEPT);
  return html`<section>
    <header class="head">
      <h1 tabindex="-1">${texts.nouns.requests.many}</h1>
      <div class="actions"><${Button} reason=${obstacle} onClick=${() => send("DELETE", "/_pileus/requests").then(load)}>${texts.requests.clear}<//></div>
    </header>
    ${obstacle && html`<p class="warning">${obstacle}</p>`}
    <form class="filters" role="search" aria-label=${texts.list.search} onSubmit=${(event) => event.preventDefault()}>
      <label class="option"><input type="checkbox" checked=${filter.status !== ""} onChange=${(event) => setFilter({ ...filter, status: event.target.checked ? ">=400" : "" })} /> ${texts.requests.errors}</label>
      <label class="option"><input type="checkbox" checked=${filter.withConsole} onChange=${(event) => setFilter({ ...filter, withConsole: event.target.checked })} /> ${texts.requests.browsers}</label>
      <label class="option">${texts.requests.text} <input value=${filter.text} onChange=${(event) => setFilter({ ...filter, text: event.target.value })} /></label>
    </form>
    <${ErrorBox} error=${state.error} />
    ${!obstacle && shown.length === 0 && html`<p class="empty">${texts.requests.empty}</p>`}
    ${shown.map((exchange) => html`<${Exchange} key=${exchange.request_id} exchange=${exchange} />`)}
  </section>`;
}

function Exchange({ exchange }) {
  const { method, path, query, status } = exchange;
  const unread = exchange.unread.map(({ name, kind }) => name + texts.requests.kinds[kind]);
  const kind = status >= 400 ? "bad" : "good";
  const [isOpen, setOpen] = useState(false);
  return html`<details class="exchange" onToggle=${(event) => setOpen(event.target.open)}>
    <summary>
      <span class="soft"><${Time} value=${exchange.started_at} /></span> <strong>${method}</strong>
      <span class="path">${path}${query ? `?${query}` : ""}</span> <strong class=${kind}>${status ?? texts.none}</strong>
      <span class="soft">${exchange.milliseconds} ms · ${(exchange.client.user_agent || "").split(" ")[0]}</span>
      ${unread.length > 0 && html`<span class="busy">${texts.requests.unread(unread.join(", "))}</span>`}
    </summary>
    ${isOpen && html`<${Bodies} exchange=${exchange} />`}
  </details>`;
}

function Bodies({ exchange }) {
  const { method, path, query, request_body: sent, response_body: answer } = exchange;
  const text = ({ content }) => (typeof content === "string" ? content : JSON.stringify(content, null, 2));
  const body = sent.content === null ? undefined : sent.content;
  // The log has the decoded path and the query as it was sent.
  const encodedPath = path.split("/").map(encodeURIComponent).join("/");
  const replay = curlSample({ method, path: `${encodedPath}${query ? `?${query}` : ""}`, body });
  return html`${sent.size > 0 && html`<h2>${texts.requests.sent}</h2><${CopyBox} text=${text(sent)} label=${texts.requests.sent} />`}
    <h2>${texts.requests.answer}</h2>
    <${CopyBox} text=${text(answer) || texts.none} label=${texts.requests.answer} />
    <h2>${texts.requests.replay}</h2>
    <${CopyBox} text=${replay} label=${texts.requests.replay} />`;
}
