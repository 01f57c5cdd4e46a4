// The day plan: its text is checked, filed, and changed by the press of a button; entries may be filled in.
import { send, toast } from "./forms.js";
import { get } from "./turns.js";
import { t } from "./words.js";

const POLL_MS = 3000;
const FIELDS = { window: "window", length_s: "length", length: "length", preset: "preset", count: "count", fill: "fill" };
const form = document.querySelector("[data-plan]");
const result = () => document.getElementById("plan-result");
const quoted = (value) => (typeof value === "number" ? String(value) : JSON.stringify(value));

// One entry's line in the text, with a field set: flow style as this page and the examples write it. null: not such a line.
function withField(line, name, value) {
  if (!/^\s*-\s*\{.*\}\s*$/.test(line)) return null;
  const field = new RegExp(`(["']?)\\b${name}\\1\\s*:\\s*("[^"]*"|'[^']*'|[^,{}]+)`);
  if (field.test(line)) return line.replace(field, `${name}: ${quoted(value)}`);
  return line.replace(/\}\s*$/, `, ${name}: ${quoted(value)}}`);
}

function takeOver(change) {
  const lines = form.elements.text.value.split("\n");
  let line = lines[change.line - 1] ?? "";
  for (const [field, name] of Object.entries(FIELDS)) {
    if (line === null || change[field] == null) continue;
    line = withField(line, name, change[field]);
  }
  if (line === null || form.elements.kind.value !== "yaml") { toast(t("js.plan_by_hand", { line: change.line })); return false; }
  lines[change.line - 1] = line;
  form.elements.text.value = lines.join("\n");
  return true;
}

function showError(error) {
  const place = form.querySelector(".error");
  place.hidden = !error;
  const hint = error?.hint && !error.message.includes(error.hint) ? error.hint : "";
  place.textContent = error ? [error.message, hint].filter(Boolean).join("\n") : "";
}

let turns = 0;

// `isAnew`: also where the newest check is the one that is shown, since what it says of the filed plan may have changed.
async function renewResult(day, isAnew = false) {
  const turn = ++turns;
  const response = await get(`/dashboard/plan/?day=${encodeURIComponent(day)}`, "text/html").catch(() => null);
  const text = response?.ok ? await response.text() : "";
  if (!text || turn !== turns) return 0; // or a later look is under way, or has come
  const page = new DOMParser().parseFromString(text, "text/html");
  const fresh = page.getElementById("plan-result");
  const number = Number(fresh?.dataset.check);
  if (!fresh || (!isAnew && number === Number(result().dataset.check))) return number;
  if (day !== result().dataset.planDay) { // the text is about another day than the page was: the page is about that one now
    document.getElementById("plan-head").replaceWith(document.adoptNode(page.getElementById("plan-head")));
    history.replaceState(null, "", `?day=${day}`);
    document.title = page.title;
  }
  result().replaceWith(document.adoptNode(fresh));
  return number;
}

const said = (text) => { form.querySelector("[data-plan-status]").textContent = text; };

let waiting = 0;

// A check that takes longer than a request goes on in the house and appears here.
function wait(day, before) {
  said(t("js.plan_running"));
  const look = async () => {
    const mine = waiting, number = await renewResult(day);
    if (mine !== waiting) return; // something else was asked for meanwhile
    if (number > before) said(t("js.plan_checked"));
    else waiting = setTimeout(look, POLL_MS);
  };
  waiting = setTimeout(look, POLL_MS);
}

function dayOf(text) {
  return /^\s*"?date"?\s*[:,;]\s*"?(\d{4}-\d{2}-\d{2})/m.exec(text)?.[1] ?? result().dataset.planDay;
}

// The first row's columns, and what separates them.
function columnsOf(text) {
  const first = text.split("\n", 1)[0];
  const between = [",", ";", "\t"].reduce((best, one) => (first.split(one).length > first.split(best).length ? one : best));
  return [first.split(between).map((name) => name.trim().replace(/^"|"$/g, "").toLowerCase()), between];
}

