// What can be done with each noun: the request, the fields of its dialog, and when it is possible. A dialog, its request
// and the same for other clients are made from this table.
import { NOUNS } from "./nouns.js";

const REGIONAL = "{project}/{region}";

/**
 * @typedef {object} OperationField
 * @property {string} name the field of the body
 * @property {"text"|"number"|"select"|"boolean"|"area"|"ref"|"tags"|"list"|"refs"} kind
 * @property {boolean} [isRequired]
 * @property {string[]} [options]
 * @property {string} [noun] the noun whose records a reference chooses from
 * @property {string} [path] the path of the list of a reference, if it is of no noun
 * @property {string} [key] the field of a referenced record that is sent
 * @property {object} [query] filters of the list of a reference; `{id}` is the id of the record
 * @property {(record: any) => any} [initial]
 *
 * @typedef {object} Operation
 * @property {string} name
 * @property {string} verb the method of the SDK and the command; empty if there is none
 * @property {string} method
 * @property {string} path
 * @property {OperationField[]} [fields]
 * @property {object} [fixed] fields that are always sent
 * @property {Record<string, string>} [ids] the parameters of the SDK in the path, with the fields of the record
 * @property {boolean} [isCreation]
 * @property {boolean} [isDangerous]
 * @property {"query"|"body"} [sentIn]
 * @property {(record: any) => boolean} [isPossible]
 * @property {(body: any) => any} [shape] makes the body of the fields, where it is not flat
 * @property {"write"|"administer"} [access]
 * @property {string} [sdk] the method, if it is not the verb
 */

const isStatus = (...names) => (record) => names.includes(record.status);
const text = (name, isRequired = false) => ({ name, kind: "text", isRequired });
const number = (name, more = {}) => ({ name, kind: "number", isRequired: true, ...more });
const ref = (name, noun, more = {}) => ({ name, kind: "ref", noun, isRequired: true, ...more });
const tags = { name: "tags", kind: "tags" };

const VM = { instance_id: "id" };
const VOLUME = { volume_id: "id" };
const INSTANCE = NOUNS.instances.path;
const act = (name, ...statuses) => ({
  name, verb: name, sdk: "instances.action", method: "POST", path: `/cloud/v2/instances/${REGIONAL}/{id}/action`, ids: VM,
  fixed: { action: name }, isPossible: isStatus(...statuses),
});
const remove = (path, ids, more = {}) => ({
  name: "delete", verb: "delete", method: "DELETE", path: `${path}/{id}`, ids, isDangerous: true, sentIn: "query", ...more,
});
const create = (path, fields, more = {}) => ({
  name: "create", verb: "create", method: "POST", path, fields, isCreation: true, ...more,
});
const rename = (path, ids) => ({
  name: "rename", verb: "update", method: "PATCH", path: `${path}/{id}`, ids,
  fields: [{ ...text("name", true), initial: (record) => record.name }],
});

const RULE_FIELDS = [
  { name: "direction", kind: "select", options: ["ingress", "egress"], isRequired: true },
  { name: "ethertype", kind: "select", options: ["IPv4", "IPv6"], isRequired: true },
  { name: "protocol", kind: "select", options: ["tcp", "udp", "icmp", "any"], isRequired: true },
  { ...number("port_range_min"), isRequired: false },
  { ...number("port_range_max"), isRequired: false },
  text("remote_ip_prefix"),
  text("description"),
];

