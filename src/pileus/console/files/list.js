// The list of any noun: filters and pages are those of the API, and are in the address.
import { html, useState } from "./vendor/preact.js";
import { ActionButtons, PartButton } from "./actions.js";
import { Link, address, addressOf, addressWith, navigate } from "./addresses.js";
import { obstacleTo } from "./caller.js";
import { fillPath, idOf, nameOf, rowsOf } from "./nouns.js";
import { OPERATIONS } from "./operations.js";
import { Button, Cell, ErrorBox, Field, Table } from "./parts.js";
import { useResource } from "./resources.js";
import { Samples } from "./samples.js";
import { texts } from "./texts.js";

const SIZES = [25, 50, 100];
const OWN = new Set(["limit", "offset", "columns", "do", "of"]);

/** Return whether a record is changed by a task at present. */
export function isBusy(record) {
  return Boolean(record.task_id || record.task_state || record.state === "NEW" || record.state === "RUNNING");
}

function filtersOf(query) {
  return Object.fromEntries([...query].filter(([name]) => !OWN.has(name)));
}

function storedColumns(word) {
  try {
    return JSON.parse(localStorage.getItem(`pileus-columns-${word}`) || "null");
  } catch {
    return null;
  }
}

function visibleColumns(noun, word, query) {
  const chosen = query.get("columns")?.split(",") || storedColumns(word);
  const columns = noun.columns.filter((column) => (chosen ? chosen.includes(column.name) : !column.isHidden));
  return columns.length ? columns : noun.columns.slice(0, 1);
}

/** The page of a list. */
export function ListPage({ noun, word, place }) {
  const { query } = address.value;
  const limit = SIZES.find((size) => size === Number(query.get("limit"))) || SIZES[0];
  const offset = Number(query.get("offset")) || 0;
  const fixed = Object.fromEntries(
    Object.entries(noun.query || {}).map(([name, value]) => [name, fillPath(value, place)]),
  );
  const filters = filtersOf(query);
  const pages = noun.hasPages === false ? {} : { limit, offset };
  const path = fillPath(noun.path, place);
  const obstacle = noun.access ? obstacleTo(noun.access) : "";
  const list = useResource(obstacle ? null : path, { ...fixed, ...filters, ...pages }, { isBusy: (data) => rowsOf(data).some(isBusy) });
  // Lists without pages come whole; the page shows as many rows as of others.
  const records = noun.hasPages === false ? rowsOf(list.data).slice(offset, offset + limit) : rowsOf(list.data);
  const count = noun.hasPages === false ? rowsOf(list.data).length : list.data?.count;
  const columns = visibleColumns(noun, word, query);
  const title = texts.nouns[word].many;
  const isEmpty = list.data && !list.error && records.length === 0;
  const hasFilters = Object.keys(filters).length > 0;
  return html`<section class="list" aria-busy=${String(!obstacle && list.isLoading)}>
    <header class="head">
      <h1 tabindex="-1">${title}</h1>
      <${ActionButtons} noun=${noun} word=${word} place=${place} onDone=${list.reload} />
    </header>
    <${Filters} noun=${noun} word=${word} filters=${filters} columns=${columns} />
    <${ErrorBox} error=${list.error} onRetry=${list.reload} />
    ${obstacle && html`<p class="warning">${obstacle}</p>`}
    ${!obstacle && !list.data && !list.error && html`<p class="soft">${texts.loading}</p>`}
    ${isEmpty && !hasFilters && offset === 0 && html`<${Empty} noun=${noun} word=${word} path=${path} fixed=${fixed} />`}
    ${isEmpty && (hasFilters || offset > 0) && html`<p class="empty">${texts.list.noMatch}</p>`}
    ${list.data && !isEmpty && html`<${Rows} noun=${noun} word=${word} columns=${columns} records=${records} place=${place} reload=${list.reload} />`}
    ${list.data && html`<${Pages} limit=${limit} offset=${offset} count=${count} />`}
  </section>`;
}

function Rows({ noun, word, columns, records, place, reload }) {
  // What has no page of its own has its actions here.
  const operations = noun.hasDetail === false ? (OPERATIONS[word] || []).filter((operation) => !operation.isCreation) : [];
  const headings = columns.map((column) => texts.fields[column.name] || column.name);
  return html`<${Table} label=${texts.nouns[word].many} columns=${operations.length ? [...headings, texts.actions] : headings}>
    ${records.map(
      (record) => html`<tr key=${idOf(noun, record)}>
        ${columns.map(
          (column, at) => html`<td key=${column.name} class=${column.kind || ""}>
            ${column.kind === "self" || (at === 0 && noun.hasDetail !== false && !column.kind)
              ? html`<${Name} noun=${noun} word=${word} record=${record} />`
              : html`<${Cell} column=${column} record=${record} noun=${word} />`}
          </td>`,
        )}
        ${operations.length > 0 &&
        html`<td>
          <span class="actions">
            ${operations.map((operation) => html`<${PartButton} key=${operation.name} ...${{ operation, word, place, record }} onDone=${reload} />`)}
          </span>
        </td>`}
      </tr>`,
    )}
  <//>`;
}

