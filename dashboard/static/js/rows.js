// Lists of jobs, slots and events, patched in place by their data attributes. Rows are never sorted under the pointer.
import { fill, finals, formats, language, linked, named, shapes, t } from "./words.js";
import { isHeld, on } from "./live.js";
import { pulse } from "./header.js";
import { onSituation } from "./situation.js";
import { get, inTurn } from "./turns.js";

const SLOTS_TOLD = 8; // as many as the pulse tells of

const own = new Set(["paused", "awaiting_consent", "role_unavailable", "retrying", "scheduled", "awaiting_turn", "approval"]);
const find = (selector, root = document) => root.querySelector(selector);
const byJob = (id, root) => root.querySelector(`tr[data-job="${CSS.escape(id)}"]`);

// Why a queued job waits, as the server would say it: its own reason, what holds everybody, the situation.
function why(card) {
  if (card.state !== "QUEUED") return "";
  const now = pulse();
  if (own.has(card.hold)) return named("hold", card.hold);
  if (now?.is_queue_paused) return named("hold", "queue_paused");
  if (now?.slots.length && now.slots.every((slot) => slot.drained)) return named("hold", "slot_drained");
  if (now && !now.slots.some((slot) => slot.state === "ready" || slot.state === "busy")) return named("hold", "no_worker");
  return named("hold", card.hold || "waiting_for_slot");
}

export function patchState(root, card) {
  for (const state of root.querySelectorAll(".state[data-state]")) {
    if (!state.querySelector("[data-state-word]") || state.dataset.state === card.state) continue;
    state.dataset.state = card.state;
    find("[data-shape]", state).textContent = shapes[card.state] || "◌";
    find("[data-state-word]", state).textContent = named("state", card.state);
  }
  for (const bar of root.querySelectorAll("[data-progress]")) {
    bar.setAttribute("aria-valuenow", card.blocks_done);
    bar.setAttribute("aria-valuemax", card.total_blocks);
    bar.firstElementChild.style.width = `${card.total_blocks ? (100 * card.blocks_done) / card.total_blocks : 0}%`;
  }
}

function patchRow(row, card) {
  fill(row, card);
  patchState(row, card);
  for (const link of row.querySelectorAll("[data-href]")) link.href = link.dataset.href.replace("{id}", encodeURIComponent(card.id));
  if (row.dataset.hold !== (card.hold || "") || card.state !== "QUEUED") {
    row.dataset.hold = card.hold || "";
    const place = find("[data-why]", row); // not every list says why
    if (place) { place.textContent = why(card); place.title = ""; }
  }
  const number = find("[data-place]", row);
  if (number && card.state !== "QUEUED") number.textContent = "";
}

function newRow(card) {
  const row = document.getElementById("job-row").content.firstElementChild.cloneNode(true);
  row.dataset.job = card.id;
  row.dataset.hold = " ";
  patchRow(row, card);
  return row;
}

function patchList(table, card, isShown) {
  const body = table.tBodies[0];
  const row = byJob(card.id, body);
  if (isShown && !row) body.append(newRow(card)); // where in line, the order says
  else if (isShown) patchRow(row, card);
  else if (row) row.remove();
  const empty = find("[data-queue-empty]");
  if (empty) empty.hidden = body.rows.length > 0;
}

const VIEW = 50; // as many as the server puts in order
const waitingOrders = new Map();
let lastOrder = []; // and places, as they were told: a row that comes back to where it stood is not told of again
const lastPlaces = new Map();

function reorder(table, order) {
  const body = table.tBodies[0];
  if (table.matches(":hover")) { waitingOrders.set(table, order); return; }
  waitingOrders.delete(table);
  if (order.length >= VIEW) { // a long queue: only its head is shown
    const wanted = new Set(order);
    for (const row of [...body.rows]) if (!wanted.has(row.dataset.job)) row.remove();
  }
  order.forEach((id, index) => {
    const row = byJob(id, body);
    if (!row) return;
    if (body.rows[index] !== row) body.insertBefore(row, body.rows[index] || null);
    find("[data-place]", row).textContent = index + 1;
  });
}

// Per question that is under way, the jobs that messages have told of since: they know better than its answer will.
const underWay = new Set();

async function waiting(user) {
  const told = new Set();
  underWay.add(told);
  try {
    const response = await get(user ? `/queue?user=${encodeURIComponent(user)}` : "/queue");
    return response.ok ? (await response.json()).jobs.map((job) => ({ ...job, isOld: told.has(job.id) })) : [];
  } finally {
    underWay.delete(told);
  }
}

// Why those of a list wait, in the server's words: a person's own list has the whole sentence.
async function renewWhy(table, again) {
  for (const job of await waiting(table.dataset.open)) {
    const row = byJob(job.id, table), place = row && find("[data-why]", row);
    if (job.isOld) whySoon(again);
    if (!place || job.isOld || find(".state[data-state]", row).dataset.state !== "QUEUED") continue;
    row.dataset.hold = job.hold;
    place.title = job.why[language];
    place.replaceChildren(...(table.dataset.open ? linked(job.why[language]) : [named("hold", job.hold)]));
  }
}

