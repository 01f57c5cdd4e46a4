// What spoilt a video: looked for when it is asked for, since that takes the house some seconds.
import { named, t } from "./words.js";

const marks = { sound: "✓", suspect: "◆", cause: "▲", unknown: "?" };
const spoken = (said, name) => (document.documentElement.lang.startsWith("zh") ? said[`${name}_zh`] ?? said.zh : said[name]);

function made(kind, text, looks = "") {
  const element = document.createElement(kind);
  element.textContent = text;
  element.className = looks;
  return element;
}

function item(one) {
  const row = document.createElement("li");
  const word = made("b", `${marks[one.verdict]} ${named("js.diagnosis.verdict", one.verdict)}`, "score");
  word.dataset.word = { sound: "good", suspect: "look", cause: "bad" }[one.verdict] ?? "unknown";
  row.append(word, " ", made("span", `${named("js.diagnosis.branch", one.branch)} · ${spoken(one, "name")}`), ": ", spoken(one, "text"));
  if (one.verdict === "sound") return row;
  row.append(made("p", `→ ${spoken(one, "remedy")}`));
  const figures = Object.entries(one.evidence).map(([name, value]) => `${name} ${typeof value === "object" ? JSON.stringify(value) : value}`);
  if (one.audit.length) figures.push(`audit ${one.audit.join(", ")}`);
  row.append(made("p", figures.join(" · "), "detail muted small"));
  return row;
}

export function startDiagnosis() {
  const place = document.querySelector("[data-diagnosis]");
  if (!place) return;
  const button = place.querySelector("button");
  const words = place.querySelector("[data-diagnosis-words]");
  const list = place.querySelector("[data-diagnosis-findings]");
  button.addEventListener("click", async () => {
    button.disabled = true;
    words.textContent = t("js.diagnosis.looking");
    list.replaceChildren();
    const response = await fetch(place.dataset.diagnosis, { headers: { Accept: "application/json" } }).catch(() => null);
    const told = await response?.json().catch(() => null);
    button.disabled = false;
    if (!response?.ok) {
      const error = told?.error;
      words.textContent = error ? [error.message, error.hint].filter(Boolean).join(" ") : t("js.diagnosis.unreached");
      return;
    }
    words.textContent = spoken(told, "conclusion");
    list.append(...told.findings.map(item));
  });
}
