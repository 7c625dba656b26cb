// The tabs of the page of a record.
import { html, useState } from "./vendor/preact.js";
import { get } from "./api.js";
import { Link, addressOf } from "./addresses.js";
import { PartButton } from "./actions.js";
import { AccessRulesTab, L7RulesTab, MembersTab, PartsTab, PoliciesTab } from "./balancing_tabs.js";
import { obstacleTo } from "./caller.js";
import { Figures } from "./figures.js";
import { NOUNS, fillPath, pathOf } from "./nouns.js";
import { PART_OPERATIONS } from "./operations.js";
import { Button, Cell, CopyBox, ErrorBox, Facts, Loading, Raw, Status, Table, Time } from "./parts.js";
import { useResource } from "./resources.js";
import { TagsTab } from "./tags.js";
import { texts } from "./texts.js";

function OverviewTab({ noun, word, record, place, id }) {
  const facts = noun.columns.map((column) => [
    texts.fields[column.name] || column.name,
    html`<${Cell} column=${column.kind === "self" ? { name: column.name } : column} record=${record} noun=${word} />`,
  ]);
  return html`<${Facts} facts=${facts} />
    ${word === "instances" && html`<${InstanceFacts} record=${record} place=${place} id=${id} />`}
    ${word === "schedules" && html`<${Schedules} record=${record} />`}
    ${word === "routers" && html`<${RouterInterfaces} record=${record} />`}
    ${record.public_key && html`<${CopyBox} text=${record.public_key} label=${texts.inputs.public_key} />`}
    <${Raw} record=${record} label="JSON" />`;
}

function InstanceFacts({ record, place, id }) {
  const price = useResource(fillPath(`/cloud/v1/pricing/{project}/{region}/instances/${id}`, place), {}, { follows: false });
  const flavor = record.flavor || {};
  const ddos = record.ddos_profile;
  const holes = record.blackhole_ports || [];
  return html`<${Facts}
      facts=${[
        [texts.overview.size, texts.overview.machine(flavor.vcpus, texts.megabytes(flavor.ram || 0))],
        [texts.overview.price, price.data?.price_per_month != null ? `${price.data.price_per_month} ${price.data.currency_code || ""} ${texts.perMonth}` : texts.none],
        [texts.nouns.ddos_profiles.one, ddos ? html`<${Status} value=${ddos.status?.status ?? String(ddos.status ?? "")} />` : texts.none],
        [texts.overview.blackholes, holes.length ? holes.map((hole) => `${hole.DestinationIP} ${hole.AlarmState}`).join(", ") : texts.none],
      ]}
    />
    ${record.instance_isolation?.reason && html`<p class="warning">${texts.overview.isolated(record.instance_isolation.reason)}</p>`}`;
}

function Schedules({ record }) {
  const times = ({ minute, hour, day, month, day_of_week }) => [minute, hour, day, month, day_of_week].map((part) => part ?? "*").join(" ");
  const when = ({ type, weeks, days, hours, minutes, ...cron }) =>
    type === "cron" ? times(cron) : [weeks && `${weeks}w`, days && `${days}d`, hours && `${hours}h`, minutes && `${minutes}m`].filter(Boolean).join(" ");
  return html`<${Table}
    label=${texts.fields.schedules}
    columns=${[texts.fields.type, texts.overview.when, texts.inputs.max_quantity]}
    rows=${record.schedules.map((schedule) => [schedule.type, html`<code>${when(schedule)}</code>`, String(schedule.max_quantity)])}
  />`;
}

function RouterInterfaces({ record }) {
  const rows = (record.interfaces || []).flatMap((single) =>
    (single.ip_assignments || []).map((assignment) => [
      html`<code>${assignment.ip_address}</code>`,
      html`<${Link} to=${addressOf("subnets", assignment.subnet_id)}>${assignment.subnet_id}<//>`,
    ]),
  );
  return html`<${Table} label=${texts.fields.interfaces} columns=${[texts.fields.ip_address, texts.nouns.subnets.one]} rows=${rows} />`;
}

/** Rows of a tab; a link leads to the list with all of them. */
const RELATED = 100;

