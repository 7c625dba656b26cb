// The nouns of the console: where each is listed, its columns, filters, tabs and actions. Lists and details are drawn
// from this table; the texts of a noun are those of texts.js with the same name.
import { caller } from "./caller.js";
import {
  RECORD, REGIONAL, STATES, TAGGED, choice, column, created, filter, hidden, id, link, name, nameFilter, newTags,
  shownId, size, status, tagFilter, tagsColumn,
} from "./columns.js";
import { NETWORK_NOUNS } from "./network_nouns.js";

/**
 * @typedef {object} Column
 * @property {string} name a field of the record, with dots for those within; also the name of its heading
 * @property {string} [kind] how the value is shown: a kind of parts.js, or `self` for the name with the link to the record
 * @property {string} [noun] the noun that a link leads to
 * @property {string} [of] the field with the id that a link leads to
 * @property {boolean} [isHidden] whether the column is hidden until the user chooses it
 *
 * @typedef {object} Filter
 * @property {string} name the parameter of the API
 * @property {"text"|"select"|"boolean"|"tag"} kind
 * @property {string[]} [options]
 *
 * @typedef {object} Noun
 * @property {string} path the path of the list; that of one record has its id behind
 * @property {string} [param] the parameter of the SDK with the id of a record
 * @property {string} [idField]
 * @property {string} [nameField]
 * @property {string} word the word of the command `pileus WORD`
 * @property {string} sdk the place in the official client
 * @property {string} [terraform] the resource of Terraform
 * @property {Column[]} columns
 * @property {Filter[]} [filters]
 * @property {object} [query] parameters that the list always has
 * @property {string} [tagsField] the field with the tags, if they can be changed
 * @property {string} [patchPath] the path that takes a merge patch; that of one record unless it is given
 * @property {string[]} [tabs]
 * @property {"administer"|"operate"|"control"} [access] what reading the list needs, if more than any role has
 * @property {boolean} [hasPages] false if the list has no pages
 * @property {boolean} [hasDetail] false if there is no page of one record
 */

const PLAIN = { word: "", sdk: "", hasDetail: false, hasPages: false };