/** @type {Record<string, Operation[]>} */
export const OPERATIONS = {
  instances: [
    act("start", "SHUTOFF"),
    act("stop", "ACTIVE"),
    act("reboot", "ACTIVE"),
    { ...act("reboot_hard", "ACTIVE", "SHUTOFF", "ERROR"), isDangerous: true },
    act("suspend", "ACTIVE"),
    act("resume", "SUSPENDED"),
    rename(INSTANCE, VM),
    {
      name: "resize", verb: "resize", method: "POST", path: `${INSTANCE}/{id}/changeflavor`, ids: VM,
      fields: [{ name: "flavor_id", kind: "ref", path: `${INSTANCE}/{id}/available_flavors`, key: "flavor_id",
        query: { include_prices: "true" }, isRequired: true }],
    },
    {
      name: "attach_volume", verb: "attach_to_instance", sdk: "volumes.attach_to_instance", command: "volumes",
      method: "POST", path: `/cloud/v2/volumes/${REGIONAL}/{volume_id}/attach`, ids: {},
      fields: [ref("volume_id", "volumes", { query: { has_attachments: "false" }, inPath: true })],
      fixed: { instance_id: "{id}" },
    },
    {
      name: "attach_interface", verb: "attach", sdk: "instances.interfaces.attach", command: "interfaces",
      method: "POST", path: `${INSTANCE}/{id}/attach_interface`, ids: VM,
      fields: [
        { name: "type", kind: "select", options: ["external", "any_subnet"], isRequired: true },
        ref("network_id", "networks", { query: { external: "false" }, isRequired: false, onlyIf: { type: "any_subnet" } }),
      ],
    },
    {
      name: "assign_security_group", verb: "assign_security_group", method: "POST", path: `${INSTANCE}/{id}/addsecuritygroup`,
      ids: VM, fields: [ref("name", "security_groups", { key: "name" })],
    },
    {
      name: "put_into_group", verb: "add_to_placement_group", method: "POST", path: `${INSTANCE}/{id}/put_into_servergroup`,
      ids: VM, fields: [ref("servergroup_id", "placement_groups", { key: "servergroup_id" })],
    },
    remove(INSTANCE, VM, {
      fields: [
        { name: "delete_floatings", kind: "boolean", initial: () => true },
        { name: "volumes", kind: "refs", noun: "volumes", query: { instance_id: "{id}" } },
      ],
    }),
  ],
  baremetal: [
    create(NOUNS.baremetal.path, [
      text("name", true),
      { name: "flavor", kind: "ref", path: `/cloud/v1/bmflavors/${REGIONAL}`, key: "flavor_id",
        query: { include_prices: "true" }, isRequired: true },
      { name: "image_id", kind: "ref", path: `/cloud/v1/bmimages/${REGIONAL}`, key: "id", isRequired: true },
      ref("ssh_key_name", "ssh_keys", { key: "name", isRequired: false }),
      tags,
    ], { fixed: { interfaces: [{ type: "external" }] } }),
    ...["start", "stop", "reboot", "reboot_hard"].map((name) => ({
      name, verb: name, sdk: "baremetal.servers.action", method: "POST", path: `/cloud/v2/baremetal/${REGIONAL}/{id}/action`,
      ids: { server_id: "id" }, fixed: { action: name }, isPossible: isStatus(name === "start" ? "SHUTOFF" : "ACTIVE"),
      withoutSdk: true,
    })),
    rename(NOUNS.baremetal.path, { server_id: "id" }),
    remove(NOUNS.baremetal.path, { server_id: "id" }, {
      fields: [
        { name: "all_floating_ips", kind: "boolean", initial: () => true },
        { name: "all_reserved_fixed_ips", kind: "boolean" },
      ],
    }),
  ],
  images: [
    create(`/cloud/v1/downloadimage/${REGIONAL}`, [
      text("name", true), text("url", true),
      { name: "os_type", kind: "select", options: ["linux", "windows"] }, text("os_distro"), text("os_version"), tags,
    ], { verb: "upload" }),
    { ...rename(NOUNS.images.path, { image_id: "id" }), isPossible: (record) => record.visibility !== "public" },
    remove(NOUNS.images.path, { image_id: "id" }, { isPossible: (record) => record.visibility !== "public" }),
  ],
  ssh_keys: [
    create(NOUNS.ssh_keys.path, [
      text("name", true), { name: "public_key", kind: "area" },
      { name: "shared_in_project", kind: "boolean", initial: () => true },
    ]),
    {
      name: "share", verb: "update", method: "PATCH", path: `${NOUNS.ssh_keys.path}/{id}`, ids: { ssh_key_id: "id" },
      fields: [{ name: "shared_in_project", kind: "boolean", initial: (record) => record.shared_in_project }],
    },
    remove(NOUNS.ssh_keys.path, { ssh_key_id: "id" }),
  ],
  placement_groups: [
    create(NOUNS.placement_groups.path, [
      text("name", true),
      { name: "policy", kind: "select", options: ["anti-affinity", "affinity", "soft-anti-affinity"], isRequired: true },
    ]),
    remove(NOUNS.placement_groups.path, { group_id: "servergroup_id" }),
  ],
  volumes: [
    create(NOUNS.volumes.path, [
      text("name", true), number("size", { initial: () => 10 }),
      { name: "source", kind: "select", options: ["new-volume", "image", "snapshot"], isRequired: true },
      ref("image_id", "images", { onlyIf: { source: "image" } }),
      ref("snapshot_id", "snapshots", { onlyIf: { source: "snapshot" } }),
      { name: "type_name", kind: "select", options: ["standard", "ssd_hiiops", "ssd_lowlatency", "cold", "ultra"] },
      tags,
    ]),
    {
      name: "attach", verb: "attach_to_instance", method: "POST", path: `/cloud/v2/volumes/${REGIONAL}/{id}/attach`,
      ids: VOLUME, fields: [ref("instance_id", "instances")], isPossible: isStatus("available"),
    },
    {
      name: "detach", verb: "detach_from_instance", method: "POST", path: `/cloud/v2/volumes/${REGIONAL}/{id}/detach`,
      ids: VOLUME, isPossible: isStatus("in-use"),
      fields: [{ name: "instance_id", kind: "select", optionsOf: (record) => record.attachments.map((single) => single.server_id),
        isRequired: true }],
    },
    {
      name: "extend", verb: "resize", method: "POST", path: `${NOUNS.volumes.path}/{id}/extend`, ids: VOLUME,
      fields: [number("size", { initial: (record) => record.size + 1 })],
    },
    {
      name: "retype", verb: "change_type", method: "POST", path: `${NOUNS.volumes.path}/{id}/retype`, ids: VOLUME,
      fields: [{ name: "volume_type", kind: "select", options: ["ssd_hiiops", "standard"], isRequired: true }],
    },
    {
      name: "take_snapshot", verb: "create", sdk: "volume_snapshots.create", command: "snapshots", method: "POST",
      path: NOUNS.snapshots.path, ids: {}, fixed: { volume_id: "{id}" },
      fields: [{ ...text("name", true), initial: (record) => `${record.name}-snapshot` }, text("description"), tags],
    },
    {
      name: "revert", verb: "revert_to_last_snapshot", method: "POST", path: `${NOUNS.volumes.path}/{id}/revert`, ids: VOLUME,
      isDangerous: true, isPossible: (record) => (record.snapshot_ids || []).length > 0,
    },
    rename(NOUNS.volumes.path, VOLUME),
    remove(NOUNS.volumes.path, VOLUME, {
      fields: [{ name: "snapshots", kind: "refs", noun: "snapshots", query: { volume_id: "{id}" } }],
      isPossible: (record) => record.status !== "in-use",
    }),
  ],
  snapshots: [
    create(NOUNS.snapshots.path, [text("name", true), ref("volume_id", "volumes"), text("description"), tags]),
    rename(NOUNS.snapshots.path, { snapshot_id: "id" }),
    remove(NOUNS.snapshots.path, { snapshot_id: "id" }),
  ],
  schedules: [
    create(NOUNS.schedules.path, [
      text("name", true),
      number("hour", { initial: () => 3 }), number("max_quantity", { initial: () => 7 }),
      { name: "volume_ids", kind: "refs", noun: "volumes" },
    ], {
      fixed: { action: "volume_snapshot" },
      shape: ({ hour, max_quantity, ...rest }) => ({
        ...rest, schedules: [{ type: "cron", hour: String(hour), minute: "0", max_quantity }],
      }),
    }),
    {
      name: "pause", verb: "update", method: "PATCH", path: `${NOUNS.schedules.path}/{id}`, ids: { policy_id: "id" },
      fields: [{ name: "status", kind: "select", options: ["active", "paused"], isRequired: true,
        initial: (record) => record.status }],
    },
    {
      name: "add_volumes", verb: "add_volumes", method: "PUT", path: `${NOUNS.schedules.path}/{id}/add_volumes_to_policy`,
      ids: { policy_id: "id" }, fields: [{ name: "volume_ids", kind: "refs", noun: "volumes" }],
    },
    remove(NOUNS.schedules.path, { policy_id: "id" }),
  ],
  networks: [
    create(NOUNS.networks.path, [
      text("name", true), { name: "create_router", kind: "boolean", initial: () => true },
      { name: "type", kind: "select", options: ["vxlan", "vlan"] }, tags,
    ]),
    { ...rename(NOUNS.networks.path, { network_id: "id" }), path: NOUNS.networks.patchPath,
      isPossible: (record) => !record.external },
    remove(NOUNS.networks.path, { network_id: "id" }, { isPossible: (record) => !record.external }),
  ],
  subnets: [
    create(NOUNS.subnets.path, [
      text("name", true), ref("network_id", "networks", { query: { external: "false" } }), text("cidr", true),
      { name: "enable_dhcp", kind: "boolean", initial: () => true },
      { name: "connect_to_network_router", kind: "boolean", initial: () => true }, tags,
    ]),
    rename(NOUNS.subnets.path, { subnet_id: "id" }),
    remove(NOUNS.subnets.path, { subnet_id: "id" }),
  ],
  routers: [
    create(NOUNS.routers.path, [text("name", true)]),
    { ...rename(NOUNS.routers.path, { router_id: "id" }), path: `/cloud/v2/routers/${REGIONAL}/{id}` },
    {
      name: "attach_subnet", verb: "attach_subnet", method: "POST", path: `${NOUNS.routers.path}/{id}/attach`,
      ids: { router_id: "id" }, fields: [ref("subnet_id", "subnets")],
    },
    {
      name: "detach_subnet", verb: "detach_subnet", method: "POST", path: `${NOUNS.routers.path}/{id}/detach`,
      ids: { router_id: "id" }, fields: [ref("subnet_id", "subnets")],
    },
    remove(NOUNS.routers.path, { router_id: "id" }),
  ],
  floating_ips: [
    create(NOUNS.floating_ips.path, [tags]),
    {
      name: "assign", verb: "update", method: "PATCH", path: NOUNS.floating_ips.patchPath, ids: { floating_ip_id: "id" },
      fields: [ref("port_id", "ports", { kind: "port" })],
    },
    {
      name: "unassign", verb: "update", method: "PATCH", path: NOUNS.floating_ips.patchPath, ids: { floating_ip_id: "id" },
      fixed: { port_id: null }, isPossible: (record) => Boolean(record.port_id),
    },
    remove(NOUNS.floating_ips.path, { floating_ip_id: "id" }),
  ],
  reserved_fixed_ips: [
    create(NOUNS.reserved_fixed_ips.path, [
      { name: "type", kind: "select", options: ["external", "any_subnet"], isRequired: true },
      ref("network_id", "networks", { query: { external: "false" }, onlyIf: { type: "any_subnet" } }),
      { name: "is_vip", kind: "boolean" },
    ]),
    {
      name: "make_vip", verb: "update", method: "PATCH", path: `${NOUNS.reserved_fixed_ips.path}/{id}`,
      ids: { port_id: "port_id" },
      fields: [{ name: "is_vip", kind: "boolean", initial: (record) => record.is_vip }],
    },
    remove(NOUNS.reserved_fixed_ips.path, { port_id: "port_id" }),
  ],
  security_groups: [
    create(`/cloud/v2/security_groups/${REGIONAL}`, [text("name", true), text("description"), tags]),
    {
      name: "add_rule", verb: "create", sdk: "security_groups.rules.create", command: "security-group-rules", method: "POST",
      path: `/cloud/v2/security_groups/${REGIONAL}/{id}/rules`, ids: { group_id: "id" }, fields: RULE_FIELDS,
    },
    { ...rename(NOUNS.security_groups.path, { group_id: "id" }), path: NOUNS.security_groups.patchPath },
    {
      name: "copy", verb: "copy", method: "POST", path: `${NOUNS.security_groups.path}/{id}/copy`, ids: { group_id: "id" },
      fields: [{ ...text("name", true), initial: (record) => `${record.name}-copy` }],
    },
    {
      name: "revert", verb: "revert_to_default", method: "POST", path: `${NOUNS.security_groups.path}/{id}/revert`,
      ids: { group_id: "id" }, isDangerous: true,
    },
    remove(NOUNS.security_groups.path, { group_id: "id" }),
  ],
  projects: [
    create(NOUNS.projects.path, [text("name", true), text("description")], { access: "administer" }),
    { ...rename(NOUNS.projects.path, { project_id: "id" }), access: "administer" },
    remove(NOUNS.projects.path, { project_id: "id" }, {
      access: "administer", isPossible: (record) => !record.is_default,
    }),
  ],
};

