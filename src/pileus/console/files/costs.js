// What the project has cost: by type and by day, and as CSV.
import { html, useEffect, useState } from "./vendor/preact.js";
import { send } from "./api.js";
import { Link, address, addressOf } from "./addresses.js";
import { ErrorBox, Table, money, saveFile } from "./parts.js";
import { texts } from "./texts.js";

const DAY = 86_400_000;
const PERIODS = [1, 7, 30];
const midnight = (time) => new Date(time).toISOString().slice(0, 10);

function reportBody(place, days) {
  const end = Date.now() + DAY;
  return {
    time_from: `${midnight(end - days * DAY)}T00:00:00Z`, time_to: `${midnight(end)}T00:00:00Z`, enable_last_day: true,
    projects: [place.project], regions: [place.region],
  };
}

/** The page. */
export function CostsPage({ place }) {
  const days = Number(address.value.query.get("days")) || PERIODS[1];
  const [state, setState] = useState({ rows: null, resources: [], error: null });
  useEffect(() => {
    const body = reportBody(place, days);
    Promise.all([
      send("POST", "/cloud/v1/cost_report/totals", { body }),
      send("POST", "/cloud/v1/cost_report/resources", { body: { ...body, limit: 1000 } }),
    ]).then(
      ([totals, resources]) => setState({ rows: totals.results, resources: resources.results, error: null }),
      (error) => setState((last) => ({ ...last, error })),
    );
  }, [days]);
  const rows = state.rows || [];
  const currency = rows[0]?.currency;
  const show = (value) => money(value, currency);
  return html`<section aria-busy=${String(!state.rows && !state.error)}>
    <header class="head">
      <h1 tabindex="-1">${texts.nouns.costs.many}</h1>
      <nav class="choice" aria-label=${texts.figures.period}>
        ${PERIODS.map((number) => html`<${Link} key=${number} class="button small" aria-current=${number === days ? "true" : undefined} to=${addressOf("costs", "", { days: number })}>${texts.costs.days(number)}<//>`)}
      </nav>
      <div class="actions"><button type="button" class="button" onClick=${() => saveCsv(state.resources)}>${texts.costs.csv}</button></div>
    </header>
    <${ErrorBox} error=${state.error} />
    <p class="price">${show(sum(rows))}</p>
    <div class="columns">
      <${BarChart} title=${texts.costs.byType} bars=${barsOf(rows, (row) => row.type)} format=${show} />
      <${BarChart} title=${texts.costs.byTag} bars=${barsOf(state.resources, (row) => row.last_name || row.ip_address || row.type).slice(0, 15)} format=${show} />
    </div>
    <h2>${texts.costs.lines}</h2>
    <${Table}
      label=${texts.costs.lines}
      columns=${[texts.fields.type, texts.costs.amount, texts.costs.cost]}
      rows=${rows.map((row) => [`${row.type} ${row.flavor || row.volume_type || ""}`, `${row.billing_value} ${row.billing_value_unit}`, show(row.cost)])}
    />
  </section>`;
}

const sum = (rows) => rows.reduce((total, row) => total + (row.cost || 0), 0);

function barsOf(rows, nameOf) {
  const totals = new Map();
  for (const row of rows) totals.set(nameOf(row), (totals.get(nameOf(row)) || 0) + (row.cost || 0));
  return [...totals].map(([name, value]) => ({ name, value })).sort((one, other) => other.value - one.value);
}

/** Save the lines of the report; a value that a spreadsheet would compute is quoted. */
function saveCsv(rows) {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const cell = (value) => `"${String(value ?? "").replace(/^[=+@-]/, "'$&").replaceAll('"', '""')}"`;
  const text = [names, ...rows.map((row) => names.map((name) => row[name]))].map((line) => line.map(cell).join(",")).join("\r\n");
  saveFile(new Blob([text], { type: "text/csv" }), "costs.csv");
}

/** Bars with their names and values, the largest first as they come. */
function BarChart({ title, bars, format }) {
  const top = Math.max(...bars.map((bar) => bar.value), Number.MIN_VALUE);
  return html`<figure class="card">
    <figcaption><strong>${title}</strong></figcaption>
    ${bars.length === 0 && html`<p class="soft">${texts.none}</p>`}
    ${bars.map(
      (bar) => html`<div class="meter" key=${bar.name}>
        <span class="meter-label">${bar.name}</span>
        <svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
          <rect class="track" width="100" height="6" rx="1" />
          <rect class="bar-value" width=${(bar.value / top) * 100} height="6" rx="1" />
        </svg>
        <span class="meter-value">${format(bar.value)}</span>
      </div>`,
    )}
  </figure>`;
}
