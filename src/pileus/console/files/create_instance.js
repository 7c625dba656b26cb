// The page that creates an instance: it shows price and quota while the user chooses, and the request that will be sent.
import { html, useEffect, useState } from "./vendor/preact.js";
import { send } from "./api.js";
import { Running, SameAs, followTask } from "./actions.js";
import { Link, addressOf, navigate } from "./addresses.js";
import { obstacleTo } from "./caller.js";
import { FormField, TagRows } from "./forms.js";
import { NOUNS, fillPath } from "./nouns.js";
import { Button, ErrorBox, Field, money } from "./parts.js";
import { useResource } from "./resources.js";
import { debounced } from "./stores.js";
import { texts } from "./texts.js";

const REF = { kind: "ref", isRequired: false };
const KEY = { ...REF, name: "ssh_key_name", noun: "ssh_keys", key: "name" };
const NETWORK = { ...REF, name: "network_id", noun: "networks", query: { external: "false" }, isRequired: true };
const GROUP = { ...REF, name: "security_group", noun: "security_groups" };
const TYPES = ["standard", "ssd_hiiops", "ssd_lowlatency", "cold", "ultra"];

function initialState() {
  return {
    name: "", image_id: "", flavor: "", size: "10", type_name: "standard", network: "external", network_id: "",
    hasFloatingIp: false, security_group: "", ssh_key_name: "", tags: [],
  };
}

/** Return the body of the request. */
export function bodyOf(values) {
  const group = values.security_group ? { security_groups: [{ id: values.security_group }] } : {};
  const floating = values.hasFloatingIp ? { floating_ip: { source: "new" } } : {};
  const isPrivate = values.network === "any_subnet";
  const tags = Object.fromEntries(values.tags.filter(({ key }) => key).map(({ key, value }) => [key, value]));
  return {
    name: values.name,
    flavor: values.flavor,
    volumes: [{ source: "image", image_id: values.image_id, size: Number(values.size), type_name: values.type_name, boot_index: 0 }],
    interfaces: [isPrivate ? { type: "any_subnet", network_id: values.network_id, ...floating, ...group } : { type: "external", ...group }],
    ...(values.ssh_key_name ? { ssh_key_name: values.ssh_key_name } : {}),
    ...(Object.keys(tags).length ? { tags } : {}),
  };
}

/** The page. */
export function NewInstancePage({ place }) {
  const [values, setValues] = useState(initialState);
  const [state, setState] = useState({ phase: "form" });
  const set = (name) => (value) => setValues((last) => ({ ...last, [name]: value }));
  const images = useResource(fillPath(NOUNS.images.path, place), {}, { follows: false });
  const image = images.data?.results.find((single) => single.id === values.image_id);
  const body = bodyOf(values);
  const estimate = useEstimate(place, body);
  const path = `/cloud/v2/instances/${place.project}/${place.region}`;
  const submit = async (event) => {
    event.preventDefault();
    setState({ phase: "sending" });
    try {
      const answer = await send("POST", path, { body });
      await followTask(answer, (next) => setState(next), texts.create(texts.nouns.instances.one));
    } catch (error) {
      setState({ phase: "form", error });
    }
  };
  useEffect(() => {
    const instanceId = state.phase === "ended" && state.task?.created_resources?.instances?.[0];
    if (instanceId) navigate(addressOf("instances", instanceId), { replace: true });
  }, [state.phase]);
  const reason = obstacleTo("write");
  return html`<section>
    <p class="crumbs"><${Link} to=${addressOf("instances")}>${texts.nouns.instances.many}<//> /</p>
    <header class="head"><h1 tabindex="-1">${texts.create(texts.nouns.instances.one)}</h1></header>
    <form class="columns" onSubmit=${submit} id="create">
      <div>
        <${Field} id="name" label=${texts.fields.name}>
          <input id="name" required maxlength="63" value=${values.name} onInput=${(event) => set("name")(event.target.value)} autocomplete="off" />
        <//>
        <${Images} images=${images.data?.results || []} value=${values.image_id} onChange=${set("image_id")} />
        <${Flavors} place=${place} value=${values.flavor} onChange=${set("flavor")} />
        <${Disk} ...${{ values, set, image }} />
        <${Network} ...${{ place, values, set }} />
        <${FormField} ...${{ field: KEY, place, values }} onChange=${set("ssh_key_name")} />
        <fieldset><legend>${texts.fields.tags}</legend><${TagRows} rows=${values.tags} onChange=${set("tags")} /></fieldset>
      </div>
      <div>
        <${Estimate} estimate=${estimate} />
        <${ErrorBox} error=${state.error} />
        ${state.phase === "running" && html`<${Running} task=${state.task} />`}
        ${state.phase === "ended" && state.task?.state === "ERROR" && html`<p class="error" role="alert">${texts.dialog.failed(state.task.task_type, state.task.error)}</p>`}
        <footer class="actions">
          <${Button} kind="primary" type="submit" reason=${reason} disabled=${state.phase === "sending" || state.phase === "running"}>
            ${texts.create(texts.nouns.instances.one)}
          <//>
          <${Link} class="button" to=${addressOf("instances")}>${texts.cancel}<//>
        </footer>
        <${SameAs} sample=${{ method: "POST", path, body, sdk: "instances.create", cli: "instances create", terraform: "gcore_cloud_instance" }} />
      </div>
    </form>
  </section>`;
}

