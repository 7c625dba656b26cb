// Charts as SVG, with the same numbers as a text for those who do not see them. They are loaded when they are drawn.
import { html } from "./vendor/preact.js";
import { texts } from "./texts.js";

const WIDTH = 400;
const HEIGHT = 120;

function linePoints(values, top) {
  const step = values.length > 1 ? WIDTH / (values.length - 1) : 0;
  const points = values.map((value, at) => `${(at * step).toFixed(1)},${(HEIGHT - (value / top) * HEIGHT).toFixed(1)}`);
  return values.length === 1 ? `${points[0]} ${WIDTH},${points[0].split(",")[1]}` : points.join(" ");
}

/** Values over time, one line for each field. */
export function LineChart({ title, rows, fields, labels, format }) {
  const series = fields.map((field) => rows.map((row) => row[field] ?? 0));
  const top = Math.max(1, ...series.flat());
  const last = series.map((values, at) => `${labels[at] ? `${labels[at]} ` : ""}${format(values.at(-1))}`).join(", ");
  const summary = texts.figures.summary(title, last, format(top), rows.length);
  return html`<figure class="card">
    <figcaption><strong>${title}</strong> <span class="soft">${last}</span></figcaption>
    <svg class="chart" viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label=${summary}>
      ${[0.25, 0.5, 0.75].map((share) => html`<line key=${share} class="grid" x1="0" x2=${WIDTH} y1=${share * HEIGHT} y2=${share * HEIGHT} />`)}
      ${series.map((values, at) => html`<polyline key=${at} class=${`line line-${at}`} points=${linePoints(values, top)} />`)}
    </svg>
    <p class="soft">${texts.figures.top(format(top))}</p>
  </figure>`;
}

/** A column for each day. */
export function DayChart({ days, format }) {
  const top = Math.max(...days.map((day) => day.value), Number.MIN_VALUE);
  const step = WIDTH / days.length;
  return html`<figure class="card">
    <figcaption><strong>${texts.costs.byDay}</strong> <span class="soft">${texts.figures.top(format(top))}</span></figcaption>
    <svg class="chart" viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label=${days.map((day) => `${day.name}: ${format(day.value)}`).join("; ")}>
      ${days.map(
        (day, at) => html`<rect key=${day.name} class="bar-value" x=${at * step + 1} width=${step - 2} y=${HEIGHT - (day.value / top) * HEIGHT} height=${(day.value / top) * HEIGHT}>
          <title>${day.name}: ${format(day.value)}</title>
        </rect>`,
      )}
    </svg>
    <p class="ends soft"><span>${days[0]?.name}</span><span>${days.at(-1)?.name}</span></p>
  </figure>`;
}

/** Bars with their names and values, the largest first as they come. */
export function BarChart({ title, bars, format, children }) {
  const top = Math.max(...bars.map((bar) => bar.value), Number.MIN_VALUE);
  return html`<figure class="card">
    <figcaption><strong>${title}</strong></figcaption>
    ${children}
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