const WHY_MS = 1000;
let whyDue = 0;

// A list of few: asked for anew after whatever may have changed a reason, at most once per second.
function whySoon(renew) {
  whyDue ||= setTimeout(() => { whyDue = 0; renew(); }, WHY_MS);
}

async function missingRows(table) {
  const missing = new Set(lastOrder.filter((id) => !byJob(id, table)));
  if (!missing.size) return;
  for (const job of await waiting()) if (missing.has(job.id) && !job.isOld) patchList(table, job, true);
  reorder(table, lastOrder);
}

// Why a slot takes no work, and until when, as the server says it (`drained_why` in macros.html).
function drainedWords(slot) {
  const words = (cause) => {
    if (cause === "person") return t("drained.person");
    if (cause !== "maintenance") return t("drained.fault", { cause: named("cause", cause) });
    const until = slot.drained_until;
    return until ? t("drained.maintenance", { until: formats.window([until, until]) }) : named("cause", cause);
  };
  return (slot.drained_for || []).map((cause) => ` · ${words(cause)}`).join("");
}

function patchSlots(message) {
  const count = message.slots.length;
  if (count && count < SLOTS_TOLD) { // the house may have been started anew with fewer
    for (const card of document.querySelectorAll("[data-slots] [data-slot]")) if (Number(card.dataset.slot) >= count) card.remove();
  }
  for (const slot of message.slots) {
    const card = find(`[data-slot="${slot.slot}"]`);
    if (!card) { if (find("[data-slots]") && message.slots.length) location.reload(); return; }
    card.dataset.state = slot.state;
    find("[data-worker-word]", card).textContent = named("worker", slot.drained ? "drained" : slot.state);
    find("[data-drained-why]", card).textContent = slot.drained ? drainedWords(slot) : "";
    if (!slot.drained_for?.includes("person")) find("[data-drained-by]", card)?.remove(); // who drains it next is told by the next page
    for (const form of card.querySelectorAll("[data-when-drained]")) form.hidden = form.dataset.whenDrained !== String(Boolean(slot.drained));
    for (const part of card.querySelectorAll(".slot-progress, [data-slot-expect]")) part.hidden = !slot.job_id;
    find("[data-phase]", card).textContent = slot.phase && slot.job_id ? ` · ${named("phase", slot.phase)}` : "";
    if (slot.job_id) {
      const done = { blocks_done: slot.block ?? 0, total_blocks: slot.total_blocks ?? 0 };
      fill(card, done);
      patchState(card, done);
    }
    if (slot.role && find("[data-slot-role]", card).textContent !== slot.role) {
      find("[data-slot-role]", card).textContent = slot.role;
      const image = find("[data-portrait]", card);
      image.src = `/roles/${encodeURIComponent(slot.role)}/portrait`;
      image.hidden = false;
    }
    if (card.dataset.job !== (slot.job_id || "")) {
      card.dataset.job = slot.job_id || "";
      const ends = find("[data-slot-expect] [data-expect]", card);
      if (ends) ends.textContent = "–"; // of another job
      const link = find("[data-slot-job]", card);
      if (slot.job_id) link.href = `/dashboard/jobs/${encodeURIComponent(slot.job_id)}`;
      else link.removeAttribute("href");
      link.textContent = owners.has(slot.job_id) ? t("js.for_user", { user: owners.get(slot.job_id) }) : slot.job_id || "";
    }
  }
  for (const device of message.devices) {
    const row = find(`[data-device="${CSS.escape(device.device)}"]`);
    if (!row) continue;
    fill(row, {});
    find("[data-device-load]", row).textContent = device.utilization_percent == null ? "–" : `${Math.round(device.utilization_percent)} %`;
  }
}

// Whose the jobs are that were told of: which of them a slot plays comes with the next pulse.
const owners = new Map();

function runningOnSlot(card) {
  if (finals.has(card.state)) owners.delete(card.id); else owners.set(card.id, card.user);
  for (const slot of document.querySelectorAll(`[data-slot][data-job="${CSS.escape(card.id)}"]`)) {
    fill(slot, card);
    patchState(slot, card);
    find("[data-slot-job]", slot).textContent = t("js.for_user", { user: card.user });
  }
}

// The role that a slot's stage was switched to, which is not always the one that plays.
function setStage(slot, role) {
  const place = find(`[data-slot="${slot}"] [data-slot-stage]`);
  if (!place) return;
  place.textContent = t("js.stage_set", { role });
  place.hidden = false;
}

// ---- events

