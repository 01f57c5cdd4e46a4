// Asks before something changes for others: what would happen, in the server's words, a reason, yes or no.
import { send, toast } from "./forms.js";
import { spoken, t } from "./words.js";

const dialog = document.getElementById("ask");

// → null for no, else { reason }.
export function ask(title, words, { needsReason = false, isPossible = true } = {}) {
  document.getElementById("ask-title").textContent = title;
  dialog.querySelector("[data-ask-words]").replaceChildren(...words.map((text) => {
    const item = document.createElement("li");
    item.textContent = text;
    return item;
  }));
  const label = dialog.querySelector("[data-ask-reason]");
  const input = label.querySelector("input");
  label.hidden = !needsReason;
  input.required = needsReason && isPossible;
  input.value = "";
  dialog.querySelector("[data-ask-yes]").hidden = !isPossible;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes" ? { reason: input.value } : null), { once: true });
  });
}

const failed = (error) => toast([error.message, error.hint].filter(Boolean).join(" "));

// Another priority: who is passed and who gives way comes first, then the reason.
async function rank(form) {
  const given = form.dataset.rankTo || form.elements.priority?.value;
  const address = spoken(`${form.dataset.rank}/preview${given ? `?priority=${encodeURIComponent(given)}` : ""}`);
  const response = await fetch(address, { headers: { Accept: "application/json" } }).catch(() => null);
  const found = (await response?.json().catch(() => null)) ?? { error: { message: t("js.unreachable") } };
  if (found.error) { failed(found.error); return; }
  const answer = await ask(form.dataset.rankTitle, found.words, { needsReason: true });
  if (!answer) return;
  const done = await send(form.dataset.rank, { priority: found.priority, reason: answer.reason });
  if (done.error) failed(done.error);
  else toast(t("js.priority_set"));
}

async function mute(form) {
  const answer = await ask(form.dataset.muteTitle, [form.dataset.muteWords], { needsReason: true });
  if (!answer) return;
  const done = await send("/faults/mute", { fault: form.dataset.mute, reason: answer.reason });
  if (done.error) failed(done.error);
  else location.reload();
}

async function bulk(form, action) {
  const ids = [...form.querySelectorAll('input[name="ids"]:checked')].map((box) => box.value);
  const found = await send(spoken(form.dataset.bulk), { action, ids, is_sure: false });
  if (found.error) { failed(found.error); return; }
  const wanted = found.jobs.filter((job) => job.can).map((job) => job.id);
  const answer = await ask(found.words[0], found.words.slice(1), { isPossible: wanted.length > 0 });
  if (!answer) return;
  const done = await send(spoken(form.dataset.bulk), { action, ids: wanted, is_sure: true });
  if (done.error) { failed(done.error); return; }
  await ask(done.words[0], done.words.slice(1), { isPossible: false });
  location.reload();
}

function ticks(form) {
  const boxes = [...form.querySelectorAll('input[name="ids"]:not(:disabled)')];
  const count = boxes.filter((box) => box.checked).length;
  form.querySelector("[data-ticked]").textContent = t("js.ticked", { count });
  for (const button of form.querySelectorAll(".bulk button")) button.disabled = count === 0;
  const all = form.querySelector("[data-tick-all]");
  all.checked = count > 0 && count === boxes.length;
  all.indeterminate = count > 0 && count < boxes.length;
}

// One question at a time: who presses twice means it once, and one "yes" is the answer to one question.
let isAsking = false;

async function once(work) {
  if (isAsking) return;
  isAsking = true;
  try { await work(); } finally { isAsking = false; }
}

export function startAsk() {
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.opens) { event.preventDefault(); document.getElementById(form.dataset.opens).showModal(); }
    if (form.dataset.rank) { event.preventDefault(); once(() => rank(form)); }
    if (form.dataset.mute) { event.preventDefault(); once(() => mute(form)); }
    if (form.dataset.bulk) { event.preventDefault(); once(() => bulk(form, event.submitter?.value)); }
  });
  for (const button of document.querySelectorAll("[data-close]")) button.addEventListener("click", () => button.closest("dialog").close());
  for (const form of document.querySelectorAll("[data-bulk]")) {
    if (!form.querySelector("[data-ticked]")) continue;
    form.addEventListener("change", (event) => {
      if ("tickAll" in event.target.dataset) for (const box of form.querySelectorAll('input[name="ids"]:not(:disabled)')) box.checked = event.target.checked;
      ticks(form);
    });
    ticks(form);
  }
}