/** Records of another noun that belong to this one. */
function Related({ word, place, query, extra = [] }) {
  const noun = NOUNS[word];
  const list = useResource(fillPath(noun.path, place), { ...query, limit: RELATED });
  const columns = noun.columns.filter((column) => !column.isHidden);
  if (list.error) return html`<${ErrorBox} error=${list.error} onRetry=${list.reload} />`;
  if (!list.data) return html`<p class="soft">${texts.loading}</p>`;
  if (list.data.results.length === 0) return html`<p class="empty">${texts.nouns[word].empty}</p>`;
  return html`<${Table}
    label=${texts.nouns[word].many}
    columns=${[...columns.map((column) => texts.fields[column.name]), ...extra.map((column) => column.label)]}
    rows=${list.data.results.map((record) => [
      ...columns.map((column) =>
        column.kind === "self"
          ? html`<${Link} class="name" to=${addressOf(word, record.id)}>${record.name || record.id}<//>`
          : html`<${Cell} column=${column} record=${record} noun=${word} />`,
      ),
      ...extra.map((column) => column.show(record, list.reload)),
    ])}
  />
  ${list.data.count > RELATED && html`<p><${Link} to=${addressOf(word, "", query)}>${texts.list.all(list.data.count)}<//></p>`}`;
}

function VolumesTab({ place, id, record, reload }) {
  const done = (again) => () => (again(), reload());
  const detach = {
    label: texts.actions,
    show: (volume, again) => html`<${PartButton}
      operation=${PART_OPERATIONS.detach_volume} word="instances" place=${place} record=${record}
      params=${{ volume_id: volume.id }} onDone=${done(again)} />`,
  };
  return html`<${Related} word="volumes" place=${place} query=${{ instance_id: id }} extra=${[detach]} />`;
}

function InterfacesTab({ place, id, record, noun }) {
  const list = useResource(`${pathOf(noun, place, id)}/interfaces`);
  if (!list.data) return html`<${Loading} error=${list.error} />`;
  const rows = list.data.results.map((single) => {
    const addresses = single.ip_assignments.map((assignment) => assignment.ip_address);
    return [
      html`<code>${addresses.join(" ")}</code>`,
      single.network_details?.external
        ? single.network_details.name
        : html`<${Link} to=${addressOf("networks", single.network_id)}>${single.network_details?.name || single.network_id}<//>`,
      html`<code>${single.mac_address}</code>`,
      (single.floatingip_details || []).map((floating) => html`<${Link} key=${floating.id} to=${addressOf("floating_ips", floating.id)}>${floating.floating_ip_address}<//>`),
      html`<${PartButton} operation=${PART_OPERATIONS.detach_interface} word="instances" place=${place} record=${record}
        params=${{ port_id: single.port_id, ip_address: addresses[0] }} onDone=${list.reload} />`,
    ];
  });
  return html`<${Table}
    label=${texts.tabs.interfaces}
    columns=${[texts.fields.addresses, texts.nouns.networks.one, texts.fields.mac_address, texts.nouns.floating_ips.one, texts.actions]}
    rows=${rows}
  />`;
}

function InstanceGroupsTab({ place, id, record, noun }) {
  const list = useResource(`${pathOf(noun, place, id)}/securitygroups`);
  if (!list.data) return html`<${Loading} error=${list.error} />`;
  const rows = list.data.results.map((group) => [
    html`<${Link} to=${addressOf("security_groups", group.id)}>${group.name}<//>`,
    html`<${PartButton} operation=${PART_OPERATIONS.unassign_security_group} word="instances" place=${place} record=${record}
      params=${{ group_name: group.name }} onDone=${list.reload} />`,
  ]);
  return html`<${Table} label=${texts.tabs.security_groups} columns=${[texts.fields.name, texts.actions]} rows=${rows} />`;
}