function aboutNode(object) {
  const [kind, ...rest] = object.split(":");
  const name = rest.join(":");
  const paths = { job: "/dashboard/jobs/", role: "/dashboard/roles/", plan: "/dashboard/plan/?day=", rehearsal: "/dashboard/rehearsals/?number=" };
  if (kind === "slot" && name) return document.createTextNode(t("js.slot", { number: name }));
  if (kind === "user" && name) return document.createTextNode(name);
  if (!paths[kind] || !name) return document.createTextNode(object);
  const link = document.createElement("a");
  link.href = paths[kind] + encodeURIComponent(name);
  link.textContent = name;
  return link;
}

function eventItem(event) {
  const item = document.createElement("li");
  item.dataset.seq = event.seq;
  item.className = event.outcome;
  const time = document.createElement("time");
  time.dateTime = time.title = event.at;
  time.textContent = formats.clock(Date.parse(event.at) / 1000);
  const action = document.createElement("b");
  action.textContent = named("action", event.action);
  const about = document.createElement("span");
  about.className = "about";
  about.append(aboutNode(event.object));
  const detail = document.createElement("span");
  detail.className = "detail";
  detail.textContent = Object.entries(event.body)
    .filter(([, value]) => value != null && value !== "")
    .map(([name, value]) => `${named("field", name)} ${detailOf(name, value)}`)
    .join(" · ");
  item.append(time, " ", action, " ", about, " ", detail);
  return item;
}

function detailOf(name, value) {
  if (name.endsWith("_ms")) return formats.milliseconds(value);
  return typeof value === "number" && !Number.isInteger(value) ? value.toFixed(2) : named(name, value);
}

function addEvent(list, event, isNewestLast) {
  if (find(`[data-seq="${event.seq}"]`, list)) return;
  const limit = Number(list.dataset.events || list.dataset.errors || list.dataset.heals);
  const next = [...list.children].find((item) => (isNewestLast ? item.dataset.seq > event.seq : item.dataset.seq < event.seq));
  list.insertBefore(eventItem(event), next ?? null);
  while (list.children.length > limit) (isNewestLast ? list.firstElementChild : list.lastElementChild).remove();
  const empty = list.nextElementSibling;
  if (empty && (empty.matches(".empty") || empty.querySelector(".empty"))) empty.hidden = true;
}

// The server says it in words, a moment after the event itself has come.
let wordsDue = 0;

function errorWords(list) {
  wordsDue ||= setTimeout(async () => {
    wordsDue = 0;
    const response = await get("/dashboard.json").catch(() => null);
    if (!response?.ok) return;
    for (const error of (await response.json()).recent_errors) {
      const detail = find(`[data-seq="${error.seq}"] .detail`, list);
      if (detail) detail.textContent = [error.message, error.hint].filter(Boolean).join(" ");
    }
  }, 300);
}

function takeEvents(events) {
  for (const event of events) {
    if (event.action === "block:finished") continue; // progress bars show blocks
    if (event.action === "role:switched") setStage(event.body.slot, event.object.slice(5));
    for (const list of document.querySelectorAll("[data-events]")) addEvent(list, event, list.classList.contains("story"));
    if (event.outcome === "failure" && event.action !== "plan:checked") for (const list of document.querySelectorAll("[data-errors]")) { addEvent(list, event, false); errorWords(list); }
    for (const list of document.querySelectorAll("[data-heals]")) if (list.dataset.of.split(" ").includes(event.action)) addEvent(list, event, false);
  }
}

function showPlace(open, id) {
  const row = byJob(id, open);
  if (row && lastPlaces.has(id)) find("[data-place]", row).textContent = lastPlaces.get(id) ?? "";
}

export function startRows() {
  const queue = find("[data-queue]");
  const open = find("[data-open]");
  const renew = inTurn(() => renewWhy(queue ?? open, renew));
  const fillUp = inTurn(() => missingRows(queue));
  on("feed", (message) => {
    let isBack = false;
    for (const card of message.jobs) {
      for (const told of underWay) told.add(card.id);
      isBack ||= queue && card.state === "QUEUED" && !byJob(card.id, queue) && lastOrder.includes(card.id);
      if (queue) patchList(queue, card, card.state === "QUEUED");
      if (open) patchList(open, card, !finals.has(card.state));
      if (!queue && !open) for (const row of document.querySelectorAll(`tr[data-job="${CSS.escape(card.id)}"]`)) patchRow(row, card);
      if (open && card.state === "QUEUED") { showPlace(open, card.id); whySoon(renew); }
      runningOnSlot(card);
    }
    if (isBack) reorder(queue, lastOrder);
    takeEvents(message.events);
  });
  on("pulse", (message) => {
    if (isHeld()) return;
    patchSlots(message);
    const length = find("[data-queue-length]");
    if (length && message.queue_length != null) length.textContent = message.queue_length;
    for (const [table, order] of waitingOrders) reorder(table, order);
  });
  if (queue ?? open) onSituation(renew);
  if (queue) on("order", (message) => { lastOrder = message.order; reorder(queue, lastOrder); fillUp(); });
  if (open) on("place", (message) => {
    lastPlaces.set(message.id, message.place);
    showPlace(open, message.id);
    if (byJob(message.id, open)) whySoon(renew);
  });
}
