// The figures of an instance or a load balancer as charts.
import { html, useEffect, useState } from "./vendor/preact.js";
import { send } from "./api.js";
import { lazy } from "./lazy.js";
import { pathOf } from "./nouns.js";
import { ErrorBox, bytes } from "./parts.js";
import { useInterval } from "./stores.js";
import { texts } from "./texts.js";

const LineChart = lazy(() => import("./charts.js"), "LineChart");
const PERIODS = { hour: { time_interval: 1, time_unit: "hour" }, day: { time_interval: 1, time_unit: "day" }, week: { time_interval: 7, time_unit: "day" } };
const REFRESH_SECONDS = 60;
const percent = (value) => `${value.toFixed(0)} %`;
const rate = (value) => `${bytes(value)}/s`;
const CHARTS = [
  ["cpu", ["cpu_util"], percent],
  ["memory", ["memory_util"], percent],
  ["network", ["network_Bps_ingress", "network_Bps_egress"], rate],
];

/** The tab of figures. */
export function Figures({ noun, place, id }) {
  const [period, setPeriod] = useState("hour");
  const [state, setState] = useState({ rows: null, error: null });
  const load = () =>
    send("POST", `${pathOf(noun, place, id)}/metrics`, { query: { limit: 1000 }, body: PERIODS[period] }).then(
      (answer) => setState({ rows: answer.results, error: null }),
      (error) => setState((last) => ({ ...last, error })),
    );
  useEffect(() => void load(), [period]);
  useInterval(REFRESH_SECONDS, load);
  return html`<div class="choice" role="group" aria-label=${texts.figures.period}>
      ${Object.keys(PERIODS).map(
        (name) => html`<button type="button" key=${name} class="button small" aria-pressed=${String(name === period)} onClick=${() => setPeriod(name)}>${texts.figures[name]}</button>`,
      )}
    </div>
    <${ErrorBox} error=${state.error} onRetry=${load} />
    ${!state.rows && !state.error && html`<p class="soft">${texts.loading}</p>`}
    ${state.rows && state.rows.length === 0 && html`<p class="empty">${texts.figures.none}</p>`}
    <div class="columns">
      ${state.rows?.length > 0 &&
      CHARTS.map(([name, fields, format]) => html`<${LineChart} key=${name} title=${texts.figures[name]} rows=${[...state.rows].sort(byTime)} fields=${fields} labels=${fields.map((field) => texts.figures[field])} format=${format} />`)}
    </div>`;
}

const byTime = (one, other) => (one.time < other.time ? -1 : 1);