function Name({ noun, word, record }) {
  if (noun.hasDetail === false) return html`<strong>${nameOf(noun, record)}</strong>`;
  return html`<${Link} class="name" to=${addressOf(word, idOf(noun, record))} title=${nameOf(noun, record)}>${nameOf(noun, record)}<//>
    ${isBusy(record) && html`<span class="spinner" role="img" aria-label=${texts.fields.task_state}></span>`}`;
}

function Filters({ noun, word, filters, columns }) {
  const known = noun.filters || [];
  const others = Object.keys(filters).filter((name) => !known.some((filter) => filter.name === name));
  const submit = (event) => {
    event.preventDefault();
    const values = readFilters(new FormData(event.target), known);
    navigate(addressWith({ ...Object.fromEntries(others.map((name) => [name, filters[name]])), ...values, offset: null }));
  };
  return html`<form class="filters" role="search" aria-label=${texts.list.search} onSubmit=${submit}>
    ${known.map((filter) => html`<${FilterField} key=${filter.name} filter=${filter} value=${filters[filter.name] || ""} />`)}
    ${known.length > 0 && html`<button class="button" type="submit">${texts.list.apply}</button>`}
    ${Object.keys(filters).length > 0 && html`<${Link} class="button" to=${addressOf(word)}>${texts.list.clear}<//>`}
    <${ColumnChoice} noun=${noun} word=${word} columns=${columns} />
  </form>`;
}

/** Return the parameters of a form; null removes one from the address. */
function readFilters(data, known) {
  return Object.fromEntries(
    known.map(({ name, kind }) => {
      const text = String(data.get(name) || "").trim();
      return [name, text === "" ? null : kind === "tag" ? tagParameter(text) : text];
    }),
  );
}

function tagParameter(text) {
  const [name, ...rest] = text.split("=");
  return JSON.stringify({ [name]: rest.join("=") });
}

function tagText(parameter) {
  try {
    return Object.entries(JSON.parse(parameter)).map(([name, value]) => `${name}=${value}`).join(",");
  } catch {
    return parameter;
  }
}

function FilterField({ filter, value }) {
  const label = filter.kind === "tag" ? texts.list.tag : texts.fields[filter.name] || filter.name;
  const id = `filter-${filter.name}`;
  if (filter.kind === "text" || filter.kind === "tag") {
    const text = filter.kind === "tag" && value ? tagText(value) : value;
    return html`<${Field} id=${id} label=${label}><input id=${id} name=${filter.name} value=${text} key=${text} /><//>`;
  }
  const isBoolean = filter.kind === "boolean";
  const options = isBoolean ? ["true", "false"] : filter.options;
  return html`<${Field} id=${id} label=${label}>
    <select id=${id} name=${filter.name} key=${value}>
      <option value="">${texts.list.any}</option>
      ${options.map(
        (option) => html`<option key=${option} value=${option} selected=${option === value}>
          ${isBoolean ? texts.boolean[option] : option}
        </option>`,
      )}
    </select>
  <//>`;
}

function ColumnChoice({ noun, word, columns }) {
  const shown = new Set(columns.map((column) => column.name));
  const toggle = (name) => {
    const chosen = noun.columns.map((column) => column.name).filter((other) => (other === name) !== shown.has(other));
    localStorage.setItem(`pileus-columns-${word}`, JSON.stringify(chosen));
    navigate(addressWith({ columns: chosen.join(",") }), { replace: true });
  };
  return html`<details class="menu">
    <summary class="button">${texts.list.columns}</summary>
    <div class="menu-items">
      ${noun.columns.map(
        (column) => html`<label key=${column.name}>
          <input type="checkbox" checked=${shown.has(column.name)} onChange=${() => toggle(column.name)} />
          ${texts.fields[column.name] || column.name}
        </label>`,
      )}
    </div>
  </details>`;
}

function Pages({ limit, offset, count }) {
  const last = Math.min(offset + limit, count);
  const previous = Math.max(0, offset - limit);
  const go = (target) => navigate(addressWith({ offset: target || null }));
  const [size, setSize] = useState(limit);
  return html`<footer class="pages">
    <span role="status">${texts.list.range(Math.min(offset + 1, count), last, count)}</span>
    <${Button} disabled=${offset === 0} onClick=${() => go(previous)}>${texts.list.previous}<//>
    <${Button} disabled=${last >= count} onClick=${() => go(offset + limit)}>${texts.list.next}<//>
    <label>
      ${texts.list.perPage}
      <select
        value=${size}
        onChange=${(event) => {
          setSize(Number(event.target.value));
          navigate(addressWith({ limit: event.target.value, offset: null }));
        }}
      >
        ${SIZES.map((option) => html`<option key=${option} value=${option}>${option}</option>`)}
      </select>
    </label>
  </footer>`;
}

function Empty({ noun, word, path, fixed }) {
  const sample = {
    method: "GET", path, query: fixed,
    sdk: noun.sdk && `${noun.sdk}.list`, cli: noun.word && `${noun.word} list`,
  };
  return html`<div class="empty">
    <p>${texts.nouns[word].empty}</p>
    <p class="soft">${texts.list.learn}</p>
    <${Samples} sample=${{ ...sample, query: {} }} forms=${[...(sample.cli ? ["cli"] : []), ...(sample.sdk ? ["python"] : []), "curl"]} />
  </div>`;
}