/** @type {Record<string, Noun>} */
export const NOUNS = {
  instances: {
    path: `/cloud/v1/instances/${REGIONAL}`,
    param: "instance_id",
    word: "instances",
    sdk: "instances",
    terraform: "gcore_cloud_instance",
    tagsField: "tags",
    columns: [
      name, status, column("flavor.flavor_id", "text"), column("addresses", "addresses"), tagsColumn, created,
      hidden("security_groups", "names"), hidden("vm_state"), hidden("ssh_key_name"), hidden("region"), id,
    ],
    filters: [nameFilter, STATES, filter("ip"), filter("flavor_prefix"), tagFilter, filter("with_ddos", "boolean")],
    query: { include_k8s: "false" },
    tabs: [
      "overview", "volumes", "interfaces", "security_groups", "screen", "serial_log", "figures", "tags", "history",
    ],
  },
  baremetal: {
    path: `/cloud/v1/bminstances/${REGIONAL}`,
    param: "server_id",
    word: "baremetal",
    sdk: "baremetal.servers",
    terraform: "gcore_cloud_baremetal_server",
    tagsField: "tags",
    columns: [name, status, column("flavor.flavor_id", "text"), column("addresses", "addresses"), tagsColumn, created, id],
    filters: [nameFilter, STATES, tagFilter],
    tabs: TAGGED,
  },
  images: {
    path: `/cloud/v1/images/${REGIONAL}`,
    param: "image_id",
    word: "images",
    sdk: "instances.images",
    tagsField: "tags_v2",
    columns: [
      name, status, column("os_distro"), column("os_version"), column("size", "bytes"), column("visibility"), newTags,
      hidden("created_at", "time"), id,
    ],
    filters: [nameFilter, choice("visibility", "public", "private", "shared"), filter("os_distro"), tagFilter],
    tabs: TAGGED,
  },
  flavors: {
    path: `/cloud/v1/flavors/${REGIONAL}`,
    idField: "flavor_id",
    nameField: "flavor_id",
    word: "flavors",
    sdk: "instances.flavors",
    query: { include_prices: "true" },
    hasDetail: false,
    columns: [
      column("flavor_id", "self"), column("vcpus", "number"), column("ram", "megabytes"), column("price_per_hour", "money"),
      column("price_per_month", "money"), hidden("disabled", "boolean"),
    ],
    filters: [filter("disabled", "boolean")],
  },
  ssh_keys: {
    path: "/cloud/v1/ssh_keys/{project}",
    param: "ssh_key_id",
    word: "ssh-keys",
    sdk: "ssh_keys",
    terraform: "gcore_cloud_ssh_key",
    columns: [
      name, column("fingerprint", "code"), column("state", "status"), column("shared_in_project", "boolean"), created, id,
    ],
    filters: [nameFilter],
    tabs: RECORD,
  },
  placement_groups: {
    path: `/cloud/v1/servergroups/${REGIONAL}`,
    param: "group_id",
    idField: "servergroup_id",
    word: "placement-groups",
    sdk: "placement_groups",
    terraform: "gcore_cloud_placement_group",
    columns: [name, column("policy"), column("instances", "count"), hidden("servergroup_id", "code")],
    tabs: RECORD,
  },
  volumes: {
    path: `/cloud/v1/volumes/${REGIONAL}`,
    param: "volume_id",
    word: "volumes",
    sdk: "volumes",
    terraform: "gcore_cloud_volume",
    tagsField: "tags",
    columns: [
      name, status, size, column("volume_type"), column("attachments", "attachments"), tagsColumn, created,
      hidden("bootable", "boolean"), id,
    ],
    filters: [
      filter("name_part"), filter("id_part"), filter("has_attachments", "boolean"), filter("bootable", "boolean"), tagFilter,
    ],
    tabs: ["overview", "snapshots", "tags", "history"],
  },
  snapshots: {
    path: `/cloud/v1/snapshots/${REGIONAL}`,
    param: "snapshot_id",
    word: "snapshots",
    sdk: "volume_snapshots",
    tagsField: "tags",
    columns: [name, status, size, link("volume_id", "volumes"), hidden("description"), tagsColumn, created, id],
    filters: [filter("volume_id"), filter("instance_id"), tagFilter],
    tabs: TAGGED,
  },
  schedules: {
    path: `/cloud/v1/lifecycle_policy/${REGIONAL}`,
    param: "policy_id",
    word: "snapshot-schedules",
    sdk: "snapshot_schedules",
    hasPages: false,
    columns: [name, status, column("action"), column("schedules", "count"), column("volumes", "count"), shownId],
    tabs: RECORD,
  },
  file_shares: {
    path: `/cloud/v1/file_shares/${REGIONAL}`,
    param: "file_share_id",
    word: "file-shares",
    sdk: "file_shares",
    terraform: "gcore_cloud_file_share",
    tagsField: "tags",
    columns: [
      name, status, size, column("type_name"), column("protocol"), column("connection_point", "code"),
      link("network_name", "networks", "network_id"), tagsColumn, created, id,
    ],
    filters: [nameFilter, choice("type_name", "standard", "vast")],
    tabs: ["overview", "access_rules", "tags", "history"],
  },
  ...NETWORK_NOUNS,
  tasks: {
    path: "/cloud/v1/tasks",
    nameField: "task_type",
    word: "tasks",
    sdk: "tasks",
    columns: [
      column("task_type", "self"), column("state", "status"), hidden("detailed_state"), column("error"),
      column("created_on", "time"), column("finished_on", "time"), id,
    ],
    filters: [
      choice("state", "NEW", "RUNNING", "FINISHED", "ERROR"), filter("task_type"), filter("is_acknowledged", "boolean"),
    ],
    query: { project_id: "{project}", region_id: "{region}" },
  },
  projects: {
    path: "/cloud/v1/projects",
    param: "project_id",
    word: "projects",
    sdk: "projects",
    terraform: "gcore_cloud_project",
    columns: [name, column("state", "status"), column("description"), column("is_default", "boolean"), created, shownId],
    filters: [nameFilter],
    tabs: RECORD,
  },
  audit_log: {
    path: "/cloud/v1/user_actions",
    nameField: "action_type",
    word: "audit-log",
    sdk: "audit_logs",
    hasDetail: false,
    columns: [
      column("timestamp", "time"), column("action_type"), column("api_group"), column("resources", "resources"),
      column("email"), hidden("source_user_ip"), hidden("user_agent"), link("task_id", "tasks"),
    ],
    filters: [filter("action_type"), filter("api_group"), filter("resource_id"), filter("from_timestamp")],
    query: { project_id: "{project}" },
  },
  keys: {
    path: "/_pileus/tenants/{client}/keys",
    access: "operate",
    word: "",
    sdk: "",
    hasDetail: false,
    columns: [
      shownId, column("name"), column("role"), created, column("expires_at", "time"), column("revoked_at", "time"),
    ],
  },
  users: {
    path: "/_pileus/tenants/{client}/users",
    access: "operate",
    nameField: "email",
    word: "",
    sdk: "",
    hasDetail: false,
    columns: [column("email"), column("role"), column("can_log_in", "boolean"), created, shownId],
  },
  faults: {
    path: "/_pileus/faults",
    access: "administer",
    nameField: "kind",
    ...PLAIN,
    columns: [column("kind"), column("task_type"), column("step"), column("message"), column("times"), hidden("id", "code")],
  },
  http_faults: {
    path: "/_pileus/http_faults",
    access: "control",
    nameField: "kind",
    ...PLAIN,
    columns: [
      column("kind"), column("operation"), column("method"), column("path"), column("status"), column("seconds"),
      column("probability"), column("times"), column("matches"), column("hits"), hidden("id", "code"),
    ],
  },
  capacities: {
    path: "/_pileus/capacities",
    idField: "flavor_id",
    nameField: "flavor_id",
    access: "administer",
    ...PLAIN,
    columns: [column("flavor_id"), column("servers"), hidden("region_id")],
  },
  subscriptions: {
    path: "/_pileus/subscriptions",
    ...PLAIN,
    columns: [
      column("address"), column("kind"), column("waiting", "number"), column("failures", "number"), column("oldest_at", "time"),
      column("next_attempt_at", "time"), shownId,
    ],
  },
};

