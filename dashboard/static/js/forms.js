// Forms that send JSON to the control API; errors appear at the form, at the field that is named.
import { living } from "./swap.js";
import { has, named, t } from "./words.js";

const AFTER = "after-reload", PATIENCE_MS = 800;
const csrf = document.querySelector('meta[name="csrf"]')?.content || "";

export async function send(path, body, key, method = "POST") {
  const headers = { "Content-Type": "application/json", Accept: "application/json" };
  if (csrf) headers["X-CSRF-Token"] = csrf;
  if (key) headers["Idempotency-Key"] = key;
  let response;
  try {
    response = await fetch(path, { method, headers, body: JSON.stringify(body) });
  } catch {
    return { error: { message: t("js.unreachable"), hint: "", field: null } };
  }
  return response.json().catch(() => ({ error: { message: t("js.unreachable"), hint: "", field: null } }));
}

export function toast(text) {
  const place = document.getElementById("toast");
  place.textContent = text;
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => { place.textContent = ""; }, 5000);
}

function hush() {
  clearTimeout(toast.timer);
  document.getElementById("toast").textContent = "";
}

function typed(input) {
  if (input.type === "checkbox") return true; // one that is not ticked is left out
  const kind = input.dataset.type || (input.type === "number" ? "integer" : "text");
  if (kind === "integer" || kind === "number") return Number(input.value);
  return input.value;
}

// Fields → JSON. Names with a dot nest ("context.topic"); empty fields are left out, those of a context stay.
export function collect(form) {
  const body = {};
  for (const input of form.elements) {
    if (!input.name || input.matches(":disabled, button") || (/radio|checkbox/.test(input.type) && !input.checked)) continue;
    const [first, second] = input.name.split(/\.(.*)/);
    if (second) (body[first] ||= {})[second] = input.value;
    else if (input.value !== "") body[first] = typed(input);
  }
  return body;
}

function bodyOf(form) {
  const fixed = form.dataset.fixed ? JSON.parse(form.dataset.fixed) : {};
  if (form.dataset.collect) return { ...fixed, [form.dataset.collect]: withoutEmpty(collect(form)) };
  if (form.dataset.collectFrom) {
    const other = form.closest("section").querySelector("[data-collect]");
    return { ...fixed, [form.dataset.collectFrom]: other ? withoutEmpty(collect(other)) : {} };
  }
  const body = { ...fixed, ...collect(form) };
  if (body.context) body.context = withoutEmpty(body.context);
  return body;
}

// What a form would submit, for those who only ask what would happen.
export const collectWish = (form) => bodyOf(form);

const withoutEmpty = (data) => Object.fromEntries(Object.entries(data).filter(([, value]) => value !== ""));

function showError(form, error) {
  const place = (form.isConnected && form.querySelector(".error")) || document.querySelector("#toast");
  place.hidden = false;
  place.textContent = has(`fail.${error.code}`) ? t(`fail.${error.code}`) : [error.message, error.hint].filter(Boolean).join(" ");
  for (const input of form.elements) input.removeAttribute("aria-invalid");
  const field = error.field && form.elements.namedItem(error.field);
  if (field && field.setAttribute) { field.setAttribute("aria-invalid", "true"); field.focus(); }
}

// Read again from the server, and go on where the form was: its part of the page has the outcome.
function reload(form) {
  const heading = form.closest("[aria-labelledby]")?.getAttribute("aria-labelledby");
  if (heading) sessionStorage.setItem(AFTER, heading);
  location.reload();
}

function goOn() {
  const heading = document.getElementById(sessionStorage.getItem(AFTER) ?? "");
  sessionStorage.removeItem(AFTER);
  if (!heading) return;
  heading.tabIndex = -1;
  heading.focus({ preventScroll: true });
}

// How often a form has asked; an answer to an earlier question must not stand where that to the last belongs.
const turns = new WeakMap();

function begun(form) {
  turns.set(form, (turns.get(form) ?? 0) + 1);
  return turns.get(form);
}

