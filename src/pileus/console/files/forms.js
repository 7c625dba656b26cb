// Fields of forms: text, numbers, choices, references to other records, and tags.
import { html, useState } from "./vendor/preact.js";
import { NOUNS, fillPath, idOf, nameOf, rowsOf } from "./nouns.js";
import { Field, money } from "./parts.js";
import { useResource } from "./resources.js";
import { texts } from "./texts.js";

/** Records among which one chooses; where there are more, one also enters ids. */
const MOST_OPTIONS = 250;
const UUID_LENGTH = 36;

/** Return the values that a form begins with. */
export function initialValues(fields, record) {
  return Object.fromEntries(
    fields.map((field) => {
      if (field.initial) return [field.name, textOf(field.initial(record))];
      if (field.kind === "tags" || field.kind === "refs") return [field.name, []];
      if (field.kind === "boolean") return [field.name, false];
      if (field.kind === "select" && field.isRequired) return [field.name, optionsOf(field, record)[0] || ""];
      return [field.name, ""];
    }),
  );
}

const splitText = (text) => text.split(/[\s,]+/).filter(Boolean);

const textOf = (value) => (Array.isArray(value) ? value.join(", ") : value);

/** Return what is sent: without empty fields, numbers as numbers and tags by name. */
export function readValues(fields, values, record) {
  const shown = fields.filter((field) => isShown(field, values, record));
  const entries = shown.map((field) => [field.name, readValue(field, values[field.name])]);
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
}

/** Return the fields that differ from what the form began with; null for those that are empty now. */
export function readChanges(fields, initial, values, record) {
  const read = readValues(fields, values, record);
  const changed = fields.filter(({ name }) => values[name] !== initial[name]);
  return Object.fromEntries(changed.map(({ name }) => [name, read[name] ?? null]));
}

function readValue(field, value) {
  if (field.kind === "tags") {
    const pairs = value.filter(({ key }) => key !== "");
    return pairs.length ? Object.fromEntries(pairs.map(({ key, value: text }) => [key, text])) : undefined;
  }
  if (field.kind === "list" || field.kind === "refs") {
    const items = field.kind === "list" ? splitText(value) : value;
    return items.length ? items : undefined;
  }
  if (field.kind === "number" || typeof field.options?.[0] === "number") return value === "" ? undefined : Number(value);
  return value === "" ? undefined : value;
}

function isShown(field, values, record) {
  return Object.entries(field.onlyIf || {}).every(([name, wanted]) => {
    const value = values[name] ?? record?.[name];
    return wanted === true ? Boolean(value) : [wanted].flat().includes(value);
  });
}

function optionsOf(field, record) {
  return field.optionsOf ? field.optionsOf(record) : field.options;
}

/** One field of a form. */
export function FormField({ field, place, record, values, problem, onChange }) {
  if (!isShown(field, values, record)) return null;
  const value = values[field.name];
  const id = `field-${field.name}`;
  const label = texts.inputs[field.name] || texts.fields[field.name] || field.name;
  const more = { id, required: field.isRequired, placeholder: field.placeholder, step: field.step, "aria-describedby": problem ? `${id}-problem` : undefined };
  if (field.kind === "boolean") {
    return html`<div class="field check">
      <input type="checkbox" id=${id} checked=${value} onChange=${(event) => onChange(event.target.checked)} />
      <label for=${id}>${label}</label>
    </div>`;
  }
  if (field.kind === "refs") return html`<${References} ...${{ field, place, record, label, onChange }} />`;
  if (field.kind === "tags") return html`<fieldset><legend>${label}</legend><${TagRows} rows=${value} onChange=${onChange} /></fieldset>`;
  const hint = field.isRequired || label.endsWith(")") ? "" : texts.dialog.optional;
  return html`<${Field} id=${id} label=${label} hint=${hint} problem=${problem}>
    <${Input} ...${{ field, place, record, values, value, more, onChange }} />
  <//>`;
}

function Input({ field, place, record, values, value, more, onChange }) {
  const change = (event) => onChange(event.target.value);
  if (field.kind === "select") {
    return html`<select ...${more} value=${value} onChange=${change}>
      ${!field.isRequired && html`<option value="">${texts.none}</option>`}
      ${optionsOf(field, record).map((option) => html`<option key=${option} value=${option}>${option}</option>`)}
    </select>`;
  }
  if (field.kind === "ref") return html`<${Reference} ...${{ field, place, record, values, value, more, onChange }} />`;
  if (field.kind === "suggested") return html`<${Suggested} ...${{ field, value, more, change }} />`;
  if (field.kind === "port") return html`<${PortReference} ...${{ place, value, more, onChange }} />`;
  if (field.kind === "area") return html`<textarea ...${more} rows="4" value=${value} onInput=${change}></textarea>`;
  return html`<input ...${more} type=${field.kind === "list" ? "text" : field.kind} value=${value} onInput=${change} autocomplete="off" />`;
}

function listOf(field, place, record) {
  const noun = NOUNS[field.noun];
  const recordId = record ? String(record.id ?? "") : "";
  const fill = (value) => fillPath(value, place, recordId);
  const query = { ...noun?.query, ...field.query, ...(noun?.hasPages === false ? {} : { limit: MOST_OPTIONS }) };
  const filled = Object.entries(query).map(([name, value]) => [name, fill(String(value))]);
  if (field.path) return { path: fill(field.path), query: field.query || {} };
  return { path: fill(noun.path), query: Object.fromEntries(filled) };
}

function optionText(record, noun) {
  const price = record.price_per_hour ? ` · ${money(record.price_per_hour, record.currency_code)} ${texts.perHour}` : "";
  const size = record.size && record.size < 100000 ? ` · ${texts.gigabytes(record.size)}` : "";
  const name = record.flavor_name || record.flavor_id || (noun ? nameOf(noun, record) : record.name || record.id || record.task_type);
  return `${name}${record.flavor_id ? "" : size}${price}`;
}

