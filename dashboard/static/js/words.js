// Words and formats of the scripts; the server has put the words into the page.
const table = JSON.parse(document.getElementById("words")?.textContent || "{}");

export function t(key, data = {}) {
  const text = table[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in data ? String(data[name]) : whole));
}

export const has = (key) => key in table;

// Which of a sentence's two languages this page speaks.
export const language = document.documentElement.lang === "zh-CN" ? "zh" : "en";

// A sentence with the jobs that it names as links.
export function linked(text) {
  return text.split(/\b(j[a-z0-9]{12})\b/).map((part, index) => {
    if (index % 2 === 0) return document.createTextNode(part);
    const link = document.createElement("a");
    link.href = `/dashboard/jobs/${part}`;
    link.textContent = part;
    return link;
  });
}

// An address whose answer has words in it: they come in the page's language, however it was chosen.
export const spoken = (address) => `${address}${address.includes("?") ? "&" : "?"}lang=${document.documentElement.lang}`;

export function named(prefix, name) {
  return table[`${prefix}.${name}`] ?? String(name ?? "");
}

export const shapes = {
  SUBMITTED: "◌", QUEUED: "◌", LEASED: "◔", RUNNING: "●", PREEMPTING: "◑",
  SUCCEEDED: "✓", FAILED: "▲", CANCELLED: "✕", REJECTED: "✕",
};

export const finals = new Set(["SUCCEEDED", "FAILED", "CANCELLED", "REJECTED"]);

let ahead = 0; // seconds that the house's time is ahead of this browser's clock
export const setHouseTime = (now) => { ahead = now - Date.now() / 1000; };

const two = (value) => String(value).padStart(2, "0");

export const formats = {
  percent: (value) => (value == null ? "–" : `${Math.round(value)} %`),
  size(value) {
    if (value == null) return "–";
    const units = ["B", "KiB", "MiB", "GiB"];
    let index = 0;
    while (value >= 1000 && index < 3) { value /= 1024; index += 1; }
    return `${value.toFixed(index === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2)} ${units[index]}`;
  },
  clock(seconds) {
    if (seconds == null) return "–";
    const minutes = Number(document.documentElement.dataset.offset || 0); // the studio's zone, not the browser's
    return new Date(seconds * 1000 + minutes * 60000).toISOString().slice(11, 19);
  },
  duration(seconds) {
    if (seconds == null) return "–";
    if (seconds < 60) return `${seconds < 10 && !Number.isInteger(seconds) ? seconds.toFixed(2) : Math.round(seconds)} s`;
    const whole = Math.round(seconds), hours = Math.floor(whole / 3600), minutes = Math.floor(whole / 60) % 60;
    return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
  },
  milliseconds: (value) => (value < 1000 ? `${Math.round(value)} ms` : formats.duration(value / 1000)),
  moment(seconds) { // of a video, in tenths, as the server writes it
    const tenths = Math.round(10 * seconds), minutes = Math.floor(tenths / 600), rest = tenths % 600;
    const hours = Math.floor(minutes / 60);
    return `${hours ? `${hours}:${two(minutes % 60)}` : minutes}:${two(Math.floor(rest / 10))}.${rest % 10}`;
  },
  verdict: (value) => (value ? named("verdict.word", value) : ""),
  window(ends) { // two whole seconds since 1970, as the server writes them
    if (!ends) return "–";
    const minutes = Number(document.documentElement.dataset.offset || 0);
    const [low, high, now] = [...ends, Date.now() / 1000 + ahead].map((at) => new Date(at * 1000 + minutes * 60000).toISOString());
    const fine = ends.some((at) => at % 60) ? 19 : 16;
    const text = (at, day) => (at.slice(0, 10) === day.slice(0, 10) ? "" : `${at.slice(5, 10)} `) + at.slice(11, fine);
    const [first, last] = [text(low, now), text(high, low)];
    return low === high ? first : `${first}–${last}`;
  },
  plain: (value) => (value == null || value === "" ? "–" : String(value)),
};

// A window rounded outwards as people read it; `dashboard/expectations.py` does the same.
export function rounded(low, high) {
  const step = high - low < 120 ? 5 : 60;
  return [Math.floor(low / step) * step, Math.ceil(high / step) * step];
}

export function ago(seconds) {
  if (seconds < 60) return t("js.seconds", { count: Math.round(seconds) });
  if (seconds < 3600) return t("js.minutes", { count: Math.floor(seconds / 60) });
  return t("js.hours", { count: two(Math.floor(seconds / 3600)) });
}

// Fill every [data-field] below `root` from `data`; text only, never markup.
export function fill(root, data) {
  for (const cell of root.querySelectorAll("[data-field]")) {
    if (!(cell.dataset.field in data)) continue;
    const text = (formats[cell.dataset.format] || formats.plain)(data[cell.dataset.field]);
    if (cell.textContent !== text) cell.textContent = text;
  }
}
