// What can be done with each noun: the request, the fields of its dialog, and when it is possible. A dialog, its request
// and the same for other clients are made from this table.
import { REGIONAL } from "./columns.js";
import { NETWORK_OPERATIONS, NETWORK_PARTS } from "./network_operations.js";
import { NOUNS } from "./nouns.js";
import {
  act, area, create, createFor, current, flag, isStatus, number, optional, priced, privateNetwork, ref, refs, remove, rename,
  select, tagsField, text, update,
} from "./operation_parts.js";
import { WORKBENCH_OPERATIONS } from "./workbench_operations.js";

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
 * @property {Record<string, any>} [onlyIf] the values of other fields that show it; a list names several, true any
 * @property {(record: any) => any} [initial]
 *
 * @typedef {object} Operation
 * @property {string} name
 * @property {string} verb the method of the SDK and the command; empty if there is none
 * @property {string} method
 * @property {string} path
 * @property {OperationField[]} [fields]
 * @property {object} [fixed] fields that are always sent; `{id}` is the id of the record
 * @property {Record<string, string>} [ids] the parameters of the SDK in the path, with the fields of the record
 * @property {boolean} [isCreation]
 * @property {boolean} [isDangerous]
 * @property {boolean} [isPatch] whether only changed fields are sent
 * @property {"query"|"body"} [sentIn]
 * @property {(record: any) => boolean} [isPossible]
 * @property {(body: any) => any} [shape] makes the body of the fields, where it is not flat
 * @property {"write"|"administer"|"operate"|"control"} [access]
 * @property {string} [sdk] the method, if it is not the verb
 * @property {string} [command] the word of the command, if it is not that of the noun
 * @property {(values: any) => string} [cli] the command, where it is not that of a noun
 * @property {string[]} [options] the fields that such a command has as options
 * @property {string} [terraform] the resource, if it is not that of the noun
 * @property {Record<string, string>} [aliases] what the SDK and the command call fields
 */

const power = (word, name, ...statuses) => ({
  name, verb: name, sdk: `${NOUNS[word].sdk}.action`, method: "POST", path: `/cloud/v2/${word}/${REGIONAL}/{id}/action`,
  fixed: { action: name }, isPossible: isStatus(...statuses),
});
const isOwnImage = { isPossible: (record) => record.visibility !== "public" };
const secretText = (name) => ({ ...text(name, true), kind: "password" });
const operate = { verb: "", access: "operate" };
const administer = { verb: "", access: "administer" };
const isValid = (record) => !record.revoked_at;
const ACTIONS = "/cloud/v1/user_actions";
const ROLES = ["Engineers", "Administrators", "Users"];
const VOLUME_TYPES = ["standard", "ssd_hiiops", "ssd_lowlatency", "cold", "ultra"];

