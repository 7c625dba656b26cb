// The tabs of load balancers, their parts, and file shares.
import { html } from "./vendor/preact.js";
import { PartButton } from "./actions.js";
import { Link, addressOf } from "./addresses.js";
import { caller, obstacleTo } from "./caller.js";
import { send } from "./api.js";
import { NOUNS, fillPath, pathOf } from "./nouns.js";
import { PART_OPERATIONS } from "./operations.js";
import { Button, ErrorBox, Facts, Loading, Status, Table, announce } from "./parts.js";
import { useResource } from "./resources.js";
import { useInterval } from "./stores.js";
import { texts } from "./texts.js";

/** Health changes without a request, so no change of the project tells it. */
const HEALTH_SECONDS = 4;

const isPending = ({ provisioning_status: status }) => status.startsWith("PENDING");

/** A part with its statuses; that of its lifecycle is shown where it is not the usual one. */
function Part({ word, label, part, children }) {
  const name = part.name || label || part.id;
  return html`<li>
    <span class="part">
      <span class="soft">${texts.nouns[word]?.one || texts.parts[word]}</span>
      ${NOUNS[word] ? html`<${Link} class="name" to=${addressOf(word, part.id)}>${name}<//>` : html`<code>${name}</code>`}
      ${part.operating_status && html`<${Status} value=${part.operating_status} />`}
      ${part.provisioning_status !== "ACTIVE" && html`<${Status} value=${part.provisioning_status} />`}
    </span>
    ${children?.length > 0 && html`<ul>${children}</ul>`}
  </li>`;
}

function PoolPart({ pool }) {
  return html`<${Part} word="pools" part=${pool}>
    ${pool.health_monitor && html`<${Part} key="monitor" word="monitor" label=${pool.health_monitor.type} part=${pool.health_monitor} />`}
    ${pool.members.map((member) => html`<${Part} key=${member.id} word="member" label=${`${member.address}:${member.protocol_port}`} part=${member} />`)}
  <//>`;
}

/** The tree of a load balancer: listeners with their L7 policies and pools, and pools with their members. */
export function PartsTab({ noun, place, id }) {
  const tree = useResource(`${pathOf(noun, place, id)}/status`, {}, { isBusy: (data) => isPending(data) || data.listeners.some(isPending) });
  const policies = useResource(fillPath(NOUNS.l7_policies.path, place), { limit: 1000 });
  const pools = useResource(fillPath(NOUNS.pools.path, place), { load_balancer_id: id, details: "true", limit: 1000 });
  useInterval(HEALTH_SECONDS, tree.reload);
  const error = tree.error || policies.error || pools.error;
  if (!tree.data || !policies.data || !pools.data) return html`<${Loading} error=${error} />`;
  const free = pools.data.results.filter((pool) => pool.listeners.length === 0);
  if (tree.data.listeners.length + free.length === 0) return html`<p class="empty">${texts.parts.empty}</p>`;
  return html`<${ErrorBox} error=${error} />
    <ul class="tree card">
      ${tree.data.listeners.map(
        (listener) => html`<${Part} key=${listener.id} word="listeners" part=${listener}>
          ${policies.data.results
            .filter((policy) => policy.listener_id === listener.id)
            .map((policy) => html`<${Part} key=${policy.id} word="l7_policies" part=${policy} label=${policy.action} />`)}
          ${listener.pools.map((pool) => html`<${PoolPart} key=${pool.id} pool=${pool} />`)}
        <//>`,
      )}
      ${free.map((pool) => html`<${PoolPart} key=${pool.id} pool=${{ ...pool, health_monitor: pool.healthmonitor }} />`)}
    </ul>`;
}

/** The members of a pool, and its health monitor. */
export function MembersTab({ place, record, reload }) {
  useInterval(HEALTH_SECONDS, reload);
  const part = (name, value, params) => html`<${PartButton} operation=${PART_OPERATIONS[name]} word="pools" place=${place} record=${record}
    part=${value} params=${params} onDone=${reload} />`;
  const monitor = record.healthmonitor;
  const rows = record.members.map((member) => [
    html`<code>${member.address}:${member.protocol_port}</code>`,
    html`<${Status} value=${member.operating_status} />`,
    html`<${Status} value=${member.provisioning_status} />`,
    String(member.weight),
    texts.boolean[member.backup],
    html`<span class="actions">
      ${part("edit_member", member, { member_id: member.id })} ${part("delete_member", member, { member_id: member.id })}
      ${caller.value.is_simulated && html`<${Outage} member=${member} onDone=${reload} />`}
    </span>`,
  ]);
  const columns = ["address", "operating_status", "provisioning_status", "weight", "backup"].map((name) => texts.fields[name]);
  const facts = monitor && ["type", "operating_status", "delay", "timeout", "max_retries", "url_path", "http_method", "expected_codes"];
  return html`${rows.length
      ? html`<${Table} label=${texts.tabs.members} columns=${[...columns, texts.actions]} rows=${rows} />`
      : html`<p class="empty">${texts.parts.noMembers}</p>`}
    <h2>${texts.parts.monitor}</h2>
    ${monitor
      ? html`<${Facts} facts=${facts.map((name) => [texts.inputs[name] || texts.fields[name], String(monitor[name] ?? texts.none)])} />
          <div class="actions">${part("edit_monitor", monitor)} ${part("delete_monitor", monitor)}</div>`
      : html`<p class="soft">${texts.parts.noMonitor}</p>`}`;
}

/** Let a simulated member fail, or answer again. */
function Outage({ member, onDone }) {
  const isDown = member.operating_status === "ERROR";
  const change = async () => {
    await send("PUT", `/_pileus/members/${member.id}`, { body: { reachable: isDown } });
    announce(texts.dialog.done);
    onDone();
  };
  return html`<${Button} kind="small" reason=${obstacleTo("administer")} onClick=${change}>${isDown ? texts.parts.answer : texts.parts.fail}<//>`;
}

