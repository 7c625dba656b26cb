// What can be done with networks and load balancers: see operations.js.
import { REGIONAL } from "./columns.js";
import { NOUNS } from "./nouns.js";
import {
  act, area, create, createFor, current, flag, list, number, optional, optionalNumber, priced, privateNetwork, ref, remove, rename,
  select, tagsField, text, update,
} from "./operation_parts.js";

const isPrivate = { isPossible: (record) => !record.external };
const GROUPS = `/cloud/v2/security_groups/${REGIONAL}`;
const RULE_FIELDS = [
  select("direction", ["ingress", "egress"]), select("ethertype", ["IPv4", "IPv6"]),
  select("protocol", ["tcp", "udp", "icmp", "any"]), optionalNumber("port_range_min"), optionalNumber("port_range_max"),
  text("remote_ip_prefix"), text("description"),
];

const ALGORITHMS = ["ROUND_ROBIN", "LEAST_CONNECTIONS", "SOURCE_IP"];
const SECRET = ref("secret_id", "secrets", { onlyIf: { protocol: "TERMINATED_HTTPS" } });
const TIMEOUTS = ["timeout_client_data", "timeout_member_connect", "timeout_member_data"].map((name) => optionalNumber(name));
const LISTENER_FIELDS = [
  text("name", true), select("protocol", ["HTTP", "HTTPS", "TERMINATED_HTTPS", "TCP", "UDP", "PROMETHEUS"]),
  number("protocol_port", 80), SECRET, optionalNumber("connection_limit"), list("allowed_cidrs"),
  { ...flag("insert_x_forwarded"), onlyIf: { protocol: ["HTTP", "TERMINATED_HTTPS"] } },
];
const POOL_FIELDS = [
  text("name", true), select("protocol", ["HTTP", "HTTPS", "TCP", "UDP", "PROXY", "PROXYV2"]), select("lb_algorithm", ALGORITHMS),
  select("persistence", ["HTTP_COOKIE", "APP_COOKIE", "SOURCE_IP"], optional),
  { ...text("cookie_name", true), onlyIf: { persistence: "APP_COOKIE" } },
];
const shapePool = ({ persistence, cookie_name, ...rest }) => ({
  ...rest, session_persistence: persistence && { type: persistence, cookie_name },
});
const MEMBER_FIELDS = [
  text("address", true), number("protocol_port", 80), number("weight", 1), flag("backup"),
  ref("subnet_id", "subnets", optional), ref("instance_id", "instances", optional), text("monitor_address"), optionalNumber("monitor_port"),
];
const isHttp = { onlyIf: { type: ["HTTP", "HTTPS"] } };
const MONITOR_FIELDS = [
  number("delay", 10), number("timeout", 5), number("max_retries", 3), { ...text("url_path"), ...isHttp },
  select("http_method", ["GET", "HEAD", "POST", "OPTIONS"], { ...optional, ...isHttp }), { ...text("expected_codes"), ...isHttp },
];
const POLICY_FIELDS = [
  text("name"), select("action", ["REDIRECT_TO_URL", "REDIRECT_PREFIX", "REDIRECT_TO_POOL", "REJECT"]),
  { ...text("redirect_url", true), onlyIf: { action: "REDIRECT_TO_URL" } },
  { ...text("redirect_prefix", true), onlyIf: { action: "REDIRECT_PREFIX" } },
  ref("redirect_pool_id", "pools", { onlyIf: { action: "REDIRECT_TO_POOL" } }),
  select("redirect_http_code", [301, 302, 303, 307, 308], { ...optional, onlyIf: { action: ["REDIRECT_TO_URL", "REDIRECT_PREFIX"] } }),
  optionalNumber("position"),
];
const MEMBERS = `/cloud/v1/loadbalancers/${REGIONAL}/pools/{id}/members`;
const MEMBER = {
  sdk: "load_balancers.pools.members.", command: "pool-members", path: `${MEMBERS}/{member_id}`,
  ids: { member_id: "member_id", pool_id: "id" },
};
const MONITOR = { command: "health-monitors", path: `${NOUNS.pools.path}/{id}/healthmonitor`, aliases: { timeout: "api_timeout" } };
const monitorSdk = (verb) => ({ ...MONITOR, sdk: `load_balancers.pools.health_monitors.${verb}` });