/** @type {Record<string, Operation[]>} */
export const OPERATIONS = {
  instances: [
    power("instances", "start", "SHUTOFF"),
    power("instances", "stop", "ACTIVE"),
    power("instances", "reboot", "ACTIVE"),
    { ...power("instances", "reboot_hard", "ACTIVE", "SHUTOFF", "ERROR"), isDangerous: true },
    power("instances", "suspend", "ACTIVE"),
    power("instances", "resume", "SUSPENDED"),
    rename("instances"),
    act("instances", "resize", "resize", "changeflavor", [
      ref("flavor_id", "", { path: `${NOUNS.instances.path}/{id}/available_flavors`, key: "flavor_id", ...priced }),
    ]),
    {
      name: "attach_volume", verb: "attach_to_instance", sdk: "volumes.attach_to_instance", command: "volumes",
      method: "POST", path: `/cloud/v2/volumes/${REGIONAL}/{volume_id}/attach`, ids: {},
      fields: [ref("volume_id", "volumes", { query: { has_attachments: "false" }, inPath: true })],
      fixed: { instance_id: "{id}" },
    },
    act("instances", "attach_interface", "attach", "attach_interface", [
      select("type", ["external", "any_subnet"]),
      ref("network_id", "networks", { ...privateNetwork, onlyIf: { type: "any_subnet" } }),
    ], { sdk: "instances.interfaces.attach", command: "interfaces" }),
    act("instances", "assign_security_group", "assign_security_group", "addsecuritygroup", [
      ref("name", "security_groups", { key: "name" }),
    ]),
    act("instances", "put_into_group", "add_to_placement_group", "put_into_servergroup", [
      ref("servergroup_id", "placement_groups", { key: "servergroup_id" }),
    ]),
    remove("instances", { fields: [flag("delete_floatings", true), refs("volumes", "volumes", { instance_id: "{id}" })] }),
  ],
  baremetal: [
    create("baremetal", [
      text("name", true),
      ref("flavor", "", { path: `/cloud/v1/bmflavors/${REGIONAL}`, key: "flavor_id", ...priced }),
      ref("image_id", "", { path: `/cloud/v1/bmimages/${REGIONAL}`, key: "id" }),
      ref("ssh_key_name", "ssh_keys", { key: "name", ...optional }),
      tagsField,
    ], { fixed: { interfaces: [{ type: "external" }] } }),
    power("baremetal", "start", "SHUTOFF"),
    ...["stop", "reboot", "reboot_hard"].map((name) => power("baremetal", name, "ACTIVE")),
    rename("baremetal"),
    remove("baremetal", { fields: [flag("all_floating_ips", true), flag("all_reserved_fixed_ips")] }),
  ],
  images: [
    create("images", [
      text("name", true), text("url", true), select("os_type", ["linux", "windows"], optional), text("os_distro"),
      text("os_version"), tagsField,
    ], { verb: "upload", path: `/cloud/v1/downloadimage/${REGIONAL}` }),
    rename("images", isOwnImage),
    remove("images", isOwnImage),
  ],
  ssh_keys: [
    create("ssh_keys", [text("name", true), area("public_key"), flag("shared_in_project", true)]),
    update("ssh_keys", "share", [current(flag("shared_in_project"))]),
    remove("ssh_keys"),
  ],
  placement_groups: [
    create("placement_groups", [text("name", true), select("policy", ["anti-affinity", "affinity", "soft-anti-affinity"])]),
    remove("placement_groups"),
  ],
  volumes: [
    create("volumes", [
      text("name", true), number("size", 10), select("source", ["new-volume", "image", "snapshot"]),
      ref("image_id", "images", { onlyIf: { source: "image" } }),
      ref("snapshot_id", "snapshots", { onlyIf: { source: "snapshot" } }),
      select("type_name", VOLUME_TYPES, optional), tagsField,
    ]),
    {
      ...act("volumes", "attach", "attach_to_instance", "attach", [ref("instance_id", "instances")]),
      path: `/cloud/v2/volumes/${REGIONAL}/{id}/attach`, isPossible: isStatus("available"),
    },
    {
      ...act("volumes", "detach", "detach_from_instance", "detach", [
        select("instance_id", [], { optionsOf: (record) => record.attachments.map((single) => single.server_id) }),
      ]),
      path: `/cloud/v2/volumes/${REGIONAL}/{id}/detach`, isPossible: isStatus("in-use"),
    },
    act("volumes", "extend", "resize", "extend", [{ ...number("size"), initial: (record) => record.size + 1 }]),
    act("volumes", "retype", "change_type", "retype", [select("volume_type", ["ssd_hiiops", "standard"])]),
    createFor("snapshots", "take_snapshot", [
      { ...text("name", true), initial: (record) => `${record.name}-snapshot` }, text("description"), tagsField,
    ], { volume_id: "{id}" }),
    act("volumes", "revert", "revert_to_last_snapshot", "revert", undefined, {
      isDangerous: true, isPossible: (record) => (record.snapshot_ids || []).length > 0,
    }),
    rename("volumes"),
    remove("volumes", {
      fields: [refs("snapshots", "snapshots", { volume_id: "{id}" })], isPossible: (record) => record.status !== "in-use",
    }),
  ],
  snapshots: [
    create("snapshots", [text("name", true), ref("volume_id", "volumes"), text("description"), tagsField]),
    rename("snapshots"),
    remove("snapshots"),
  ],
  schedules: [
    create("schedules", [
      text("name", true), number("hour", 3), number("max_quantity", 7), refs("volume_ids", "volumes"),
    ], {
      fixed: { action: "volume_snapshot" },
      shape: ({ hour, max_quantity, ...rest }) => ({
        ...rest, schedules: [{ type: "cron", hour: String(hour), minute: "0", max_quantity }],
      }),
    }),
    update("schedules", "pause", [current(select("status", ["active", "paused"]))]),
    { ...act("schedules", "add_volumes", "add_volumes", "add_volumes_to_policy", [refs("volume_ids", "volumes")]), method: "PUT" },
    remove("schedules"),
  ],
  file_shares: [
    create("file_shares", [
      text("name", true), number("size", 10), select("type_name", ["standard", "vast"]),
      ref("network_id", "networks", { ...privateNetwork, onlyIf: { type_name: "standard" } }),
      { ...text("ip_address"), onlyIf: { type_name: "standard" } },
      select("access_mode", ["rw", "ro"], { onlyIf: { type_name: "standard", ip_address: true } }),
      tagsField,
    ], {
      fixed: { protocol: "NFS" },
      shape: ({ network_id, ip_address, access_mode, ...rest }) => ({
        ...rest, network: network_id && { network_id }, access: ip_address && [{ ip_address, access_mode }],
      }),
    }),
    act("file_shares", "extend", "resize", "extend", [{ ...number("size"), initial: (record) => record.size + 1 }]),
    act("file_shares", "add_access_rule", "create", "access_rule", [
      text("ip_address", true), select("access_mode", ["rw", "ro"]),
    ], {
      sdk: "file_shares.access_rules.create", command: "file-share-access-rules",
      terraform: "gcore_cloud_file_share_access_rule", isPossible: (record) => record.type_name === "standard",
    }),
    rename("file_shares"),
    remove("file_shares"),
  ],
  ...NETWORK_OPERATIONS,
  ...WORKBENCH_OPERATIONS,
  projects: [
    create("projects", [text("name", true), text("description")], { access: "administer" }),
    rename("projects", { access: "administer" }),
    remove("projects", { access: "administer", isPossible: (record) => !record.is_default }),
  ],
  keys: [
    create("keys", [text("name", true), select("role", ROLES), text("expires_at")], operate),
    act("keys", "rotate", "", "rotate", [number("grace_seconds", 0)], { ...operate, isPossible: isValid }),
    remove("keys", { ...operate, name: "revoke", isPossible: isValid }),
  ],
  users: [
    create("users", [text("email", true), secretText("password"), select("role", ROLES)], operate),
    { ...act("users", "set_password", "", "password", [secretText("password")], operate), method: "PUT" },
    remove("users", operate),
  ],
  subscriptions: [
    create("subscriptions", [text("url", true), text("auth_header_name", true), secretText("auth_header_value")], {
      ...administer, path: `${ACTIONS}/subscribe`,
    }),
    create("subscriptions", [secretText("connection_string"), text("exchange"), text("routing_key")], {
      ...administer, name: "create_queue", path: `${ACTIONS}/subscribe_amqp`,
    }),
    create("subscriptions", undefined, { ...administer, name: "unsubscribe", path: `${ACTIONS}/unsubscribe`, isDangerous: true }),
    create("subscriptions", undefined, {
      ...administer, name: "unsubscribe_queue", path: `${ACTIONS}/unsubscribe_amqp`, isDangerous: true,
    }),
  ],
};