// Without a date a text is for today, whatever day the page is about: a plan of today's would be replaced unseen.
function lacksDate({ text, kind }) {
  const { planDay, today } = result().dataset;
  const hasDate = kind === "csv" ? columnsOf(text)[0].includes("date") : /^\s*\{?\s*["']?date["']?\s*:/m.test(text);
  return planDay !== today && !hasDate && { message: t("js.plan_no_date", { day: planDay, today }) };
}

async function act(what) {
  const body = { text: form.elements.text.value, kind: form.elements.kind.value };
  const lack = lacksDate(body);
  showError(lack);
  if (lack) { said(""); return; }
  const before = Number(result().dataset.check);
  const buttons = form.querySelectorAll("button");
  for (const button of buttons) button.disabled = true;
  said(t(what === "check" ? "js.plan_checking" : "js.plan_filing"));
  const answer = what === "check" ? await send("/plan/check", body) : await send("/plan", body, null, "PUT");
  for (const button of buttons) button.disabled = false;
  said("");
  showError(answer.error);
  if (answer.error) return;
  clearTimeout(waiting);
  waiting = 0;
  if (what === "file") { await renewResult(answer.day, true); said(t("js.plan_filed", answer)); return; }
  if (answer.is_running) { wait(dayOf(body.text), before); return; }
  const isShown = (await renewResult(answer.day)) > 0;
  said(t(isShown ? "js.plan_checked" : "js.plan_unseen")); // what stands above is the last one then
  if (isShown) result().scrollIntoView({ block: "start" });
}

// A row under the columns that the text has, or the names of those that it lacks.
function addedRow(entry, text) {
  const given = Object.entries(entry).filter(([name, value]) => value !== "" && !(name === "count" && value === 1) && !(name === "quality" && value === "ask"));
  const rows = text.trim() ? text.trimEnd().split("\n") : [given.map(([name]) => name).join(",")];
  const [columns, between] = columnsOf(rows[0]);
  const lacking = given.map(([name]) => name).filter((name) => !columns.includes(name));
  if (lacking.length) return { lacking };
  const day = rows[1]?.split(between)[columns.indexOf("date")] ?? result().dataset.planDay; // the same in all rows
  const cells = columns.map((name) => (name === "date" ? day : entry[name] ?? ""));
  return { text: `${[...rows, cells.join(between)].join("\n")}\n` };
}

function added(entry) {
  const parts = Object.entries(entry).filter(([, value]) => value !== "").map(([name, value]) => `${name}: ${quoted(value)}`);
  return `  - {${parts.join(", ")}}`;
}

function add(source) {
  const value = (name) => source.elements.namedItem(name).value; // `elements.length` is a number
  const number = (name) => (value(name) === "" ? "" : Number(value(name)));
  const entry = {
    role: value("role"), user: value("user"), window: `${value("from")}-${value("to")}`, count: number("count"), length: number("length"),
    fill: value("fill"), preset: value("preset"), priority: number("priority"), quality: value("quality"),
  };
  const text = form.elements.text;
  if (form.elements.kind.value === "csv") {
    const made = addedRow(entry, text.value);
    if (made.lacking) { toast(t("js.plan_no_column", { names: made.lacking.join(", ") })); return; }
    text.value = made.text;
    toast(t("js.plan_added"));
    return;
  }
  text.value = `${text.value.replace(/\s+$/, "")}\n${added(entry)}\n`;
  toast(t("js.plan_added"));
}

export function startPlan() {
  if (!form) return;
  form.addEventListener("submit", (event) => { event.preventDefault(); act(event.submitter?.value || "check"); });
  document.querySelector("[data-plan-add]").addEventListener("submit", (event) => { event.preventDefault(); add(event.target); });
  const chosen = form.querySelector("[data-plan-file]");
  const read = async () => {
    const [file] = chosen.files;
    if (!file) return;
    form.elements.text.value = (await file.text()).replace(/^\ufeff/, "");
    form.elements.kind.value = /\.csv$/i.test(file.name) ? "csv" : "yaml";
  };
  chosen.addEventListener("change", read);
  read(); // one that was chosen before this script was there
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-take-over], [data-take-all]");
    if (!button) return;
    const parts = "takeAll" in button.dataset ? button.closest("section").querySelectorAll("[data-take-over]") : [button];
    const done = [...parts].map((part) => takeOver(JSON.parse(part.dataset.takeOver)));
    if (done.every(Boolean)) toast(t("js.plan_taken"));
  });
}