/** A choice among values with what they mean. */
function Choice({ value, more, options, change }) {
  return html`<select ...${more} value=${value} onChange=${change}>
    <option value="">${texts.dialog.choose}</option>
    ${options.map(([name, text]) => html`<option key=${name} value=${name}>${text}</option>`)}
  </select>`;
}

/** A text with suggestions: values with what they mean. */
function SuggestedText({ value, more, options, change }) {
  return html`<input ...${more} list=${`${more.id}-suggestions`} value=${value} onInput=${change} autocomplete="off" />
    <datalist id=${`${more.id}-suggestions`}>
      ${options.map(([name, text]) => html`<option key=${name} value=${name}>${text}</option>`)}
    </datalist>`;
}

/** A text with the names of a list as suggestions. */
function Suggested({ field, ...rest }) {
  const { data } = useResource(field.path, {}, { follows: false });
  return html`<${SuggestedText} ...${rest} options=${(data || []).map((row) => [row[field.name], ""])} />`;
}

/** Return the records among which a reference chooses; with `within`, the names in a field of the record chosen before. */
function choicesOf(field, data, values) {
  if (!field.within) return rowsOf(data);
  const [chooser, names] = field.within;
  const chosen = rowsOf(data).find((row) => row[chooser] === values[chooser]);
  return (chosen?.[names] || []).map((id) => ({ id, name: id }));
}

function Reference({ field, place, record, values, value, more, onChange }) {
  const { path, query } = listOf(field, place, record);
  const { data } = useResource(path, query, { follows: false });
  const noun = NOUNS[field.noun];
  const key = field.key || (noun ? noun.idField || "id" : "id");
  const options = choicesOf(field, data, values).map((option) => [option[key], optionText(option, noun)]);
  const change = (event) => onChange(event.target.value);
  const Chooser = data?.count > MOST_OPTIONS ? SuggestedText : Choice;
  return html`<${Chooser} ...${{ value, more, change, options }} />`;
}

/** Choices among records; where there are more than are listed, also a text with the ids of others. */
function References({ field, place, record, label, onChange }) {
  const [chosen, setChosen] = useState([]);
  const [others, setOthers] = useState("");
  const { path, query } = listOf(field, place, record);
  const { data } = useResource(path, query, { follows: false });
  const noun = NOUNS[field.noun];
  const id = `field-${field.name}`;
  const change = (ids, text) => {
    setChosen(ids);
    setOthers(text);
    onChange([...new Set([...ids, ...splitText(text)])]);
  };
  const toggle = (option) => change(chosen.includes(option) ? chosen.filter((other) => other !== option) : [...chosen, option], others);
  if (!data || data.results.length === 0) return null;
  return html`<fieldset>
    <legend>${label}</legend>
    ${data.results.map((option) => {
      const optionId = idOf(noun, option);
      return html`<label class="option" key=${optionId}>
        <input type="checkbox" checked=${chosen.includes(optionId)} onChange=${() => toggle(optionId)} /> ${optionText(option, noun)}
      </label>`;
    })}
    ${data.count > MOST_OPTIONS && html`<${Field} id=${id} label=${texts.dialog.otherIds}>
      <input id=${id} value=${others} onInput=${(event) => change(chosen, event.target.value)} autocomplete="off" />
    <//>`}
  </fieldset>`;
}

/** A port: first its instance, then one of its interfaces. */
function PortReference({ place, value, more, onChange }) {
  const [instanceId, setInstanceId] = useState("");
  const instances = useResource(fillPath(NOUNS.instances.path, place), { limit: MOST_OPTIONS }, { follows: false });
  const path = instanceId.length === UUID_LENGTH ? `${fillPath(NOUNS.instances.path, place)}/${instanceId}/interfaces` : null;
  const interfaces = useResource(path, {}, { follows: false });
  const instance = {
    value: instanceId, more: { id: `${more.id}-instance`, "aria-label": texts.nouns.instances.one }, change: (event) => setInstanceId(event.target.value.trim()),
    options: (instances.data?.results || []).map((option) => [option.id, option.name]),
  };
  const Chooser = instances.data?.count > MOST_OPTIONS ? SuggestedText : Choice;
  return html`<${Chooser} ...${instance} />
    <select ...${more} value=${value} onChange=${(event) => onChange(event.target.value)}>
      <option value="">${texts.dialog.choose}</option>
      ${((path && interfaces.data?.results) || []).map(
        (option) => html`<option key=${option.port_id} value=${option.port_id}>
          ${option.ip_assignments.map((assignment) => assignment.ip_address).join(" ")}
        </option>`,
      )}
    </select>`;
}

/** Rows of names and values of tags. */
export function TagRows({ rows, onChange }) {
  const change = (at, part) => onChange(rows.map((row, index) => (index === at ? { ...row, ...part } : row)));
  return html`<div class="tag-rows">
    ${rows.map(
      (row, at) => html`<div class="tag-row" key=${at}>
        <input aria-label=${texts.tags.name} value=${row.key} onInput=${(event) => change(at, { key: event.target.value })} />
        <span aria-hidden="true">=</span>
        <input aria-label=${texts.tags.value(row.key)} value=${row.value} onInput=${(event) => change(at, { value: event.target.value })} />
        <button type="button" class="button small" aria-label=${texts.tags.remove(row.key)} onClick=${() => onChange(rows.filter((_, index) => index !== at))}>×</button>
      </div>`,
    )}
    <button type="button" class="button small" onClick=${() => onChange([...rows, { key: "", value: "" }])}>${texts.addTag}</button>
  </div>`;
}
