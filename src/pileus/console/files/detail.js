// The page of one record of any noun: its facts, its tabs and its actions.
import { html } from "./vendor/preact.js";
import { ActionButtons } from "./actions.js";
import { Link, address, addressOf } from "./addresses.js";
import { isBusy } from "./list.js";
import { nameOf, pathOf } from "./nouns.js";
import { ErrorBox, Status, Tabs } from "./parts.js";
import { useResource } from "./resources.js";
import { TABS } from "./tabs.js";
import { texts } from "./texts.js";

/** The page of one record. */
export function DetailPage({ noun, word, place, id }) {
  const path = pathOf(noun, place, id);
  const resource = useResource(path, {}, { isBusy });
  const record = resource.data;
  const tabs = noun.tabs || ["overview"];
  const tab = tabs.includes(address.value.query.get("tab")) ? address.value.query.get("tab") : tabs[0];
  const Tab = TABS[tab];
  const title = texts.nouns[word];
  const status = record && (record.status?.status ?? record.status ?? record.provisioning_status ?? record.state);
  return html`<section class="detail" aria-busy=${String(resource.isLoading)}>
    <p class="crumbs"><${Link} to=${addressOf(word)}>${title.many}<//> / </p>
    <header class="head">
      <h1 tabindex="-1">${record ? nameOf(noun, record) : title.one}</h1>
      ${status && html`<${Status} value=${status} />`}
      ${record && isBusy(record) && html`<${Busy} record=${record} />`}
      ${record && html`<${ActionButtons} noun=${noun} word=${word} place=${place} record=${record} onDone=${resource.reload} />`}
    </header>
    <${ErrorBox} error=${resource.error} onRetry=${resource.reload} />
    ${!record && !resource.error && html`<p class="soft">${texts.loading}</p>`}
    ${record && tabs.length > 1 && html`<${Tabs} tabs=${tabs} current=${tab} label=${title.one} />`}
    ${record && html`<${Tab} noun=${noun} word=${word} place=${place} id=${id} record=${record} reload=${resource.reload} />`}
  </section>`;
}

function Busy({ record }) {
  return html`<span class="busy-note">
    <span class="spinner" aria-hidden="true"></span>
    ${record.task_state || ""}
    ${record.task_id && html` <${Link} to=${addressOf("tasks", record.task_id)}>${texts.nouns.tasks.one}<//>`}
  </span>`;
}