OPERATIONS.keys = [
  create(NOUNS.keys.path, [
    text("name", true),
    { name: "role", kind: "select", options: ["Engineers", "Administrators", "Users"], isRequired: true },
  ], { verb: "", access: "operate" }),
];
OPERATIONS.users = [
  create(NOUNS.users.path, [
    text("email", true), { ...text("password", true), kind: "password" },
    { name: "role", kind: "select", options: ["Engineers", "Administrators", "Users"], isRequired: true },
  ], { verb: "", access: "operate" }),
];
OPERATIONS.subscriptions = [
  create("/cloud/v1/user_actions/subscribe", [
    text("url", true), text("auth_header_name", true), { ...text("auth_header_value", true), kind: "password" },
  ], { verb: "", access: "administer" }),
];

/** Operations on parts of a record, which their tabs offer. */
export const PART_OPERATIONS = {
  detach_volume: {
    name: "detach_volume", verb: "detach_from_instance", sdk: "volumes.detach_from_instance", command: "volumes",
    method: "POST", path: `/cloud/v2/volumes/${REGIONAL}/{volume_id}/detach`, ids: { volume_id: "volume_id" },
    fixed: { instance_id: "{id}" },
  },
  detach_interface: {
    name: "detach_interface", verb: "detach", sdk: "instances.interfaces.detach", command: "interfaces", method: "POST",
    path: `${INSTANCE}/{id}/detach_interface`, ids: VM, fixed: { port_id: "{port_id}", ip_address: "{ip_address}" },
  },
  unassign_security_group: {
    name: "unassign_security_group", verb: "unassign_security_group", command: "instances", method: "POST",
    path: `${INSTANCE}/{id}/delsecuritygroup`, ids: VM, fixed: { name: "{group_name}" }, sdk: "instances.unassign_security_group",
  },
  delete_rule: {
    name: "delete_rule", verb: "delete", sdk: "security_groups.rules.delete", command: "security-group-rules",
    method: "DELETE", path: `/cloud/v2/security_groups/${REGIONAL}/{id}/rules/{rule_id}`,
    ids: { rule_id: "rule_id", group_id: "id" }, isDangerous: true, sentIn: "query",
  },
};
