// Buttons and dialogs of operations, made from the table of operations.js.
import { html, useEffect, useMemo, useState } from "./vendor/preact.js";
import { send, waitForTask } from "./api.js";
import { Link, address, addressOf, addressWith, navigate } from "./addresses.js";
import { obstacleTo } from "./caller.js";
import { changes } from "./changes.js";
import { FormField, initialValues, readChanges, readValues } from "./forms.js";
import { NOUNS, fillPath, idOf, nameOf } from "./nouns.js";
import { OPERATIONS } from "./operations.js";
import { Button, Dialog, ErrorBox, announce } from "./parts.js";
import { Samples } from "./samples.js";
import { texts } from "./texts.js";

/** Return why an operation is not possible now; an empty text if it is. */
export function obstacleOf(operation, record) {
  const obstacle = obstacleTo(operation.access || "write");
  if (obstacle || !record) return obstacle;
  const isLocked = record.task_id && (record.task_state !== undefined || record.provisioning_status);
  if (isLocked && operation.name !== "rename") {
    return texts.dialog.reason.locked(record.task_id);
  }
  if (operation.isPossible && !operation.isPossible(record)) {
    return texts.dialog.reason.status(record.status ?? record.state ?? "");
  }
  return "";
}

/** The buttons of a list or of a record, and the dialog of the one in the address. */
export function ActionButtons({ noun, word, place, record, onDone }) {
  const all = OPERATIONS[word] || [];
  const shown = all.filter((operation) => Boolean(operation.isCreation) === !record);
  const open = shown.find((operation) => operation.name === address.value.query.get("do"));
  const close = () => navigate(addressWith({ do: null }), { replace: true });
  const first = shown.slice(0, 3);
  const rest = shown.slice(3);
  const button = (operation) => html`<${OperationButton} key=${operation.name} operation=${operation} word=${word} record=${record} />`;
  return html`<div class="actions" role="group" aria-label=${texts.actions}>
    ${word === "instances" && !record && html`<${NewInstance} />`} ${first.map(button)}
    ${rest.length > 0 &&
    html`<details class="menu right">
      <summary class="button">${texts.more}</summary>
      <div class="menu-items">${rest.map(button)}</div>
    </details>`}
    ${open && html`<${OperationDialog} key=${open.name} ...${{ operation: open, noun, word, place, record, onDone }} onClose=${close} />`}
  </div>`;
}

function NewInstance() {
  const reason = obstacleTo("write");
  return html`<${Button} kind="primary" reason=${reason} onClick=${() => navigate(addressOf("instances", "new"))}>
    ${texts.create(texts.nouns.instances.one)}
  <//>`;
}

function OperationButton({ operation, word, record }) {
  const kind = operation.isDangerous ? "danger" : operation.name === "create" ? "primary" : "";
  return html`<${Button}
    kind=${kind}
    reason=${obstacleOf(operation, record)}
    onClick=${() => navigate(addressWith({ do: operation.name }))}
    >${labelOf(operation, word)}<//
  >`;
}

/** Return the text of an operation's button. */
export function labelOf(operation, word) {
  if (operation.name === "create") return texts.create(texts.nouns[word].one);
  return texts.operations[operation.name] || operation.name;
}

/** Return the request of an operation, with what other clients call it. */
export function makeSample({ operation, noun, place, values, params, record }) {
  const inPath = Object.fromEntries((operation.fields || []).filter((field) => field.inPath).map(({ name }) => [name, values[name]]));
  const all = { ...params, ...inPath };
  const fill = (text) => text.replace(/\{(\w+)\}/g, (whole, name) => (all[name] === undefined ? whole : encodeURIComponent(all[name])));
  const fixed = Object.fromEntries(
    Object.entries(operation.fixed || {}).map(([name, value]) => {
      const match = typeof value === "string" && /^\{(\w+)\}$/.exec(value);
      return [name, match ? all[match[1]] : value];
    }),
  );
  const given = Object.fromEntries(Object.entries(values).filter(([name]) => !(name in inPath)));
  const shape = operation.shape || ((body) => body);
  const content = shape({ ...fixed, ...given });
  const hasBody = operation.method !== "DELETE" && (operation.fields?.length || operation.fixed);
  const idFields = operation.ids || (operation.isCreation ? {} : { [noun.param]: noun.idField || "id" });
  const ids = Object.fromEntries(Object.entries(idFields).map(([name, field]) => [name, all[field] ?? record?.[field]]));
  return {
    method: operation.method,
    path: fill(fillPath(operation.path, place, all.id)),
    query: operation.sentIn === "query" ? queryOf(content) : {},
    body: operation.sentIn !== "query" && hasBody ? content : undefined,
    sdk: sdkOf(operation, noun),
    cli: operation.cli ? operation.cli({ ...all, ...values }) : operation.verb && (operation.command || noun.word) && `${operation.command || noun.word} ${operation.verb.replaceAll("_", "-")}`,
    ids: { ...inPath, ...ids },
    options: operation.cli && (operation.options || []),
    aliases: operation.aliases,
    terraform: operation.isCreation ? noun.terraform : operation.terraform,
  };
}

function sdkOf(operation, noun) {
  if (!operation.verb) return "";
  return operation.sdk || (noun.sdk && `${noun.sdk}.${operation.verb}`);
}

function queryOf(values) {
  const entries = Object.entries(values).map(([name, value]) => [name, Array.isArray(value) ? value.join(",") : value]);
  return Object.fromEntries(entries.filter(([, value]) => value !== "" && value !== false));
}

