// The header's figures; figures that are old are shown as old within five seconds, whatever the reason.
import { ago, fill, formats, setHouseTime, t } from "./words.js";
import { on } from "./live.js";

const root = document.getElementById("pulse");
let last = null;
let heardAt = 0;

export const pulse = () => last;

function take(message) {
  last = message;
  heardAt = performance.now();
  setHouseTime(message.now);
  fill(root, message);
  for (const bar of root.querySelectorAll("[data-bar]")) {
    const value = message[bar.dataset.bar];
    bar.style.width = `${value ?? 0}%`;
    if (bar.dataset.bar === "memory_percent") bar.dataset.level = message.level; // a device that computes all the time is no alarm
  }
  const level = root.querySelector("[data-level-word]");
  level.dataset.levelWord = message.level;
  level.textContent = t(`level.${message.level}`);
  level.title = t("level.marks", message.marks);
  const wait = root.querySelector("[data-longest]");
  wait.textContent = formats.duration(message.longest_wait_s == null ? null : Math.round(message.longest_wait_s));
  const ends = document.querySelector("[data-pause-words]");
  ends.textContent = [message.pause?.reason, message.pause?.until && t("js.pause_until", { clock: formats.clock(message.pause.until) })].filter(Boolean).join(" · ");
  document.getElementById("queue-paused").hidden = !message.is_queue_paused;
  tell("trouble", message.trouble?.[document.documentElement.lang.slice(0, 2)]);
  const off = message.clock; // the banner is there only for who may do something about it
  tell("clock-off", off && t(`clock.${off.code}`, { off: t(`js.${off.unit}`, off) }));
  for (const form of document.querySelectorAll("[data-when-queue]")) {
    form.hidden = (form.dataset.whenQueue === "paused") !== message.is_queue_paused;
  }
  check();
}

// A banner's sentence; hidden without one. A page need not have the banner.
function tell(id, text) {
  const banner = document.getElementById(id), words = banner?.querySelector("[data-sentence]");
  if (!banner) return;
  banner.hidden = !text;
  if (words.textContent !== (text ?? "")) words.textContent = text ?? "";
}

function check() {
  if (!last) return;
  const since = (performance.now() - heardAt) / 1000;
  const ages = [last.age_s, last.device_age_s].filter((age) => age != null).map((age) => age + since);
  const oldest = last.age_s == null ? Infinity : Math.max(...ages);
  const isStale = oldest > last.stale_after_s - 0.5;
  document.body.classList.toggle("stale", isStale);
  const words = root.querySelector("[data-stale-words]");
  words.hidden = !isStale;
  if (isStale) {
    const text = Number.isFinite(oldest) ? t("header.no_sample", { ago: ago(oldest) }) : t("header.never");
    if (words.textContent !== text) words.textContent = text;
  }
}

const MINE_MS = 15_000;

// The badge at My jobs: mine / all that have not ended.
async function countMine() {
  const badge = document.querySelector("[data-mine]");
  if (!badge || document.hidden) return;
  const ask = (query) => fetch(`/jobs?state=open&per_page=1${query}`, { headers: { Accept: "application/json" } });
  const answers = await Promise.all([ask(`&user=${encodeURIComponent(badge.dataset.mine)}`), ask("")]).catch(() => []);
  if (answers.length < 2 || answers.some((answer) => !answer.ok)) return;
  const [mine, all] = await Promise.all(answers.map((answer) => answer.json()));
  badge.textContent = `${mine.total}/${all.total}`;
}

export function startHeader() {
  setInterval(countMine, MINE_MS);
  take(JSON.parse(root.dataset.first));
  on("pulse", take);
  setInterval(check, 500);
}