/** Operations on parts of a record, which their tabs offer. */
export const PART_OPERATIONS = {
  detach_volume: {
    name: "detach_volume", verb: "detach_from_instance", sdk: "volumes.detach_from_instance", command: "volumes",
    method: "POST", path: `/cloud/v2/volumes/${REGIONAL}/{volume_id}/detach`, ids: { volume_id: "volume_id" },
    fixed: { instance_id: "{id}" },
  },
  detach_interface: act("instances", "detach_interface", "detach", "detach_interface", undefined, {
    sdk: "instances.interfaces.detach", command: "interfaces", fixed: { port_id: "{port_id}", ip_address: "{ip_address}" },
  }),
  unassign_security_group: act("instances", "unassign_security_group", "unassign_security_group", "delsecuritygroup", undefined, {
    command: "instances", fixed: { name: "{group_name}" }, sdk: "instances.unassign_security_group",
  }),
  delete_access_rule: remove("file_shares", {
    name: "delete_access_rule", sdk: "file_shares.access_rules.delete", command: "file-share-access-rules",
    path: `${NOUNS.file_shares.path}/{id}/access_rule/{access_rule_id}`,
    ids: { access_rule_id: "access_rule_id", file_share_id: "id" },
  }),
  ...NETWORK_PARTS,
};