async function submit(form, presser) {
  if (form.dataset.confirm && !window.confirm(t(form.dataset.confirm))) return;
  const body = { ...bodyOf(form), ...(presser?.name ? { [presser.name]: presser.value } : {}) };
  let button = form.querySelector("button");
  const isHeld = button === document.activeElement;
  if (button) button.disabled = true;
  const waiting = presser ? setTimeout(() => toast(t("js.working")), PATIENCE_MS) : 0;
  if ("idempotent" in form.dataset) form.dataset.key ||= crypto.randomUUID?.() || String(Math.random()).slice(2) + Date.now();
  const turn = begun(form);
  const answer = await send(form.dataset.api, body, form.dataset.key);
  clearTimeout(waiting);
  if ("livePreview" in form.dataset && turn !== turns.get(form)) return; // the form says something else by now
  form = living(form);
  button = form.querySelector("button");
  if (button) button.disabled = false;
  if (isHeld && document.activeElement === document.body) button.focus({ preventScroll: true }); // a disabled button loses it
  const place = form.querySelector(".error");
  if (place) place.hidden = true;
  for (const input of form.elements) input.removeAttribute("aria-invalid");
  if (answer.error) { hush(); delete form.dataset.key; showError(form, answer.error); return; }
  if (form.dataset.running && answer.is_running) { toast(t(form.dataset.running)); return; } // it appears by itself
  if (form.dataset.show || form.dataset.showLink) {
    const place = form.querySelector("output");
    place.textContent = form.dataset.showLink ? location.origin + answer[form.dataset.showLink] : answer[form.dataset.show];
    place.parentElement.hidden = false;
    remark(place, answer.warnings);
  }
  else toast(t(form.dataset.done || "js.done", answer.tier ? { ...answer, tier: named("chart", `tier_${answer.tier}`) } : answer));
  if (form.closest("[data-figures]")) form.reset(); // the server writes what came of it in its place
  form.dispatchEvent(new CustomEvent("sent", { bubbles: true, detail: answer }));
  if ("closes" in form.dataset) form.closest("dialog").close();
  if ("reload" in form.dataset) setTimeout(() => reload(form), 600);
  if (form.dataset.go) location.assign(form.dataset.go.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(answer[name])));
}

async function preview(form, role, context, place) {
  const turn = begun(place);
  const answer = await send(`/roles/${encodeURIComponent(role)}/preview`, { context: withoutEmpty(context) });
  if (turn !== turns.get(place)) return;
  place.textContent = answer.error ? ["▲", answer.error.message, answer.error.hint].filter(Boolean).join(" ") : answer.prompt;
  place.classList.toggle("bad", Boolean(answer.error));
  remark(place, answer.warnings);
}

// What looks wrong with a prompt, or is not read, below its preview.
function remark(place, warnings) {
  const list = place.parentElement.querySelector("[data-remarks]");
  if (list) list.replaceChildren(...(warnings || []).map((text) => Object.assign(document.createElement("li"), { textContent: text })));
}

function startSubmitForm(form) {
  const shown = () => form.querySelector("[data-for-role]:not([hidden])");
  let timer = 0;
  const update = () => {
    const part = shown();
    if (part) preview(form, part.dataset.forRole, collect(form).context || {}, part.querySelector("output"));
  };
  const choose = (role) => {
    for (const part of form.querySelectorAll("[data-for-role]")) part.hidden = part.disabled = part.dataset.forRole !== role;
    update();
  };
  form.addEventListener("change", (event) => { if (event.target.name === "role") choose(event.target.value); });
  form.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(update, 350); });
  const chosen = form.querySelector('input[name="role"]:checked'); // perhaps before this script was there
  if (chosen) choose(chosen.value); else update();
}

export function startForms() {
  goOn();
  for (const button of document.querySelectorAll("[data-print-page]")) button.addEventListener("click", () => window.print());
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.dataset.api) return;
    event.preventDefault();
    submit(form, event.submitter);
  });
  for (const form of document.querySelectorAll("[data-submit-job]")) startSubmitForm(form);
  for (const form of document.querySelectorAll("[data-live-preview]")) {
    let timer = 0;
    form.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(() => submit(form), 350); });
    submit(form);
  }
}
