// Before submitting: when it would start and be done, and whom it would delay; nothing is changed by asking.
import { collectWish, send } from "./forms.js";
import { isHeld } from "./live.js";
import { formats, language, named, rounded, t } from "./words.js";

const WAIT_MS = 700;
const AGAIN_MS = 15_000; // the queue moves while somebody thinks
const REST = 20; // times as long as an answer took: a forecaster with much to do is asked less often
const COMPARED = [5, 10, 30, 50, 100];
const part = (root, name) => root.querySelector(`[data-would="${name}"]`);

function times(answer) {
  if (!answer.estimate) return null;
  const { start, finish } = answer.estimate;
  return { starts: formats.window(rounded(start[0], start[2])), ends: formats.window(rounded(finish[0], finish[2])) };
}

function unknown(answer) {
  return answer.estimate_state === "rejected" ? answer.decision?.text?.[language] ?? "" : named("expect.unknown", answer.estimate_state);
}

function cost({ preview_gpu_s: preview, gpu_s: whole }) {
  const length = (seconds) => (seconds === null ? "–" : formats.duration(seconds));
  return t("js.would_cost", { preview: length(preview), whole: length(whole) });
}

function delayItem(delay) {
  const item = document.createElement("li");
  const link = document.createElement("a");
  link.href = `/dashboard/jobs/${encodeURIComponent(delay.job)}`;
  link.textContent = delay.role;
  item.append(link, ` ${t("js.for_user", { user: delay.user })} · +${formats.duration(Math.max(1, Math.round(delay.delay_s)))}`);
  return item;
}

function delayWords(answer) {
  const count = answer.delayed ?? answer.delays.length;
  return count ? t("js.would_delay", { count, most: formats.duration(Math.max(1, Math.round(answer.delays[0].delay_s))) }) : t("js.would_delay_nobody");
}

function show(panel, answer) {
  panel.classList.toggle("bad", Boolean(answer.error) || answer.estimate_state === "rejected");
  const found = answer.error ? null : times(answer);
  part(panel, "words").textContent = answer.error
    ? [answer.error.message, answer.error.hint].filter(Boolean).join(" ")
    : found ? t("js.would", found) : answer.cost ? cost(answer.cost) : unknown(answer);
  part(panel, "delays").textContent = answer.error || answer.estimate_state === "rejected" ? "" : delayWords(answer);
  part(panel, "whom").replaceChildren(...(answer.delays ?? []).slice(0, 5).map(delayItem));
}

function mark(form, error) {
  for (const input of form.elements) input.removeAttribute("aria-invalid");
  const field = error?.field && form.elements.namedItem(error.field);
  if (field?.setAttribute) field.setAttribute("aria-invalid", "true"); // the focus stays where somebody types
}

function row(priority, answer, isOwn) {
  const line = document.createElement("tr");
  const found = answer.error ? null : times(answer);
  const cells = [String(priority), found?.starts ?? "–", found?.ends ?? "–", answer.error ? answer.error.message : found ? delayWords(answer) : unknown(answer)];
  cells.forEach((text, index) => {
    const cell = document.createElement(index ? "td" : "th");
    if (!index) cell.scope = "row";
    cell.className = index < 3 ? "num nowrap" : "";
    cell.textContent = text;
    line.append(cell);
  });
  line.classList.toggle("own", isOwn);
  return line;
}

async function compare(panel, form) {
  const wish = collectWish(form);
  const own = wish.priority ?? Number(form.querySelector('input[name="role"]:checked')?.dataset.priority);
  const body = part(panel, "table").tBodies[0];
  body.replaceChildren();
  part(panel, "table").hidden = false;
  for (const priority of [...new Set([...COMPARED, own])].sort((a, b) => a - b)) {
    body.append(row(priority, await send("/jobs/what-if", { ...wish, priority }), priority === own));
  }
}

export function startWhatIf() {
  const panel = document.querySelector("[data-what-if]");
  if (!panel) return;
  const form = panel.closest("form");
  let timer = 0, asked = 0, due = Infinity;
  const ask = async () => {
    const number = ++asked;
    const begun = performance.now();
    const answer = await send("/jobs/what-if", collectWish(form));
    due = performance.now() + Math.max(answer.estimate ? AGAIN_MS : AGAIN_MS / 3, REST * (performance.now() - begun));
    if (number !== asked) return; // the form says something else by now
    show(panel, answer);
    mark(form, answer.error);
    form.dispatchEvent(new CustomEvent("would", { detail: answer }));
  };
  const soon = () => {
    asked += 1;
    clearTimeout(timer);
    timer = setTimeout(ask, WAIT_MS);
    part(panel, "table").hidden = true;
  };
  form.addEventListener("input", soon);
  part(panel, "compare").addEventListener("click", async (event) => {
    event.target.disabled = true;
    await compare(panel, form);
    event.target.disabled = false;
  });
  ask();
  setInterval(() => { if (performance.now() > due && !document.hidden && !isHeld()) { due = Infinity; ask(); } }, 1000);
}
