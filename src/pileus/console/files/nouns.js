// The nouns of the console: where each is listed, its columns, filters, tabs and actions. Lists and details are drawn
// from this table; the texts of a noun are those of texts.js with the same name.
import { caller } from "./caller.js";

const REGIONAL = "{project}/{region}";

/**
 * @typedef {object} Column
 * @property {string} name a field of the record, with dots for those within; also the name of its heading
 * @property {"text"|"status"|"time"|"tags"|"link"|"size"|"addresses"|"code"|"list"|"boolean"|"bytes"} [kind]
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
 * @property {"compute"|"storage"|"network"|"account"} group
 * @property {string} path the path of the list; that of one record, unless `one` is given, has its id behind
 * @property {string} [one] the path of one record
 * @property {string} [idField]
 * @property {string} [nameField]
 * @property {string} word the word of the command `pileus WORD`
 * @property {string} sdk the place in the official client
 * @property {string} [terraform] the resource of Terraform
 * @property {Column[]} columns
 * @property {Filter[]} [filters]
 * @property {object} [query] parameters that the list always has
 * @property {string} [tagsField] the field with the tags, if they can be changed
 * @property {string} [patchPath] the path that takes the merge patch of tags; that of one record unless it is given
 * @property {string[]} [tabs]
 * @property {boolean} [hasPages] false if the list has no pages
 * @property {boolean} [hasDetail] false if there is no page of one record
 */

const name = { name: "name", kind: "self" };
const id = { name: "id", kind: "code", isHidden: true };
const status = { name: "status", kind: "status" };
const tags = { name: "tags", kind: "tags" };
const created = { name: "created_at", kind: "time" };
const region = { name: "region", isHidden: true };
const nameFilter = { name: "name", kind: "text" };
const tagFilter = { name: "tag_key_value", kind: "tag" };
const STATES = ["ACTIVE", "BUILD", "ERROR", "PAUSED", "REBOOT", "RESIZE", "SHUTOFF", "SUSPENDED"];