/** Ask for price and quota when the choice has not changed for a moment. */
function useEstimate(place, body) {
  const [estimate, setEstimate] = useState({});
  const [ask] = useState(() => debounced(300, askEstimate));
  const text = JSON.stringify({ ...body, name: "", tags: {} });
  useEffect(() => {
    if (body.flavor && body.volumes[0].size && (body.interfaces[0].type === "external" || body.interfaces[0].network_id)) {
      ask(place, body, setEstimate);
    }
  }, [text]);
  return estimate;
}

async function askEstimate(place, body, setEstimate) {
  const order = { flavor: body.flavor, interfaces: body.interfaces, volumes: body.volumes };
  const priced = { ...order, volumes: order.volumes.map(({ source, size, type_name }) => ({ source, size, type_name })) };
  const where = `${place.project}/${place.region}`;
  const tries = await Promise.allSettled([
    send("POST", `/cloud/v2/pricing/${where}/instances`, { body: priced }),
    send("POST", `/cloud/v2/instances/${where}/check_limits`, { body: { ...priced, names: [body.name || "new"] } }),
  ]);
  setEstimate({ price: tries[0].value, limits: tries[1].value, error: (tries[0].reason || tries[1].reason)?.message });
}

function Estimate({ estimate: { price, limits, error } }) {
  const exceeded = Object.entries(limits || {});
  return html`<div class="card" aria-live="polite">
    <h2>${texts.estimate.title}</h2>
    ${price
      ? html`<p class="price">${money(price.total_price_per_month, price.currency_code)} ${texts.perMonth}</p>
          <p class="soft">${money(price.total_price_per_hour, price.currency_code)} ${texts.perHour}</p>`
      : html`<p class="soft">${texts.estimate.choose}</p>`}
    ${limits && exceeded.length === 0 && html`<p class="good">${texts.estimate.fits}</p>`}
    ${exceeded.length > 0 &&
    html`<p class="bad">${texts.estimate.exceeds}</p>
      <ul>
        ${exceeded.map(([name, value]) => html`<li key=${name}>${name}: ${JSON.stringify(value)}</li>`)}
      </ul>`}
    ${error && html`<p class="soft">${error}</p>`}
  </div>`;
}

function Images({ images, value, onChange }) {
  return html`<${Field} id="image" label=${texts.inputs.image_id}>
    <select id="image" required value=${value} onChange=${(event) => onChange(event.target.value)}>
      <option value="">${texts.dialog.choose}</option>
      ${images.map((image) => html`<option key=${image.id} value=${image.id}>${image.name}</option>`)}
    </select>
  <//>`;
}

function Flavors({ place, value, onChange }) {
  const list = useResource(fillPath(NOUNS.flavors.path, place), { include_prices: "true", limit: 1000 }, { follows: false });
  const shown = (list.data?.results || []).filter((flavor) => !flavor.disabled);
  return html`<${Field} id="flavor" label=${texts.inputs.flavor}>
    <select id="flavor" required value=${value} onChange=${(event) => onChange(event.target.value)}>
      <option value="">${texts.dialog.choose}</option>
      ${shown.map(
        (flavor) => html`<option key=${flavor.flavor_id} value=${flavor.flavor_id}>
          ${texts.estimate.flavor(flavor.flavor_id, flavor.vcpus, texts.megabytes(flavor.ram), money(flavor.price_per_hour, flavor.currency_code))}
        </option>`,
      )}
    </select>
  <//>`;
}

function Disk({ values, set, image }) {
  return html`<fieldset>
    <legend>${texts.estimate.disk}</legend>
    <${Field} id="size" label=${texts.inputs.size} hint=${image ? texts.estimate.smallest(image.min_disk) : ""}>
      <input id="size" type="number" min=${image?.min_disk || 1} required value=${values.size} onInput=${(event) => set("size")(event.target.value)} />
    <//>
    <${Field} id="disk-type" label=${texts.inputs.type_name}>
      <select id="disk-type" value=${values.type_name} onChange=${(event) => set("type_name")(event.target.value)}>
        ${TYPES.map((type) => html`<option key=${type} value=${type}>${type}</option>`)}
      </select>
    <//>
  </fieldset>`;
}

function Network({ place, values, set }) {
  const isPrivate = values.network === "any_subnet";
  return html`<fieldset>
    <legend>${texts.nouns.networks.one}</legend>
    <${Field} id="network-kind" label=${texts.estimate.network}>
      <select id="network-kind" value=${values.network} onChange=${(event) => set("network")(event.target.value)}>
        <option value="external">${texts.estimate.external}</option>
        <option value="any_subnet">${texts.estimate.private}</option>
      </select>
    <//>
    ${isPrivate && html`<${FormField} ...${{ field: NETWORK, place, values }} onChange=${set("network_id")} />`}
    ${isPrivate &&
    html`<div class="field check">
      <input id="floating" type="checkbox" checked=${values.hasFloatingIp} onChange=${(event) => set("hasFloatingIp")(event.target.checked)} />
      <label for="floating">${texts.estimate.floating}</label>
    </div>`}
    <${FormField} ...${{ field: GROUP, place, values }} onChange=${set("security_group")} />
  </fieldset>`;
}
