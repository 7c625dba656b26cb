// What the project has cost: by day, by type and by tag, and as CSV.
import { html, useEffect, useState } from "./vendor/preact.js";
import { get, send } from "./api.js";
import { Link, address, addressOf, addressWith, navigate } from "./addresses.js";
import { lazy } from "./lazy.js";
import { ErrorBox, Field, Table, money, saveFile } from "./parts.js";
import { texts } from "./texts.js";

const BarChart = lazy(() => import("./charts.js"), "BarChart");
const DayChart = lazy(() => import("./charts.js"), "DayChart");
const DAY = 86_400_000;
const COST_DAYS = [1, 7, 30];
const BARS = 15;
const dateOf = (time) => new Date(time).toISOString().slice(0, 10);
const costOf = (rows) => rows.reduce((total, row) => total + (row.cost || 0), 0);

function reportBody(place, from, days) {
  return {
    time_from: `${dateOf(from)}T00:00:00Z`, time_to: `${dateOf(from + days * DAY)}T00:00:00Z`,
    rounding: false, projects: [place.project], regions: [place.region],
  };
}

/** Load the report of the period, its resources, and the costs of each day. */
async function loadCosts(place, days) {
  // The days are those of the cloud's clock.
  const { time } = await get("/ui/session");
  const first = Date.parse(time) - (days - 1) * DAY;
  const report = (path, body) => send("POST", `/cloud/v1/cost_report/${path}`, { body }).then(({ results }) => results);
  const dates = Array.from({ length: days }, (_, at) => first + at * DAY);
  const [lines, resources, ...byDay] = await Promise.all([
    report("totals", reportBody(place, first, days)),
    report("resources", { ...reportBody(place, first, days), limit: 1000 }),
    ...dates.map((date) => report("totals", reportBody(place, date, 1))),
  ]);
  return { lines, resources, days: dates.map((date, at) => ({ name: dateOf(date), value: costOf(byDay[at]) })) };
}

/** The page. */
export function CostsPage({ place }) {
  const { query } = address.value;
  const days = Number(query.get("days")) || COST_DAYS[1];
  const [state, setState] = useState({ data: null, error: null });
  useEffect(() => {
    loadCosts(place, days).then((data) => setState({ data, error: null }), (error) => setState({ data: null, error }));
  }, [days]);
  const { lines = [], resources = [], days: byDay = [] } = state.data || {};
  const show = (value) => money(value, lines[0]?.currency);
  return html`<section aria-busy=${String(!state.data && !state.error)}>
    <header class="head">
      <h1 tabindex="-1">${texts.nouns.costs.many}</h1>
      <nav class="choice" aria-label=${texts.figures.period}>
        ${COST_DAYS.map((number) => html`<${Link} key=${number} class="button small" aria-current=${number === days ? "true" : undefined} to=${addressOf("costs", "", { days: number })}>${texts.costs.days(number)}<//>`)}
      </nav>
      <div class="actions"><button type="button" class="button" onClick=${() => saveCsv(resources)}>${texts.costs.csv}</button></div>
    </header>
    <${ErrorBox} error=${state.error} />
    <p class="price">${show(costOf(lines))}</p>
    <div class="columns">
      ${byDay.length > 1 && html`<${DayChart} days=${byDay} format=${show} />`}
      <${BarChart} title=${texts.costs.byType} bars=${barsOf(lines, (row) => row.type)} format=${show} />
      <${ByTag} resources=${resources} format=${show} />
      <${BarChart} title=${texts.costs.byResource} bars=${barsOf(resources, (row) => row.last_name || row.ip_address || row.type)} format=${show} />
    </div>
    <h2>${texts.costs.lines}</h2>
    <${Table}
      label=${texts.costs.lines}
      columns=${[texts.fields.type, texts.costs.amount, texts.costs.cost]}
      rows=${lines.map((row) => [`${row.type} ${row.flavor || row.volume_type || ""}`, `${Math.round(row.billing_value).toLocaleString("en")} ${row.billing_value_unit}`, show(row.cost)])}
    />
  </section>`;
}

function barsOf(rows, nameOf) {
  const totals = new Map();
  for (const row of rows) totals.set(nameOf(row), (totals.get(nameOf(row)) || 0) + (row.cost || 0));
  const bars = [...totals].map(([name, value]) => ({ name, value })).sort((one, other) => other.value - one.value);
  const rest = bars.slice(BARS);
  return rest.length ? [...bars.slice(0, BARS), { name: texts.costs.rest(rest.length), value: rest.reduce((sum, bar) => sum + bar.value, 0) }] : bars;
}

/** The costs of resources by the value of one of their tags. */
function ByTag({ resources, format }) {
  // The cloud gives each resource the tag of its task, which groups nothing.
  const keys = resources.flatMap((row) => (row.tags || []).map((tag) => tag.key)).filter((name) => name !== "task_id");
  const names = [...new Set(keys)].sort();
  const chosen = address.value.query.get("tag") || names[0] || "";
  const valueOf = (row) => row.tags?.find((tag) => tag.key === chosen)?.value ?? texts.costs.untagged;
  const choice = names.length > 0 &&
    html`<${Field} id="tag" label=${texts.costs.tag}>
      <select id="tag" value=${chosen} onChange=${(event) => navigate(addressWith({ tag: event.target.value }), { replace: true })}>
        ${names.map((name) => html`<option key=${name} value=${name}>${name}</option>`)}
      </select>
    <//>`;
  return html`<${BarChart} title=${texts.costs.byTag} bars=${names.length ? barsOf(resources, valueOf) : []} format=${format}>${choice}<//>`;
}

/** Save the lines of the report, with a column for each tag; a value that a spreadsheet would compute is quoted. */
function saveCsv(rows) {
  const flat = rows.map(({ tags = [], ...row }) => ({ ...row, ...Object.fromEntries(tags.map((tag) => [`tag:${tag.key}`, tag.value])) }));
  const names = [...new Set(flat.flatMap((row) => Object.keys(row)))];
  const cell = (value) => `"${String(value ?? "").replace(/^[=+@\t\r-]/, "'$&").replaceAll('"', '""')}"`;
  const text = [names, ...flat.map((row) => names.map((name) => row[name]))].map((line) => line.map(cell).join(",")).join("\r\n");
  saveFile(new Blob([text], { type: "text/csv" }), "costs.csv");
}
