// Charts from data arrays. Colours and fonts come from the page's tokens; nothing is ever sent anywhere.
import { t } from "./words.js";
import { on } from "./live.js";

const CONFIG = { showSendToCloud: false, plotlyServerURL: "", displaylogo: false, displayModeBar: false, responsive: true };
const KEEP_MS = 3600 * 1000;

const zoned = (ms) => ms + Number(document.documentElement.dataset.offset || 0) * 60000; // Plotly draws UTC
const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const colours = () => [token("--chart-1"), token("--chart-2"), token("--chart-3"), token("--chart-4")];

function layout(data) {
  const axis = { gridcolor: token("--line"), zerolinecolor: token("--line"), linecolor: token("--line"), tickfont: { size: 11 } };
  return {
    margin: { l: 40, r: 10, t: 6, b: 38 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: token("--font") || "sans-serif", color: token("--muted"), size: 12 },
    xaxis: { ...axis, type: "date", ...(data.since ? { range: [zoned(data.since), zoned(data.until)] } : {}) },
    yaxis: { ...axis, rangemode: "tozero", ticksuffix: ` ${data.unit}`, ...(data.range ? { range: data.range } : {}) },
    legend: { orientation: "h", y: 1.14, x: 0, font: { size: 11 } },
    hovermode: "x unified",
    uirevision: "keep",
    showlegend: data.traces.length > 1,
    shapes: data.realtime ? [{ type: "line", xref: "paper", x0: 0, x1: 1, y0: data.realtime, y1: data.realtime, line: { color: token("--amber"), width: 1, dash: "dash" } }] : [],
  };
}

function traces(data) {
  const palette = colours();
  const devices = [...new Set(data.traces.map((trace) => trace.device))];
  return data.traces.map((trace) => ({
    x: trace.x.map(zoned), y: trace.y.slice(), text: trace.text, type: "scatter", connectgaps: false,
    mode: trace.kind === "block_seconds" ? "markers" : "lines",
    name: trace.device ? `${devices.length > 1 ? `${trace.device} ` : ""}${t(`chart.${trace.kind}`)}` : t(`chart.${trace.kind}`),
    line: { color: palette[(devices.indexOf(trace.device) * 2 + (trace.kind === "load" ? 1 : 0)) % palette.length], width: 1.6, dash: trace.dash || "solid" },
    marker: { color: palette[0], size: 5, opacity: 0.75 },
  }));
}

async function draw(place) {
  const response = await fetch(place.dataset.chart, { headers: { Accept: "application/json" } });
  if (!response.ok) return null;
  const data = await response.json();
  await Plotly.react(place, traces(data), layout(data), CONFIG);
  place.dataset.drawn = "yes";
  return data;
}

// New readings are added once per pulse; a range that a person chose is left alone.
function follow(place, data) {
  let lastAt = data.until;
  let isZoomed = false;
  let isOurs = false;
  place.on("plotly_relayout", (change) => { isZoomed ||= !isOurs && "xaxis.range[0]" in change; });
  on("pulse", async (message) => {
    const fresh = message.devices.filter((device) => device.at * 1000 > lastAt);
    if (!fresh.length || document.hidden) return;
    lastAt = Math.max(...fresh.map((device) => device.at * 1000));
    const keys = [], xs = [], ys = [];
    data.traces.forEach((trace, index) => {
      const device = fresh.find((one) => one.device === trace.device);
      if (!device) return;
      const share = device.memory_total_bytes ? (100 * device.memory_used_bytes) / device.memory_total_bytes : null;
      keys.push(index);
      xs.push([zoned(device.at * 1000)]);
      ys.push([trace.kind === "memory" ? share : device.utilization_percent]);
    });
    if (!keys.length) return;
    await Plotly.extendTraces(place, { x: xs, y: ys }, keys, 4000);
    if (isZoomed) return;
    isOurs = true;
    await Plotly.relayout(place, { "xaxis.range": [zoned(Math.max(lastAt - KEEP_MS, data.since)), zoned(lastAt)] });
    isOurs = false;
  });
}

export async function startCharts() {
  if (typeof Plotly === "undefined") return;
  for (const place of document.querySelectorAll("[data-chart]")) {
    const data = await draw(place);
    if (data && place.dataset.chartKind === "devices") follow(place, data);
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const place of document.querySelectorAll("[data-chart]")) draw(place);
  });
}
