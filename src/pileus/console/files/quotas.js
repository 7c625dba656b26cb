// The quotas of the tenant as bars, and requests for more.
import { html, useState } from "./vendor/preact.js";
import { send } from "./api.js";
import { obstacleTo } from "./caller.js";
import { Button, Dialog, ErrorBox, Field, Meter, Status, Table, Time, announce } from "./parts.js";
import { useResource } from "./resources.js";
import { texts } from "./texts.js";

const LIMIT = "_limit";

/** Return the quotas of an object of limits and usages, those in use first. */
export function quotasOf(values) {
  const names = Object.keys(values).filter((name) => name.endsWith(LIMIT)).map((name) => name.slice(0, -LIMIT.length));
  const quotas = names.map((name) => ({ name, limit: values[`${name}_limit`], used: values[`${name}_usage`] || 0 }));
  return quotas.sort((one, other) => share(other) - share(one) || one.name.localeCompare(other.name));
}

const share = ({ used, limit }) => (limit ? used / limit : 0);
const label = (name) => name.replace(/_count$/, "").replaceAll("_", " ");

/** The page. */
export function QuotasPage({ place }) {
  const quotas = useResource("/cloud/v2/client_quotas");
  const requests = useResource("/cloud/v2/limits_request", { limit: 100 });
  const [asked, setAsked] = useState(null);
  const regional = quotas.data?.regional_quotas.find((single) => single.region_id === place.region);
  return html`<section aria-busy=${String(quotas.isLoading)}>
    <header class="head"><h1 tabindex="-1">${texts.nouns.quotas.many}</h1></header>
    <${ErrorBox} error=${quotas.error} onRetry=${quotas.reload} />
    ${quotas.data &&
    html`<div class="columns">
      <${Card} title=${texts.quotas.regional} values=${regional || {}} onAsk=${(quota) => setAsked({ quota, place })} />
      <${Card} title=${texts.quotas.global} values=${quotas.data.global_quotas} onAsk=${(quota) => setAsked({ quota, place: null })} />
    </div>`}
    <h2>${texts.quotas.requests}</h2>
    ${requests.data?.results.length
      ? html`<${Table}
          label=${texts.quotas.requests}
          columns=${[texts.fields.id, texts.fields.description, texts.fields.status, texts.fields.created_at, texts.actions]}
          rows=${requests.data.results.map((single) => [single.id, single.description, html`<${Status} value=${single.status} />`, html`<${Time} value=${single.created_at} />`, html`<${Answers} request=${single} onDone=${() => (requests.reload(), quotas.reload())} />`])}
        />`
      : html`<p class="soft">${texts.quotas.noRequests}</p>`}
    ${asked && html`<${Ask} ...${asked} onDone=${requests.reload} onClose=${() => setAsked(null)} />`}
  </section>`;
}

function Card({ title, values, onAsk }) {
  return html`<div class="card">
    <h2>${title}</h2>
    ${quotasOf(values).map(
      (quota) => html`<div class="quota" key=${quota.name}>
        <${Meter} label=${label(quota.name)} used=${quota.used} limit=${quota.limit} format=${(number) => number.toLocaleString("en")} />
        <${Button} kind="small" reason=${obstacleTo("write")} aria-label=${texts.quotas.askFor(label(quota.name))} onClick=${() => onAsk(quota)}>${texts.more}<//>
      </div>`,
    )}
  </div>`;
}

/** Withdraw a request; operators answer it. */
function Answers({ request, onDone }) {
  const act = (...parts) => () => send(...parts).then(() => (announce(texts.dialog.done), onDone()));
  const answer = (status) => html`<${Button} kind="small" reason=${obstacleTo("operate")}
    onClick=${act("PUT", `/_pileus/limit_requests/${request.id}`, { body: { status } })}>${texts.quotas[status]}<//>`;
  if (request.status !== "in progress") return texts.none;
  return html`<span class="actions">
    <${Button} kind="small" reason=${obstacleTo("write")} onClick=${act("DELETE", `/cloud/v2/limits_request/${request.id}`)}>${texts.quotas.withdraw}<//>
    ${answer("done")} ${answer("rejected")}
  </span>`;
}

function Ask({ quota, place, onDone, onClose }) {
  const [error, setError] = useState(null);
  const submit = async (event) => {
    event.preventDefault();
    const data = new FormData(event.target);
    const wanted = { [`${quota.name}_limit`]: Number(data.get("limit")) };
    const limits = place ? { regional_limits: [{ region_id: place.region, ...wanted }] } : { global_limits: wanted };
    try {
      await send("POST", "/cloud/v2/limits_request", { body: { description: data.get("description"), requested_limits: limits } });
      onDone();
      onClose();
    } catch (failure) {
      setError(failure);
    }
  };
  return html`<${Dialog} title=${texts.quotas.askFor(label(quota.name))} onClose=${onClose}>
    <form onSubmit=${submit}>
      <${Field} id="limit" label=${texts.quotas.limit}><input id="limit" name="limit" type="number" min="0" required defaultValue=${quota.limit} /><//>
      <${Field} id="description" label=${texts.quotas.why}><input id="description" name="description" required maxlength="1000" /><//>
      <${ErrorBox} error=${error} />
      <footer><button class="button primary" type="submit">${texts.quotas.ask}</button></footer>
    </form>
  <//>`;
}