/** The L7 policies of a listener. */
export function PoliciesTab({ place, id }) {
  const list = useResource(fillPath(NOUNS.l7_policies.path, place), { limit: 1000 });
  if (!list.data) return html`<${Loading} error=${list.error} />`;
  const policies = list.data.results.filter((policy) => policy.listener_id === id);
  if (!policies.length) return html`<p class="empty">${texts.nouns.l7_policies.empty}</p>`;
  return html`<ul class="tree card">
    ${policies.map((policy) => html`<${Part} key=${policy.id} word="l7_policies" part=${policy} label=${policy.action} />`)}
  </ul>`;
}

/** Rows of what belongs to a record, each with the button that deletes it. */
function PartRows({ path, word, place, record, label, empty, operation, idName, names }) {
  const list = useResource(path);
  if (!list.data) return html`<${Loading} error=${list.error} />`;
  if (!list.data.results.length) return html`<p class="empty">${empty}</p>`;
  const rows = list.data.results.map((row) => [
    ...names.map((name) => (typeof row[name] === "boolean" ? texts.boolean[row[name]] : String(row[name] ?? texts.none))),
    html`<${PartButton} operation=${PART_OPERATIONS[operation]} word=${word} place=${place} record=${record} params=${{ [idName]: row.id }} onDone=${list.reload} />`,
  ]);
  return html`<${Table} label=${label} columns=${[...names.map((name) => texts.fields[name]), texts.actions]} rows=${rows} />`;
}

/** The rules of an L7 policy. */
export const L7RulesTab = ({ noun, ...rest }) => html`<${PartRows} ...${rest} path=${`${pathOf(noun, rest.place, rest.id)}/rules`}
  label=${texts.tabs.l7_rules} empty=${texts.parts.noRules} operation="delete_l7_rule" idName="l7_rule_id"
  names=${["type", "key", "compare_type", "value", "invert", "operating_status"]} />`;

/** The access rules of a file share. */
export const AccessRulesTab = ({ noun, ...rest }) => html`<${PartRows} ...${rest} path=${`${pathOf(noun, rest.place, rest.id)}/access_rule`}
  label=${texts.tabs.access_rules} empty=${texts.parts.noAccess} operation="delete_access_rule" idName="access_rule_id"
  names=${["access_to", "access_level", "state"]} />`;
