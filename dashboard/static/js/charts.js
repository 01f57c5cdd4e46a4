// Charts from data arrays. Colours and fonts come from the page's tokens; nothing is ever sent anywhere.
// All charts of a page show the same span: hover and zoom go together, and a chosen zoom outlives live updates.
import { spoken, t } from "./words.js";
import { isHeld, on } from "./live.js";
import { layout, traces, zoned } from "./chart_looks.js";

const CONFIG = { showSendToCloud: false, plotlyServerURL: "", displaylogo: false, displayModeBar: false, responsive: true };
const REFRESH_MS = 60_000;
const PRINT_NAMES = 6; // on paper, a legend of more would leave no room for what it explains
const PRINT_PX = 676; // an A4 page between its margins
const charts = []; // { place, data }
let zoom = null; // [from, to] that a person chose
let isOurs = false;

const rangeOf = (data) => zoom || [zoned(data.since), zoned(data.until + (data.ahead || 0))]; // ahead: what is promised is drawn, too

async function fetched(place) {
  const response = await fetch(spoken(place.dataset.chart), { headers: { Accept: "application/json" } }).catch(() => null);
  return response?.ok ? response.json() : null;
}

function show(chart) {
  const { place, data } = chart;
  const isEmpty = !data.traces.some((trace) => trace.x.length);
  const words = place.parentElement.querySelector("[data-chart-empty]");
  if (words) words.hidden = !isEmpty;
  place.parentElement.querySelector("[data-chart-ahead]")?.toggleAttribute("hidden", !data.ahead);
  place.hidden = isEmpty && Boolean(words);
  if (place.hidden) return null;
  return Plotly.react(place, traces(data, place.dataset.chartKind), layout(data, rangeOf(data), place.dataset.chartKind), CONFIG);
}

async function renew(chart) {
  const data = await fetched(chart.place);
  if (!data) return;
  chart.data = data;
  await show(chart);
}

async function add(place) {
  const data = await fetched(place);
  if (!data) { place.dataset.drawn = "failed"; return; }
  const chart = { place, data };
  charts.push(chart);
  await show(chart);
  place.dataset.drawn = "yes";
  if (!place.hidden && place.dataset.chartKind !== "spread") tie(chart); // its axis is no time
}

const isOfTime = (one) => !one.place.hidden && one.place.layout && one.place.dataset.chartKind !== "spread";
const others = (chart) => charts.filter((one) => one !== chart && isOfTime(one));

async function everywhere(change) {
  isOurs = true;
  await Promise.all(charts.filter(isOfTime).map((one) => Plotly.relayout(one.place, change(one))));
  isOurs = false;
}

// Plotly tells a moment as text and takes it as a number.
const milliseconds = (value) => (typeof value === "number" ? value : Date.parse(`${value.replace(" ", "T")}Z`));

function tie(chart) {
  const isByHand = (event) => event.event?.isTrusted; // not one that another chart passed on
  chart.place.on("plotly_hover", (event) => {
    if (isByHand(event) && event.xvals) for (const one of others(chart)) Plotly.Fx.hover(one.place, { xval: milliseconds(event.xvals[0]) });
  });
  chart.place.on("plotly_unhover", (event) => {
    if (isByHand(event)) for (const one of others(chart)) Plotly.Fx.unhover(one.place);
  });
  chart.place.on("plotly_relayout", (change) => {
    if (isOurs || !("xaxis.range[0]" in change)) return;
    zoom = [change["xaxis.range[0]"], change["xaxis.range[1]"]];
    everywhere(() => ({ "xaxis.range": zoom }));
  });
  chart.place.on("plotly_doubleclick", () => {
    zoom = null;
    everywhere((one) => ({ "xaxis.range": rangeOf(one.data) }));
    return false;
  });
}

// New readings are added once per pulse; a range that a person chose is left alone.
function follow(chart) {
  on("pulse", async (message) => {
    const { place, data } = chart;
    if (isHeld() || document.hidden || place.hidden || !place.layout) return;
    const fresh = message.devices.filter((device) => device.at * 1000 > data.until);
    if (!fresh.length) return;
    const span = data.until - data.since;
    data.until = Math.max(...fresh.map((device) => device.at * 1000));
    if (span >= Number(place.dataset.chartMs || 3600_000)) data.since = data.until - span;
    const keys = [], xs = [], ys = [];
    data.traces.forEach((trace, index) => {
      const device = fresh.find((one) => one.device === trace.device);
      if (!device || trace.kind.endsWith("_promised")) return;
      const share = device.memory_total_bytes ? (100 * device.memory_used_bytes) / device.memory_total_bytes : null;
      const value = trace.kind === "memory" ? share : device.utilization_percent;
      keys.push(index);
      xs.push([zoned(device.at * 1000)]);
      ys.push([value]);
      trace.x.push(device.at * 1000);
      if (trace.kind === "memory" || trace.y.length < trace.x.length) trace.y.push(value);
    });
    if (!keys.length) return;
    await Plotly.extendTraces(place, { x: xs, y: ys }, keys, 4000);
    const shapes = layout(data, rangeOf(data), place.dataset.chartKind).shapes; // the line of now goes on
    isOurs = true;
    await Plotly.relayout(place, zoom ? { shapes } : { shapes, "xaxis.range": rangeOf(data) });
    isOurs = false;
  });
}

function refresh() {
  if (isHeld() || document.hidden) return;
  for (const chart of charts) if (chart.data.is_live && (!chart.isFollowed || chart.data.ahead)) renew(chart); // forecasts move
}

function paper(isPrinting) {
  document.documentElement.toggleAttribute("data-print", isPrinting);
  for (const chart of charts) {
    if (chart.place.hidden || !chart.place.layout) continue;
    const size = isPrinting ? { autosize: false, width: PRINT_PX, height: 190 } : { autosize: true };
    Plotly.react(chart.place, traces(chart.data, chart.place.dataset.chartKind), { ...layout(chart.data, rangeOf(chart.data), chart.place.dataset.chartKind), ...size, ...(isPrinting && chart.data.traces.length > PRINT_NAMES ? { showlegend: false } : {}) }, CONFIG);
  }
}

export async function startCharts() {
  const places = [...document.querySelectorAll("[data-chart]")];
  if (!places.length) return;
  if (typeof Plotly === "undefined") {
    for (const place of places) { place.textContent = t("chart.missing"); place.classList.add("empty"); }
    return;
  }
  await Promise.all(places.map(add));
  for (const chart of charts) {
    if (chart.place.dataset.chartKind !== "devices" || !chart.data.is_live || chart.data.until - chart.data.since > 3 * 3600_000) continue;
    chart.isFollowed = true;
    follow(chart);
  }
  setInterval(refresh, REFRESH_MS);
  on("held", (held) => { if (!held) for (const chart of charts) if (chart.data.is_live) renew(chart); });
  document.addEventListener("theme", () => charts.forEach(show));
  addEventListener("beforeprint", () => paper(true));
  addEventListener("afterprint", () => paper(false));
}
