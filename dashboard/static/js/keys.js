// The keyboard: ? tells, / searches, g and a letter goes somewhere, j and k walk through rows. Never while somebody types.
import { toast } from "./forms.js";
import { t } from "./words.js";

const PLACES = {
  s: "/dashboard", q: "/dashboard/queue/", r: "/dashboard/roles/", j: "/dashboard/jobs", m: "/me", n: "/submit",
  w: "/dashboard/watermark/", p: "/dashboard/plan/", f: "/dashboard/faults/", a: "/dashboard/audit/",
};
const GO_MS = 1500;
let goesUntil = 0;

const isTyping = (target) => target.closest?.("input, textarea, select, [contenteditable], dialog[open]");

function search() {
  const field = document.querySelector('main input[name="text"], main input[type="search"]');
  if (field) field.focus();
  else location.assign("/dashboard/jobs");
}

// The link of each row is what the focus goes to: Enter then opens it, and a screen reader reads the row's beginning.
function walk(step) {
  const links = [...document.querySelectorAll("main tbody tr a[href], main .lane a[href]:not([tabindex])")];
  const rows = [...new Map(links.map((link) => [link.closest("tr, .lane"), link]).reverse()).values()].reverse();
  if (!rows.length) return;
  const row = document.activeElement?.closest("tr, .lane");
  const at = rows.findIndex((link) => link.closest("tr, .lane") === row);
  rows[Math.min(rows.length - 1, Math.max(0, at < 0 ? (step > 0 ? 0 : rows.length - 1) : at + step))].focus();
}

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
  if (performance.now() < goesUntil && PLACES[event.key]) {
    goesUntil = 0;
    event.preventDefault();
    location.assign(PLACES[event.key]);
    return;
  }
  const deeds = { "?": () => document.getElementById("keys").showModal(), "/": search, j: () => walk(1), k: () => walk(-1), g: () => { goesUntil = performance.now() + GO_MS; } };
  if (!deeds[event.key]) return;
  event.preventDefault();
  deeds[event.key]();
}

function startTheme() {
  const button = document.querySelector("[data-theme-switch]");
  button.addEventListener("click", () => {
    const { order } = window.theme;
    const next = order[(order.indexOf(window.theme.chosen()) + 1) % order.length];
    try { localStorage.setItem("theme", next); } catch { /* a browser that keeps nothing */ }
    window.theme.apply();
    button.querySelector("[data-theme-word]").textContent = t(`theme.${next}`);
    toast(t(`theme.${next}`));
  });
}

export function startKeys() {
  document.addEventListener("keydown", pressed);
  document.querySelector("[data-keys-help]").addEventListener("click", () => document.getElementById("keys").showModal());
  startTheme();
}
