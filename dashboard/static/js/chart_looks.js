// How charts look: layout and traces for Plotly from our plain data, colours from the page's tokens.
import { t } from "./words.js";

export const zoned = (ms) => ms + Number(document.documentElement.dataset.offset || 0) * 60000; // Plotly draws UTC
const NARROW_PX = 600; // there a legend of many would hide what it explains; the hover says it all
const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const plain = (text) => String(text ?? "").replaceAll("&", "&amp;").replaceAll("<", "&lt;"); // Plotly takes a little markup for such
const colours = () => [1, 2, 3, 4, 5, 6, 7, 8].map((number) => token(`--chart-${number}`));
const EVENT_LOOKS = { // by shape, too: colour alone says nothing
  open: ["x", "--red"], abandoned: ["x", "--red"], recovered: ["circle-open", "--green"], hot: ["triangle-up", "--amber"],
  error: ["diamond", "--red"], ecc: ["square", "--red"],
};

const DOT_LOOKS = {
  inside: ["circle", "--green"], outside: ["x", "--red"],
  good: ["circle", "--green"], look: ["diamond", "--amber"], bad: ["x", "--red"],
};

// Dates in figures: they read alike in every language.
const TICKS = [[null, 60000, "%H:%M:%S\n%m-%d"], [60000, 86400000, "%H:%M\n%m-%d"], [86400000, "M1", "%m-%d\n%Y"], ["M1", null, "%Y-%m"]]
  .map(([from, to, value]) => ({ dtickrange: [from, to], value }));

export function layout(data, range, kind) {
  const axis = { gridcolor: token("--line"), zerolinecolor: token("--line"), linecolor: token("--line"), tickfont: { size: 11 } };
  const line = (at, colour) => ({
    type: "line", xref: "paper", x0: 0, x1: 1, y0: at, y1: at, line: { color: token(colour), width: 1.2, dash: "dash" },
  });
  const now = data.ahead ? [{ type: "line", xref: "x", yref: "paper", x0: zoned(data.until), x1: zoned(data.until), y0: 0, y1: 1, line: { color: token("--muted"), width: 1.4 }, label: { text: t("chart.now"), textposition: "end", textangle: 0, yanchor: "top", xanchor: "left", padding: 4, font: { size: 11, color: token("--muted") } } }] : [];
  const marks = (data.lines || []).filter((mark) => !data.range || mark.at <= data.range[1]).map((mark) => line(mark.at, mark.level === "above" ? "--red" : "--amber"));
  return {
    margin: { l: 46, r: 10, t: 8, b: 34 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: token("--font") || "sans-serif", color: token("--muted"), size: 12 },
    xaxis: kind === "spread" ? { ...axis, type: "category" } : { ...axis, type: "date", range, tickformatstops: TICKS, hoverformat: "%Y-%m-%d %H:%M:%S", showspikes: true, spikemode: "across", spikethickness: 1, spikedash: "dot", spikecolor: token("--muted") },
    yaxis: { ...axis, rangemode: "tozero", ticksuffix: ` ${data.unit}`, nticks: 6, ...(data.range ? { range: data.range } : {}) },
    legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0, font: { size: 11 }, traceorder: "normal" },
    hoverlabel: { bgcolor: token("--card"), bordercolor: token("--line"), font: { color: token("--ink"), size: 12 } },
    hovermode: kind === "spread" ? "closest" : "x unified",
    dragmode: "zoom",
    uirevision: "keep",
    showlegend: kind !== "spread" && data.traces.length + (data.events?.length ? 1 : 0) > 1 && !(data.is_stacked && innerWidth < NARROW_PX),
    shapes: [...marks, ...now, ...(data.realtime ? [line(data.realtime, "--amber")] : [])],
  };
}

function eventTrace(data) {
  const top = data.range ? data.range[1] * 0.97 : null;
  if (!data.events?.length || top === null) return [];
  const looks = data.events.map((event) => EVENT_LOOKS[event.kind] || EVENT_LOOKS.recovered);
  return [{
    x: data.events.map((event) => zoned(event.at)), y: data.events.map(() => top), text: data.events.map((event) => plain(event.text)),
    type: "scatter", mode: "markers", cliponaxis: false, name: t("chart.events"), hovertemplate: "%{text}<extra></extra>",
    marker: { symbol: looks.map(([shape]) => shape), color: looks.map(([, colour]) => token(colour)), size: 9 },
  }];
}

// What is promised of the next half hour: in steps, dashed, never filled, so that nobody takes it for a reading.
function promised(line, words, colour, dash, unit) {
  return {
    x: line.x.map(zoned), y: line.y, type: "scatter", mode: "lines", connectgaps: false, name: words,
    line: { color: colour, width: 1.8, dash, shape: "hv" }, hovertemplate: `%{y:.2f} ${unit}`,
  };
}

function stacked(data) {
  const palette = colours();
  const ahead = data.ahead_line && data.ahead ? [promised(data.ahead_line, t("chart.stack_promised"), token("--ink"), "dash", data.unit)] : [];
  return [...data.traces.map((trace, index) => {
    const colour = trace.owner === "others" ? token("--line") : palette[index % palette.length];
    return {
      x: trace.x.map(zoned), y: trace.y, type: "scatter", mode: "lines", stackgroup: "held", name: plain(trace.name),
      line: { width: 0.6, color: colour }, fillcolor: colour, hovertemplate: "%{y:.2f} GiB",
    };
  }), ...ahead];
}

function lines(data, kind) {
  const palette = colours();
  const devices = [...new Set(data.traces.map((trace) => trace.device))];
  const isDots = kind !== "devices";
  return data.traces.map((trace, index) => {
    const colour = palette[(isDots ? index : devices.indexOf(trace.device) * 2 + (trace.kind.startsWith("load") ? 1 : 0)) % palette.length];
    const words = t(`chart.${trace.kind}`);
    const [symbol, dot] = DOT_LOOKS[trace.kind] || ["circle"];
    const name = trace.device && devices.length > 1 ? `${plain(trace.device)} ${words}` : words;
    if (trace.kind.endsWith("_promised")) return promised(trace, name, colour, trace.dash, data.unit);
    return {
      x: trace.x.map(zoned), y: trace.y.slice(), text: trace.text?.map(plain), type: "scatter", connectgaps: false, mode: isDots ? "markers" : "lines",
      name,
      line: { color: colour, width: 1.6, dash: trace.dash || "solid" }, marker: { color: dot ? token(dot) : colour, symbol, size: 6, opacity: 0.75 },
      hovertemplate: isDots ? `%{y:.2f} ${data.unit} · %{text}<extra></extra>` : "%{y:.0f} %",
    };
  });
}

function boxes(data) {
  const palette = colours();
  return data.traces.map((trace, index) => ({
    type: "box", name: plain(trace.name), y: trace.y, boxpoints: false, line: { width: 1.4, color: palette[index % palette.length] },
    hovertemplate: `%{y:.2f} ${data.unit}`,
  }));
}

export function traces(data, kind) {
  if (kind === "spread") return boxes(data);
  return [...(data.is_stacked ? stacked(data) : lines(data, kind)), ...eventTrace(data)];
}