function ScreenTab({ place, id, noun }) {
  const [state, setState] = useState({ url: "", error: null });
  const open = async () => {
    try {
      const answer = await get(`${pathOf(noun, place, id)}/get_console`);
      setState({ url: answer.remote_console.url, error: null });
    } catch (error) {
      setState({ url: "", error });
    }
  };
  return html`<p>${texts.screen.intro}</p>
    <${ErrorBox} error=${state.error} />
    ${state.url
      ? html`<p><a class="button primary" href=${state.url} target="_blank" rel="noopener noreferrer">${texts.screen.open}</a></p>
          <p class="soft">${texts.screen.once}</p>`
      : html`<${Button} kind="primary" reason=${obstacleTo("write")} onClick=${open}>${texts.screen.get}<//>`}`;
}

function SerialLogTab({ place, id }) {
  const log = useResource(fillPath(`/_pileus/instances/{project}/{region}/${id}/serial_log`, place));
  if (log.error) return html`<p class="empty">${log.error.message}</p>`;
  if (log.data === null) return html`<p class="soft">${texts.loading}</p>`;
  return html`<${CopyBox} text=${log.data || texts.none} label=${texts.tabs.serial_log} />`;
}

function HistoryTab({ id, place }) {
  const list = useResource("/cloud/v1/user_actions", { resource_id: id, project_id: place.project, limit: 100 });
  if (!list.data) return html`<${Loading} error=${list.error} />`;
  if (list.data.results.length === 0) return html`<p class="empty">${texts.history.empty}</p>`;
  return html`<${Table}
    label=${texts.tabs.history}
    columns=${[texts.fields.timestamp, texts.fields.action_type, texts.fields.email, texts.fields.user_agent, texts.fields.task_id]}
    rows=${list.data.results.map((action) => [
      html`<${Time} value=${action.timestamp} />`,
      `${action.action_type} ${action.api_group}`,
      action.email,
      html`<span class="soft">${(action.user_agent || "").split(" ")[0]}</span>`,
      action.task_id ? html`<${Link} to=${addressOf("tasks", action.task_id)}>${texts.nouns.tasks.one}<//>` : texts.none,
    ])}
  />`;
}

function RulesTab({ record, place, reload }) {
  const ports = (rule) => (rule.port_range_min == null ? texts.rules.all : rule.port_range_min === rule.port_range_max ? String(rule.port_range_min) : `${rule.port_range_min}–${rule.port_range_max}`);
  const order = (rule) => `${rule.direction === "ingress" ? 0 : 1} ${rule.ethertype} ${rule.protocol} ${String(rule.port_range_min ?? 0).padStart(5)}`;
  const rules = [...record.security_group_rules].sort((one, other) => order(one).localeCompare(order(other)));
  const rows = rules.map((rule) => [
    rule.direction,
    rule.ethertype || texts.rules.all,
    rule.protocol || texts.rules.all,
    ports(rule),
    html`<code>${rule.remote_ip_prefix || rule.remote_group_id || texts.rules.anywhere}</code>`,
    rule.description || "",
    html`<${PartButton} operation=${PART_OPERATIONS.delete_rule} word="security_groups" place=${place} record=${record}
      params=${{ rule_id: rule.id }} onDone=${reload} />`,
  ]);
  const names = ["direction", "ethertype", "protocol", "ports", "remote", "description"];
  return html`<${Table} label=${texts.tabs.rules} columns=${[...names.map((name) => texts.fields[name]), texts.actions]} rows=${rows} />`;
}

const SnapshotsTab = ({ place, id }) => html`<${Related} word="snapshots" place=${place} query=${{ volume_id: id }} />`;
const SubnetsTab = ({ place, id }) => html`<${Related} word="subnets" place=${place} query=${{ network_id: id }} />`;

/** The tabs by name. */
export const TABS = {
  overview: OverviewTab, volumes: VolumesTab, interfaces: InterfacesTab, security_groups: InstanceGroupsTab, screen: ScreenTab,
  serial_log: SerialLogTab, figures: Figures, tags: TagsTab, history: HistoryTab, rules: RulesTab, snapshots: SnapshotsTab,
  subnets: SubnetsTab, parts: PartsTab, members: MembersTab, l7_policies: PoliciesTab, l7_rules: L7RulesTab,
  access_rules: AccessRulesTab,
};