/** The dialog of one operation: its fields, its request, the same for other clients, and the progress of its task. */
export function OperationDialog({ operation, noun, word, place, record, part, params, onDone, onClose }) {
  const known = { id: record ? idOf(noun, record) : "", ...params };
  const fields = operation.fields || [];
  const subject = part || record;
  const [initial] = useState(() => initialValues(fields, subject));
  const [values, setValues] = useState(initial);
  const [state, setState] = useState({ phase: "form" });
  const sample = useMemo(
    () => {
      const read = operation.isPatch ? readChanges(fields, initial, values, subject) : readValues(fields, values, subject);
      return makeSample({ operation, noun, place, values: read, params: known, record });
    },
    [operation, values],
  );
  const label = labelOf(operation, word);
  const submit = async (event) => {
    event.preventDefault();
    setState({ phase: "sending" });
    try {
      const answer = await send(sample.method, sample.path, { query: sample.query, body: sample.body });
      await followTask(answer, setState, label);
      onDone?.(answer);
      // What else the page shows, such as a tab, may be different now.
      changes.publish(null);
    } catch (error) {
      setState({ phase: "form", error });
    }
  };
  return html`<${Dialog} title=${record ? `${label}: ${nameOf(noun, record)}` : label} onClose=${onClose}>
    ${state.phase === "ended"
      ? html`<${Outcome} state=${state} word=${word} operation=${operation} onClose=${onClose} />`
      : html`<form onSubmit=${submit} id="operation">
          <div class="inputs">
            ${fields.map(
              (field) => html`<${FormField}
                key=${field.name}
                ...${{ field, place, record: subject, values, problem: problemOf(state.error, field.name) }}
                onChange=${(value) => setValues((last) => ({ ...last, [field.name]: value }))}
              />`,
            )}
          </div>
          ${operation.isDangerous && html`<p class="warning">${texts.warnings[operation.name] || texts.warnings.dangerous}</p>`}
          <${ErrorBox} error=${state.error} />
          ${state.phase === "running" && html`<${Running} task=${state.task} />`}
          <footer>
            <button class=${`button ${operation.isDangerous ? "danger" : "primary"}`} type="submit" disabled=${state.phase !== "form"}>${label}</button>
            <button class="button" type="button" onClick=${(event) => event.target.closest("dialog").close()}>${texts.cancel}</button>
          </footer>
          <${SameAs} sample=${sample} />
        </form>`}
  <//>`;
}

function problemOf(error, name) {
  const problem = error?.fields?.[name];
  return problem ? (Array.isArray(problem) ? problem.join("; ") : JSON.stringify(problem)) : "";
}

/** Wait for the task of an answer; an answer without a task is done at once. */
export async function followTask(answer, setState, label) {
  const taskId = answer?.tasks?.[0];
  if (!taskId) {
    setState({ phase: "ended", answer });
    announce(texts.dialog.done);
    return;
  }
  const task = await waitForTask(taskId, (current) => setState({ phase: "running", task: current }));
  setState({ phase: "ended", task, answer });
  announce(task.state === "ERROR" ? texts.dialog.failed(label, task.error) : texts.dialog.finished(label));
}

/** A task that runs, with the link to its page. */
export function Running({ task }) {
  return html`<p class="running" role="status">
    <span class="spinner" aria-hidden="true"></span> ${texts.dialog.running(task.task_type)}
    <${Link} to=${addressOf("tasks", task.id)}>${texts.dialog.show}<//>
    <span class="soft">${texts.dialog.goOn}</span>
  </p>`;
}

function Outcome({ state, word, operation, onClose }) {
  const { task, answer } = state;
  const hasFailed = task?.state === "ERROR";
  useEffect(() => {
    if (!hasFailed && !secretOf(answer)) onClose();
    if (!hasFailed && operation.name === "delete") navigate(addressOf(word), { replace: true });
  }, []);
  if (secretOf(answer)) return html`<${Secret} text=${secretOf(answer)} />`;
  return html`<div>
    <p class=${hasFailed ? "error" : ""}>
      ${task ? (hasFailed ? texts.dialog.failed(task.task_type, task.error) : texts.dialog.finished(task.task_type)) : texts.dialog.done}
    </p>
    ${task && html`<${Link} to=${addressOf("tasks", task.id)}>${texts.dialog.show}<//>`}
  </div>`;
}

/** Return what an answer shows only once: the private key of a pair, or the token of an API key. */
const secretOf = (answer) => answer?.private_key || answer?.token || "";

function Secret({ text }) {
  return html`<div>
    <p class="warning">${texts.warnings.secret}</p>
    <pre tabindex="0">${text}</pre>
  </div>`;
}

/** The request, and the same for other clients. */
export function SameAs({ sample }) {
  return html`<details class="same" open>
    <summary>${texts.dialog.same}</summary>
    <${Samples} sample=${sample} />
  </details>`;
}

/** A button that opens the dialog of an operation on a part of a record. */
export function PartButton({ operation, word, place, onDone, ...rest }) {
  const [isOpen, setOpen] = useState(false);
  const label = labelOf(operation, word);
  return html`<${Button} kind=${`small ${operation.isDangerous ? "danger" : ""}`} reason=${obstacleOf(operation, rest.record)} onClick=${() => setOpen(true)}>${label}<//>
    ${isOpen &&
    html`<${OperationDialog}
      ...${{ operation, noun: NOUNS[word], word, place, onDone, ...rest }}
      onClose=${() => setOpen(false)}
    />`}`;
}
