// A job's log: read when it is unfolded, followed while it is wanted, one level and worse.
import { isHeld } from "./live.js";
import { get } from "./turns.js";
import { formats, named } from "./words.js";

const FOLLOW_MS = 2000, NEAR_END_PX = 30;

function item(line) {
  const row = document.createElement("li");
  row.className = line.level === "error" ? "failure" : "";
  const time = document.createElement("time");
  time.textContent = formats.clock(line.at);
  const level = document.createElement("b");
  level.textContent = named("log.level_is", line.level);
  const detail = document.createElement("span");
  detail.className = "detail";
  detail.textContent = [line.process, ...Object.entries(line.more).map(([name, value]) => `${name} ${typeof value === "object" ? JSON.stringify(value) : value}`)].filter(Boolean).join(" · ");
  row.append(time, " ", level, " ", line.text, " ", detail);
  return row;
}

export function startLog() {
  const place = document.querySelector("[data-log]");
  if (!place) return;
  const list = place.querySelector("[data-log-lines]");
  const level = place.querySelector("[data-log-level]");
  let after = 0, turn = 1, reading = 0;

  async function read() {
    if (reading === turn) return; // the lines of two answers to the same question would stand there twice
    const mine = reading = turn;
    const response = await get(`${place.dataset.log}?level=${level.value}&after=${after}`).catch(() => null);
    const answer = response?.ok ? await response.json() : null;
    if (mine !== turn) return; // it was begun anew meanwhile, perhaps with another level
    reading = 0;
    if (!answer) return;
    const { lines, until } = answer;
    after = until;
    const isAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < NEAR_END_PX;
    list.append(...lines.map(item));
    place.querySelector(".empty").hidden = list.children.length > 0;
    if (lines.length && isAtEnd) list.scrollTop = list.scrollHeight; // never the page; who reads further up stays there
  }

  const anew = () => { turn += 1; after = 0; list.replaceChildren(); read(); };
  place.addEventListener("toggle", () => { if (place.open) anew(); });
  level.addEventListener("change", anew);
  setInterval(() => { if (place.open && place.querySelector("[data-log-follow]").checked && !document.hidden && !isHeld()) read(); }, FOLLOW_MS);
}