/** @type {Record<string, Noun>} */
export const NOUNS = {
  instances: {
    group: "compute",
    path: `/cloud/v1/instances/${REGIONAL}`,
    word: "instances",
    sdk: "instances",
    terraform: "gcore_cloud_instance",
    tagsField: "tags",
    columns: [
      name,
      status,
      { name: "flavor.flavor_id", kind: "text" },
      { name: "addresses", kind: "addresses" },
      tags,
      created,
      { name: "security_groups", kind: "names", isHidden: true },
      { name: "vm_state", isHidden: true },
      { name: "ssh_key_name", isHidden: true },
      region,
      id,
    ],
    filters: [
      nameFilter,
      { name: "status", kind: "select", options: STATES },
      { name: "ip", kind: "text" },
      { name: "flavor_prefix", kind: "text" },
      tagFilter,
      { name: "with_ddos", kind: "boolean" },
    ],
    query: { include_k8s: "false" },
    tabs: [
      "overview", "volumes", "interfaces", "security_groups", "screen", "serial_log", "figures", "tags", "history",
    ],
  },
  baremetal: {
    group: "compute",
    path: `/cloud/v1/bminstances/${REGIONAL}`,
    word: "baremetal",
    sdk: "baremetal.servers",
    terraform: "gcore_cloud_baremetal_server",
    tagsField: "tags",
    columns: [name, status, { name: "flavor.flavor_id" }, { name: "addresses", kind: "addresses" }, tags, created, id],
    filters: [nameFilter, { name: "status", kind: "select", options: STATES }, tagFilter],
    tabs: ["overview", "tags", "history"],
  },
  images: {
    group: "compute",
    path: `/cloud/v1/images/${REGIONAL}`,
    word: "images",
    sdk: "instances.images",
    tagsField: "tags_v2",
    columns: [
      name,
      status,
      { name: "os_distro" },
      { name: "os_version" },
      { name: "size", kind: "bytes" },
      { name: "visibility" },
      { ...tags, name: "tags_v2" },
      { ...created, isHidden: true },
      id,
    ],
    filters: [
      nameFilter,
      { name: "visibility", kind: "select", options: ["public", "private", "shared"] },
      { name: "os_distro", kind: "text" },
      tagFilter,
    ],
    tabs: ["overview", "tags", "history"],
  },
  flavors: {
    group: "compute",
    path: `/cloud/v1/flavors/${REGIONAL}`,
    idField: "flavor_id",
    nameField: "flavor_id",
    word: "flavors",
    sdk: "instances.flavors",
    query: { include_prices: "true" },
    hasDetail: false,
    columns: [
      { name: "flavor_id", kind: "self" },
      { name: "vcpus", kind: "number" },
      { name: "ram", kind: "megabytes" },
      { name: "price_per_hour", kind: "money" },
      { name: "price_per_month", kind: "money" },
      { name: "disabled", kind: "boolean", isHidden: true },
    ],
    filters: [{ name: "disabled", kind: "boolean" }],
  },
  ssh_keys: {
    group: "compute",
    path: "/cloud/v1/ssh_keys/{project}",
    word: "ssh-keys",
    sdk: "ssh_keys",
    terraform: "gcore_cloud_ssh_key",
    columns: [
      name, { name: "fingerprint", kind: "code" }, { name: "state", kind: "status" },
      { name: "shared_in_project", kind: "boolean" }, created, id,
    ],
    filters: [nameFilter],
    tabs: ["overview", "history"],
  },
  placement_groups: {
    group: "compute",
    path: `/cloud/v1/servergroups/${REGIONAL}`,
    idField: "servergroup_id",
    word: "placement-groups",
    sdk: "placement_groups",
    terraform: "gcore_cloud_placement_group",
    columns: [
      name, { name: "policy" }, { name: "instances", kind: "count" }, { name: "servergroup_id", kind: "code", isHidden: true },
    ],
    tabs: ["overview", "history"],
  },
  volumes: {
    group: "storage",
    path: `/cloud/v1/volumes/${REGIONAL}`,
    word: "volumes",
    sdk: "volumes",
    terraform: "gcore_cloud_volume",
    tagsField: "tags",
    columns: [
      name,
      status,
      { name: "size", kind: "size" },
      { name: "volume_type" },
      { name: "attachments", kind: "attachments" },
      tags,
      created,
      { name: "bootable", kind: "boolean", isHidden: true },
      id,
    ],
    filters: [
      { name: "name_part", kind: "text" },
      { name: "id_part", kind: "text" },
      { name: "has_attachments", kind: "boolean" },
      { name: "bootable", kind: "boolean" },
      tagFilter,
    ],
    tabs: ["overview", "snapshots", "tags", "history"],
  },
  snapshots: {
    group: "storage",
    path: `/cloud/v1/snapshots/${REGIONAL}`,
    word: "snapshots",
    sdk: "volume_snapshots",
    tagsField: "tags",
    columns: [
      name, status, { name: "size", kind: "size" },
      { name: "volume_id", kind: "link", noun: "volumes" }, { name: "description", isHidden: true }, tags, created, id,
    ],
    filters: [{ name: "volume_id", kind: "text" }, { name: "instance_id", kind: "text" }, tagFilter],
    tabs: ["overview", "tags", "history"],
  },
  schedules: {
    group: "storage",
    path: `/cloud/v1/lifecycle_policy/${REGIONAL}`,
    word: "snapshot-schedules",
    sdk: "snapshot_schedules",
    hasPages: false,
    columns: [
      name, status, { name: "action" }, { name: "schedules", kind: "count" }, { name: "volumes", kind: "count" },
      { ...id, isHidden: false },
    ],
    tabs: ["overview", "history"],
  },
  networks: {
    group: "network",
    path: `/cloud/v1/networks/${REGIONAL}`,
    patchPath: `/cloud/v2/networks/${REGIONAL}/{id}`,
    word: "networks",
    sdk: "networks",
    terraform: "gcore_cloud_network",
    tagsField: "tags",
    columns: [
      name, { name: "type" }, { name: "external", kind: "boolean" }, { name: "subnets", kind: "count" },
      tags, created, id,
    ],
    filters: [nameFilter, { name: "external", kind: "boolean" }, tagFilter],
    query: { owned_by: "any" },
    tabs: ["overview", "subnets", "tags", "history"],
  },
  subnets: {
    group: "network",
    path: `/cloud/v1/subnets/${REGIONAL}`,
    word: "subnets",
    sdk: "networks.subnets",
    terraform: "gcore_cloud_network_subnet",
    tagsField: "tags",
    columns: [
      name, { name: "cidr", kind: "code" }, { name: "gateway_ip", kind: "code" },
      { name: "network_id", kind: "link", noun: "networks" }, { name: "enable_dhcp", kind: "boolean", isHidden: true },
      tags, created, id,
    ],
    filters: [{ name: "network_id", kind: "text" }, tagFilter],
    tabs: ["overview", "tags", "history"],
  },
  routers: {
    group: "network",
    path: `/cloud/v1/routers/${REGIONAL}`,
    word: "routers",
    sdk: "networks.routers",
    terraform: "gcore_cloud_network_router",
    columns: [name, status, { name: "interfaces", kind: "count" }, { name: "routes", kind: "count" }, created, id],
    filters: [nameFilter],
    tabs: ["overview", "history"],
  },
  floating_ips: {
    group: "network",
    path: `/cloud/v1/floatingips/${REGIONAL}`,
    patchPath: `/cloud/v2/floatingips/${REGIONAL}/{id}`,
    nameField: "floating_ip_address",
    word: "floating-ips",
    sdk: "floating_ips",
    terraform: "gcore_cloud_floating_ip",
    tagsField: "tags",
    columns: [
      { name: "floating_ip_address", kind: "self" }, status, { name: "fixed_ip_address", kind: "code" },
      { name: "instance.name", kind: "link", noun: "instances", of: "instance.id" }, tags, created,
      { name: "port_id", kind: "code", isHidden: true }, id,
    ],
    filters: [{ name: "status", kind: "select", options: ["ACTIVE", "DOWN", "ERROR"] }, tagFilter],
    tabs: ["overview", "tags", "history"],
  },
  reserved_fixed_ips: {
    group: "network",
    path: `/cloud/v1/reserved_fixed_ips/${REGIONAL}`,
    idField: "port_id",
    nameField: "fixed_ip_address",
    word: "reserved-fixed-ips",
    sdk: "reserved_fixed_ips",
    terraform: "gcore_cloud_reserved_fixed_ip",
    columns: [
      { name: "fixed_ip_address", kind: "self" }, { name: "name" }, status, { name: "is_external", kind: "boolean" },
      { name: "is_vip", kind: "boolean" }, created, { name: "port_id", kind: "code", isHidden: true },
    ],
    filters: [
      { name: "ip_address", kind: "text" }, { name: "available_only", kind: "boolean" },
      { name: "vip_only", kind: "boolean" },
    ],
    tabs: ["overview", "history"],
  },
  security_groups: {
    group: "network",
    path: `/cloud/v1/securitygroups/${REGIONAL}`,
    patchPath: `/cloud/v2/security_groups/${REGIONAL}/{id}`,
    word: "security-groups",
    sdk: "security_groups",
    terraform: "gcore_cloud_security_group",
    tagsField: "tags_v2",
    columns: [
      name, { name: "description" }, { name: "security_group_rules", kind: "count" }, { ...tags, name: "tags_v2" },
      created, id,
    ],
    filters: [nameFilter, tagFilter],
    tabs: ["rules", "overview", "tags", "history"],
  },
  ddos_profiles: {
    group: "network",
    path: `/cloud/v1/ddos/profiles/${REGIONAL}`,
    nameField: "ip_address",
    word: "",
    sdk: "",
    hasDetail: false,
    columns: [
      { name: "ip_address", kind: "code" }, { name: "status.status", kind: "status" },
      { name: "profile_template.name" }, { name: "options.active", kind: "boolean" },
      { name: "options.bgp", kind: "boolean" }, { name: "managed_by", isHidden: true }, { ...id, isHidden: false },
    ],
    filters: [{ name: "ip_address", kind: "text" }],
  },
  tasks: {
    group: "account",
    path: "/cloud/v1/tasks",
    nameField: "task_type",
    word: "tasks",
    sdk: "tasks",
    columns: [
      { name: "task_type", kind: "self" }, { name: "state", kind: "status" }, { name: "detailed_state", isHidden: true },
      { name: "error" }, { name: "created_on", kind: "time" }, { name: "finished_on", kind: "time" }, id,
    ],
    filters: [
      { name: "state", kind: "select", options: ["NEW", "RUNNING", "FINISHED", "ERROR"] },
      { name: "task_type", kind: "text" },
      { name: "is_acknowledged", kind: "boolean" },
    ],
    query: { project_id: "{project}", region_id: "{region}" },
  },
  projects: {
    group: "account",
    path: "/cloud/v1/projects",
    word: "projects",
    sdk: "projects",
    terraform: "gcore_cloud_project",
    columns: [
      name, { name: "state", kind: "status" }, { name: "description" }, { name: "is_default", kind: "boolean" },
      created, { ...id, isHidden: false },
    ],
    filters: [nameFilter],
    tabs: ["overview", "history"],
  },
  audit_log: {
    group: "account",
    path: "/cloud/v1/user_actions",
    nameField: "action_type",
    word: "audit-log",
    sdk: "audit_logs",
    hasDetail: false,
    columns: [
      { name: "timestamp", kind: "time" }, { name: "action_type" }, { name: "api_group" },
      { name: "resources", kind: "resources" }, { name: "email" }, { name: "source_user_ip", isHidden: true },
      { name: "user_agent", isHidden: true }, { name: "task_id", kind: "link", noun: "tasks" },
    ],
    filters: [
      { name: "action_type", kind: "text" }, { name: "api_group", kind: "text" },
      { name: "resource_id", kind: "text" }, { name: "from_timestamp", kind: "text" },
    ],
    query: { project_id: "{project}" },
  },
  keys: {
    group: "account",
    path: "/_pileus/tenants/{client}/keys",
    word: "",
    sdk: "",
    hasDetail: false,
    columns: [
      { ...id, isHidden: false }, { name: "name" }, { name: "role" }, created, { name: "expires_at", kind: "time" },
      { name: "revoked_at", kind: "time" },
    ],
  },
  users: {
    group: "account",
    path: "/_pileus/tenants/{client}/users",
    word: "",
    sdk: "",
    hasDetail: false,
    columns: [
      { name: "email" }, { name: "role" }, { name: "can_log_in", kind: "boolean" }, created, { ...id, isHidden: false },
    ],
  },
  subscriptions: {
    group: "account",
    path: "/cloud/v1/user_actions/subscriptions_list",
    word: "",
    sdk: "",
    hasDetail: false,
    columns: [{ name: "url" }, { name: "auth_header_name" }, { ...id, isHidden: false }],
  },
};

/** The groups of the navigation, with their nouns and the pages that are no lists. */
export const NAVIGATION = {
  compute: ["instances", "baremetal", "images", "flavors", "ssh_keys", "placement_groups"],
  storage: ["volumes", "snapshots", "schedules"],
  network: [
    "networks", "subnets", "routers", "floating_ips", "reserved_fixed_ips", "security_groups", "ddos_profiles",
  ],
  account: ["tasks", "costs", "quotas", "projects", "keys", "users", "audit_log", "subscriptions"],
  workbench: ["requests"],
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