/** The groups of the navigation, with their nouns and the pages that are no lists. */
export const NAVIGATION = {
  compute: ["instances", "baremetal", "images", "flavors", "ssh_keys", "placement_groups"],
  storage: ["volumes", "snapshots", "schedules", "file_shares"],
  network: [
    "networks", "subnets", "routers", "floating_ips", "reserved_fixed_ips", "security_groups", "ddos_profiles",
  ],
  balancing: ["load_balancers", "listeners", "pools", "l7_policies", "secrets"],
  account: ["tasks", "costs", "quotas", "projects", "keys", "users", "audit_log", "subscriptions"],
  workbench: ["requests", "http_faults", "faults", "capacities", "cloud"],
};

/** Return a path with the place, and the id of a record, filled in. */
export function fillPath(path, place, recordId = "") {
  return path
    .replace("{project}", String(place.project))
    .replace("{region}", String(place.region))
    .replace("{client}", String(caller.value.client_id))
    .replace("{id}", encodeURIComponent(recordId));
}

/** Return the path of one record. */
export function pathOf(noun, place, recordId) {
  return fillPath(noun.one || `${noun.path}/{id}`, place, recordId);
}

/** Return the records of a list: some paths answer with the records alone. */
export const rowsOf = (data) => (Array.isArray(data) ? data : data?.results || []);

/** Return the value of a field; dots reach into objects. */
export function valueOf(record, path) {
  return path.split(".").reduce((value, part) => value?.[part], record);
}

/** Return the id of a record. */
export const idOf = (noun, record) => String(record[noun.idField || "id"]);
/** Return the name of a record. */
export const nameOf = (noun, record) => String(record[noun.nameField || "name"] || idOf(noun, record));

/** Return the tags of a record by name, without those that only the cloud changes. */
export function tagsOf(noun, record) {
  const list = (noun.tagsField && record[noun.tagsField]) || [];
  return Object.fromEntries(list.filter((tag) => !tag.read_only).map((tag) => [tag.key, tag.value]));
}
