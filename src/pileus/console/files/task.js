// The page of a task: its steps, what holds it, its error, and on a simulated cloud what lets it go on or fail.
import { html } from "./vendor/preact.js";
import { get, send } from "./api.js";
import { Link, addressOf } from "./addresses.js";
import { obstacleTo } from "./caller.js";
import { Button, ErrorBox, Raw, Status, Time, announce } from "./parts.js";
import { useResource } from "./resources.js";
import { texts } from "./texts.js";

const MARKS = { done: "✓", running: "…", undone: "↩", waiting: "·" };
const KINDS = {
  instances: "instances", volumes: "volumes", snapshots: "snapshots", images: "images", networks: "networks",
  subnets: "subnets", routers: "routers", floatingips: "floating_ips", security_groups: "security_groups",
  servergroups: "placement_groups", projects: "projects", loadbalancers: "load_balancers", listeners: "listeners",
  pools: "pools", l7polices: "l7_policies", secrets: "secrets", file_shares: "file_shares",
};

const isUnfinished = (task) => task.state === "NEW" || task.state === "RUNNING";

/** The page. */
export function TaskPage({ id }) {
  const resource = useResource(`/cloud/v1/tasks/${encodeURIComponent(id)}`, {}, { isBusy: isUnfinished });
  const steps = useResource(`/_pileus/tasks/${encodeURIComponent(id)}/steps`, {}, { isBusy: (data) => data.steps.some((step) => step.state === "running") });
  const task = resource.data;
  const reload = () => (resource.reload(), steps.reload());
  return html`<section>
    <p class="crumbs"><${Link} to=${addressOf("tasks")}>${texts.nouns.tasks.many}<//> /</p>
    <header class="head">
      <h1 tabindex="-1">${task ? task.task_type : texts.nouns.tasks.one}</h1>
      ${task && html`<${Status} value=${task.state} />`}
      ${task && html`<${TaskActions} task=${task} steps=${steps.data} reload=${reload} />`}
    </header>
    <${ErrorBox} error=${resource.error} onRetry=${reload} />
    ${task && html`<${Body} task=${task} steps=${steps.data} />`}
  </section>`;
}

function Body({ task, steps }) {
  return html`${task.error && html`<p class="error" role="alert">${task.error}</p>`}
    ${steps?.held_by && html`<p class="warning">${texts.task.held(steps.held_by)}</p>`}
    ${steps?.is_undoing && isUnfinished(task) && html`<p class="warning">${texts.task.undoing}</p>`}
    <div class="columns">
      <div class="card">
        <h2>${texts.task.steps}</h2>
        ${steps && steps.steps.length === 0 && html`<p class="soft">${texts.task.noSteps}</p>`}
        <ol class="steps">
          ${(steps?.steps || []).map(
            (step) => html`<li key=${step.name}>
              <span class=${`mark ${step.state === "done" ? "good" : step.state === "undone" ? "bad" : "busy"}`} aria-hidden="true">${MARKS[step.state]}</span>
              <span>${step.name}</span>
              <span class="soft">${texts.task.states[step.state]}</span>
              ${step.state === "running" && html`<span class="spinner" aria-hidden="true"></span>`}
            </li>`,
          )}
        </ol>
      </div>
      <div class="card">
        <h2>${texts.tabs.overview}</h2>
        <dl class="facts">
          <div><dt>${texts.fields.created_on}</dt><dd><${Time} value=${task.created_on} /></dd></div>
          <div><dt>${texts.fields.finished_on}</dt><dd><${Time} value=${task.finished_on} /></dd></div>
          <div><dt>${texts.task.attempts}</dt><dd>${steps?.attempts ?? texts.none}</dd></div>
          <div><dt>${texts.task.request}</dt><dd><code>${task.request_id || texts.none}</code></dd></div>
        </dl>
        <${Created} task=${task} />
      </div>
    </div>
    <${Raw} record=${task} label="JSON" />`;
}

function Created({ task }) {
  const kinds = Object.entries(task.created_resources || {}).filter(([, ids]) => ids.length > 0);
  if (kinds.length === 0) return null;
  return html`<h2>${texts.task.created}</h2>
    <ul>
      ${kinds.flatMap(([kind, ids]) =>
        ids.map((id) => html`<li key=${id}>${KINDS[kind] ? html`<${Link} to=${addressOf(KINDS[kind], id)}>${kind} ${id}<//>` : `${kind} ${id}`}</li>`),
      )}
    </ul>`;
}

function TaskActions({ task, steps, reload }) {
  const administer = obstacleTo("administer");
  const act = (action) => async () => {
    await action();
    announce(texts.dialog.done);
    reload();
  };
  const release = act(() => send("DELETE", `/_pileus/faults/${steps.held_by}`));
  const failHere = act(() => replaceHold(steps.held_by));
  const acknowledge = act(() => send("POST", `/cloud/v1/tasks/${task.id}/acknowledge`));
  const hasEnded = !isUnfinished(task);
  return html`<div class="actions" role="group" aria-label=${texts.actions}>
    ${steps?.held_by &&
    html`<${Button} kind="primary" reason=${administer} onClick=${release}>${texts.task.release}<//>
      <${Button} kind="danger" reason=${administer} onClick=${failHere}>${texts.task.fail}<//>`}
    ${hasEnded && !task.acknowledged_at && html`<${Button} reason=${obstacleTo("write")} onClick=${acknowledge}>${texts.task.acknowledge}<//>`}
  </div>`;
}

/** Let the held task fail where it is: add a fault of the same place, then remove the one that holds it. */
async function replaceHold(faultId) {
  const hold = (await get("/_pileus/faults")).find((fault) => fault.id === faultId);
  const { task_type, step } = hold || {};
  await send("POST", "/_pileus/faults", { body: { kind: "fail", task_type: task_type || undefined, step: step || undefined, times: 1 } });
  await send("DELETE", `/_pileus/faults/${faultId}`);
}