/** @type {Record<string, import("./operations.js").Operation[]>} */
export const NETWORK_OPERATIONS = {
  networks: [
    create("networks", [text("name", true), flag("create_router", true), select("type", ["vxlan", "vlan"], optional), tagsField]),
    rename("networks", isPrivate),
    remove("networks", isPrivate),
  ],
  subnets: [
    create("subnets", [
      text("name", true), ref("network_id", "networks", privateNetwork), text("cidr", true), flag("enable_dhcp", true),
      flag("connect_to_network_router", true), tagsField,
    ]),
    rename("subnets"),
    remove("subnets"),
  ],
  routers: [
    create("routers", [text("name", true)]),
    rename("routers"),
    act("routers", "attach_subnet", "attach_subnet", "attach", [ref("subnet_id", "subnets")]),
    act("routers", "detach_subnet", "detach_subnet", "detach", [ref("subnet_id", "subnets")]),
    remove("routers"),
  ],
  floating_ips: [
    create("floating_ips", [tagsField]),
    update("floating_ips", "assign", [{ name: "port_id", kind: "port", isRequired: true }]),
    update("floating_ips", "unassign", undefined, { fixed: { port_id: null }, isPossible: (record) => Boolean(record.port_id) }),
    remove("floating_ips"),
  ],
  reserved_fixed_ips: [
    create("reserved_fixed_ips", [
      select("type", ["external", "any_subnet"]),
      ref("network_id", "networks", { ...privateNetwork, onlyIf: { type: "any_subnet" } }), flag("is_vip"),
    ]),
    update("reserved_fixed_ips", "make_vip", [current(flag("is_vip"))]),
    remove("reserved_fixed_ips"),
  ],
  security_groups: [
    create("security_groups", [text("name", true), text("description"), tagsField], { path: GROUPS }),
    act("security_groups", "add_rule", "create", "", RULE_FIELDS, {
      sdk: "security_groups.rules.create", command: "security-group-rules", path: `${GROUPS}/{id}/rules`,
      terraform: "gcore_cloud_security_group_rule",
    }),
    rename("security_groups"),
    act("security_groups", "copy", "copy", "copy", [{ ...text("name", true), initial: (record) => `${record.name}-copy` }]),
    act("security_groups", "revert", "revert_to_default", "revert", undefined, { isDangerous: true }),
    remove("security_groups"),
  ],
  load_balancers: [
    create("load_balancers", [
      text("name", true),
      ref("flavor", "", { path: `/cloud/v1/lbflavors/${REGIONAL}`, key: "flavor_name", ...priced, ...optional }),
      ref("vip_network_id", "networks", { ...privateNetwork, ...optional }),
      { ...flag("hasFloatingIp"), onlyIf: { vip_network_id: true } },
      select("preferred_connectivity", ["L2", "L3"]), tagsField,
    ], {
      shape: ({ hasFloatingIp, ...rest }) => ({ ...rest, floating_ip: hasFloatingIp ? { source: "new" } : undefined }),
    }),
    createFor("listeners", "add_listener", LISTENER_FIELDS, { load_balancer_id: "{id}" }),
    createFor("pools", "add_pool", POOL_FIELDS, { load_balancer_id: "{id}" }, { shape: shapePool }),
    act("load_balancers", "resize", "resize", "resize", [
      ref("flavor", "", { path: `/cloud/v1/lbflavors/${REGIONAL}`, key: "flavor_name", ...priced }),
    ]),
    act("load_balancers", "failover", "failover", "failover", [flag("force")], { isDangerous: true }),
    rename("load_balancers"),
    remove("load_balancers"),
  ],
  listeners: [
    create("listeners", [ref("load_balancer_id", "load_balancers"), ...LISTENER_FIELDS]),
    createFor("pools", "add_pool", POOL_FIELDS, { listener_id: "{id}" }, { shape: shapePool }),
    createFor("l7_policies", "add_policy", POLICY_FIELDS, { listener_id: "{id}" }),
    update("listeners", "edit", [
      text("name", true), SECRET, optionalNumber("connection_limit"), ...TIMEOUTS, list("allowed_cidrs"), flag("admin_state_up"),
    ].map((field) => current(field)), { isPatch: true }),
    remove("listeners", { fields: [flag("delete_default_pool")] }),
  ],
  pools: [
    create("pools", [
      ref("load_balancer_id", "load_balancers", optional), ref("listener_id", "listeners", optional), ...POOL_FIELDS,
    ], { shape: shapePool }),
    act("pools", "add_member", "create", "", MEMBER_FIELDS, {
      sdk: `${MEMBER.sdk}create`, command: "pool-members", path: MEMBERS, terraform: "gcore_cloud_load_balancer_pool_member",
    }),
    act("pools", "add_monitor", "create", "", [
      select("type", ["HTTP", "HTTPS", "TCP", "PING", "TLS-HELLO", "UDP-CONNECT"]), ...MONITOR_FIELDS,
    ], { ...monitorSdk("create"), isPossible: (record) => !record.healthmonitor }),
    update("pools", "edit", [
      text("name", true), select("lb_algorithm", ALGORITHMS), ...TIMEOUTS, flag("admin_state_up"),
    ].map((field) => current(field)), { isPatch: true }),
    remove("pools"),
  ],
  l7_policies: [
    create("l7_policies", [ref("listener_id", "listeners"), ...POLICY_FIELDS]),
    act("l7_policies", "add_l7_rule", "create", "rules", [
      select("type", ["PATH", "HOST_NAME", "HEADER", "COOKIE", "FILE_TYPE", "SSL_CONN_HAS_CERT", "SSL_VERIFY_RESULT", "SSL_DN_FIELD"]),
      { ...text("key", true), onlyIf: { type: ["HEADER", "COOKIE", "SSL_DN_FIELD"] } },
      select("compare_type", ["STARTS_WITH", "EQUAL_TO", "CONTAINS", "ENDS_WITH", "REGEX"]), text("value", true), flag("invert"),
    ], { sdk: "load_balancers.l7_policies.rules.create", command: "l7-rules" }),
    update("l7_policies", "edit", POLICY_FIELDS.map((field) => current(field))),
    remove("l7_policies"),
  ],
  secrets: [
    create("secrets", [
      text("name", true), area("certificate", true), area("private_key", true), area("certificate_chain"), text("expiration"),
    ], {
      verb: "upload_tls_certificate", path: `/cloud/v2/secrets/${REGIONAL}`,
      shape: ({ certificate, private_key, certificate_chain = "", ...rest }) => ({
        ...rest, payload: { certificate, private_key, certificate_chain },
      }),
    }),
    remove("secrets"),
  ],
};

