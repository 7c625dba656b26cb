// What operators do to a simulated cloud: faults, capacity, clock, reset.
import { number, optional, optionalNumber, ref, select, suggested, text } from "./operation_parts.js";

const simulate = (name, method, path, cli, more) => ({ name, method, path, cli, verb: "", ids: {}, access: "control", ...more });
const ownTenant = { access: "administer" };
const isKind = (...kinds) => ({ onlyIf: { kind: kinds } });
const restore = (path, command) => simulate("delete", "DELETE", `${path}/{id}`, ({ id }) => `sim ${command} ${id}`);
const CAPACITY = "/_pileus/capacities/{region}";
const CLOCK = "/_pileus/clock";
const time = (isRequired) => ({ ...text("time", isRequired), placeholder: "2030-01-01T00:00:00Z" });
const reset = (name, cli, fixed) =>
  simulate(name, "POST", "/_pileus/reset", cli, { fixed, sentIn: "query", isDangerous: true, leaves: true });

/** @type {Record<string, import("./operations.js").Operation[]>} */
export const WORKBENCH_OPERATIONS = {
  faults: [
    simulate(
      "create", "POST", "/_pileus/faults",
      ({ kind, task_type = "", times }) => `sim ${kind} ${task_type}${kind === "fail" && !times ? " --always" : ""}`,
      {
        fields: [
          select("kind", ["hold", "fail"]),
          ref("task_type", "", { path: "/_pileus/operations", key: "task_type", ...optional }),
          ref("step", "", { path: "/_pileus/operations", within: ["task_type", "steps"], ...optional }),
          { ...text("message"), ...isKind("fail") }, optionalNumber("times"),
        ],
        options: ["step", "message", "times"], isCreation: true, ...ownTenant,
      },
    ),
    { ...restore("/_pileus/faults", "release"), ...ownTenant },
  ],
  http_faults: [
    simulate(
      "create", "POST", "/_pileus/http_faults",
      ({ kind, operation = "" }) => `sim http ${kind.replace("_", "-")} ${operation}`,
      {
        fields: [
          select("kind", ["respond", "delay", "disconnect", "truncate", "lose_answer"]),
          suggested("operation", "/_pileus/http_operations"),
          select("method", ["GET", "POST", "PUT", "PATCH", "DELETE"], optional), text("path"),
          { ...number("status", 503), ...isKind("respond") }, { ...text("message"), ...isKind("respond") },
          optionalNumber("retry_after", isKind("respond")), { ...number("seconds", 1), ...isKind("delay") },
          optionalNumber("max_seconds", isKind("delay")), optionalNumber("times"), optionalNumber("skip"),
          { ...optionalNumber("probability"), step: "any" },
        ],
        options: [
          "method", "path", "status", "message", "retry_after", "seconds", "max_seconds", "times", "skip", "probability",
        ],
        isCreation: true,
      },
    ),
    restore("/_pileus/http_faults", "http release"),
  ],
  capacities: [
    simulate("create", "PUT", `${CAPACITY}/{flavor_id}`, ({ flavor_id, servers }) => `sim capacity ${flavor_id} ${servers}`, {
      fields: [ref("flavor_id", "flavors", { inPath: true }), number("servers", 0)], isCreation: true, ...ownTenant,
    }),
    simulate("remove_limit", "PUT", `${CAPACITY}/{id}`, ({ id }) => `sim capacity ${id} unlimited`, {
      fixed: { servers: null }, ...ownTenant,
    }),
  ],
};

/** Operations on the whole cloud, by the card that offers them. */
export const CLOUD_OPERATIONS = {
  clock: [
    simulate("advance", "POST", `${CLOCK}/advance`, ({ seconds }) => `sim clock advance ${seconds}s`, {
      fields: [number("seconds", 3600)],
    }),
    simulate("freeze", "PUT", CLOCK, ({ time: at = "" }) => `sim clock freeze ${at}`, { fields: [time()], fixed: { frozen: true } }),
    simulate("resume", "PUT", CLOCK, () => "sim clock resume", { fixed: { frozen: false } }),
    simulate("set", "PUT", CLOCK, ({ time: at = "" }) => `sim clock set ${at}`, { fields: [time(true)] }),
    simulate("real_time", "DELETE", CLOCK, () => "sim clock reset"),
    simulate("transitions", "PUT", "/_pileus/time", ({ mode }) => `sim time ${mode}`, {
      fields: [select("mode", ["instant", "realistic"])],
    }),
  ],
  reset: [
    reset("reset_project", ({ project_id }) => `sim reset --project ${project_id}`, { project_id: "{project_id}" }),
    reset("reset_tenant", ({ client_id }) => `sim reset --client ${client_id}`, { client_id: "{client_id}" }),
    reset("reset_cloud", () => "sim reset --yes", {}),
  ],
};
