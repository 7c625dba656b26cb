// The page of the simulated cloud: its clock, its state as a file, and resets.
import { html, useState } from "./vendor/preact.js";
import { ROOT, address } from "./addresses.js";
import { PartButton } from "./actions.js";
import { get, send } from "./api.js";
import { caller, obstacleTo } from "./caller.js";
import { Button, Dialog, ErrorBox, Field, Status, saveFile } from "./parts.js";
import { useResource } from "./resources.js";
import { Samples } from "./samples.js";
import { useInterval } from "./stores.js";
import { texts } from "./texts.js";
import { CLOUD_OPERATIONS } from "./workbench_operations.js";

const STATE = "/_pileus/state";
const CLOCK_SECONDS = 1;
const stateSample = (method, word) => ({ method, path: STATE, cli: `state ${word} cloud.state${word === "load" ? " --yes" : ""}`, options: [] });

/** The page. */
export function CloudPage({ place }) {
  const obstacle = obstacleTo("control");
  const clock = useResource(obstacle ? null : "/_pileus/clock", {}, { follows: false });
  useInterval(obstacle ? 0 : CLOCK_SECONDS, clock.reload);
  const params = { project_id: place.project, client_id: caller.value.client_id };
  const buttons = (operations, onDone) => html`<div class="actions">
    ${operations.map((operation) => html`<${PartButton} key=${operation.name} ...${{ operation, word: "cloud", place, params, onDone }} />`)}
  </div>`;
  return html`<section aria-busy=${String(!obstacle && clock.isLoading)}>
    <header class="head"><h1 tabindex="-1">${texts.nouns.cloud.many}</h1></header>
    ${obstacle && html`<p class="warning">${obstacle}</p>`}
    <${ErrorBox} error=${clock.error} />
    <div class="columns">
      <div class="card">
        <h2>${texts.cloud.clock}</h2>
        <p class="price">${clock.data ? clock.data.time.slice(0, 19).replace("T", " ") : texts.none} ${clock.data?.frozen && html`<${Status} value=${texts.cloud.frozen} />`}</p>
        <p class="soft">${clock.data ? texts.cloud.offset(Math.round(clock.data.offset_seconds)) : texts.cloud.aboutClock}</p>
        ${buttons(CLOUD_OPERATIONS.clock, clock.reload)}
      </div>
      <div class="card"><h2>${texts.cloud.state}</h2><p class="soft">${texts.cloud.aboutState}</p><${StateButtons} reason=${obstacle} /></div>
      <div class="card"><h2>${texts.cloud.reset}</h2><p class="soft">${texts.cloud.aboutReset}</p>${buttons(CLOUD_OPERATIONS.reset, beginAgain)}</div>
    </div>
  </section>`;
}

/** Everything may be different now: load the console again. */
const beginAgain = () => location.assign(ROOT);

function StateButtons({ reason }) {
  const [isOpen, setOpen] = useState(false);
  const [error, setError] = useState(null);
  const save = () => get(STATE).then((blob) => saveFile(blob, "cloud.state"), setError);
  return html`<div class="actions">
      <${Button} reason=${reason} onClick=${save}>${texts.cloud.save}<//>
      <${Button} reason=${reason} onClick=${() => setOpen(true)}>${texts.cloud.load}<//>
    </div>
    <${ErrorBox} error=${error} />
    <${Samples} sample=${stateSample("GET", "save")} forms=${["cli", "curl"]} />
    ${isOpen && html`<${LoadDialog} onClose=${() => setOpen(false)} />`}`;
}

function LoadDialog({ onClose }) {
  const [state, setState] = useState({ isSending: false, error: null });
  const submit = async (event) => {
    event.preventDefault();
    setState({ isSending: true, error: null });
    try {
      await send("PUT", STATE, { body: new FormData(event.target).get("file") });
      beginAgain();
    } catch (error) {
      setState({ isSending: false, error });
    }
  };
  return html`<${Dialog} title=${texts.cloud.load} onClose=${onClose}>
    <form onSubmit=${submit}>
      <${Field} id="file" label=${texts.cloud.file}><input id="file" name="file" type="file" required /><//>
      <p class="warning">${texts.cloud.warning}</p>
      <${ErrorBox} error=${state.error} />
      <footer><button class="button danger" type="submit" disabled=${state.isSending}>${texts.cloud.load}</button></footer>
      <${Samples} sample=${stateSample("PUT", "load")} forms=${["cli", "curl"]} />
    </form>
  <//>`;
}