/** Operations on parts of these nouns, which their tabs offer. */
export const NETWORK_PARTS = {
  delete_rule: remove("security_groups", {
    name: "delete_rule", sdk: "security_groups.rules.delete", command: "security-group-rules",
    path: `${GROUPS}/{id}/rules/{rule_id}`, ids: { rule_id: "rule_id", group_id: "id" },
  }),
  edit_member: {
    ...MEMBER, name: "edit", verb: "update", method: "PATCH", sdk: `${MEMBER.sdk}update`, isPatch: true,
    fields: [number("weight"), flag("backup"), flag("admin_state_up")].map((field) => current(field)),
  },
  delete_member: remove("pools", { ...MEMBER, name: "delete_member", sdk: `${MEMBER.sdk}delete` }),
  edit_monitor: update("pools", "edit", MONITOR_FIELDS.map((field) => current(field)), { ...monitorSdk("update"), isPatch: true }),
  delete_monitor: remove("pools", { ...monitorSdk("delete"), name: "delete_monitor" }),
  delete_l7_rule: remove("l7_policies", {
    name: "delete_l7_rule", sdk: "load_balancers.l7_policies.rules.delete", command: "l7-rules",
    path: `${NOUNS.l7_policies.path}/{id}/rules/{l7_rule_id}`, ids: { l7rule_id: "l7_rule_id", l7policy_id: "id" },
  }),
};
