// The job page: state, buttons, why it waits, and the live player.
import { fill, finals, language, linked, t } from "./words.js";
import { on } from "./live.js";
import { patchState } from "./rows.js";
import { startPlayer } from "./player.js";
import { written } from "./scrollers.js";
import { onSituation } from "./situation.js";
import { swap } from "./swap.js";
import { get, inTurn } from "./turns.js";

const root = document.getElementById("job");

function showButtons(job) {
  const held = document.activeElement;
  for (const form of root.querySelectorAll("[data-when]")) {
    const fits = form.dataset.when.split(" ").includes(job.state);
    const paused = "onlyPaused" in form.dataset ? job.is_paused : "unlessPaused" in form.dataset ? !job.is_paused : true;
    form.hidden = !(fits && paused);
  }
  for (const part of root.querySelectorAll("[data-with-video]")) part.hidden = !job.blocks_done;
  for (const part of root.querySelectorAll("[data-when-state]")) part.hidden = part.dataset.whenState !== job.state;
  if (root.contains(held) && held.closest("[hidden]")) { // the button did its work and is gone: the next one, for who walks by keyboard
    const isNext = (one) => !one.closest("[hidden]") && held.compareDocumentPosition(one) & Node.DOCUMENT_POSITION_FOLLOWING;
    ([...root.querySelectorAll("[data-when] button")].find(isNext) ?? root.querySelector("h1 a"))?.focus({ preventScroll: true });
  }
}

function show(job) {
  fill(root, job);
  patchState(root, job);
  showButtons(job);
  if (finals.has(job.state)) root.querySelector("[data-expect-job]").hidden = true;
  const why = root.querySelector("[data-why-full]");
  why.hidden = !job.why;
  why.replaceChildren(...linked(job.why ? job.why.text[language] : ""));
  const more = (job.why?.blockers ?? []).filter((one) => one.is_more);
  const others = root.querySelector("[data-why-more]");
  others.hidden = !more.length;
  others.querySelector("ul").replaceChildren(...more.map((one) => {
    const line = document.createElement("li");
    line.append(...linked(one.text[language]));
    return line;
  }));
  showPlace(job.place?.place, job.place?.of);
}

function showPlace(place, of) {
  const words = root.querySelector("[data-place-words]");
  words.hidden = place == null;
  words.textContent = place == null ? "" : t("js.place", { place, of });
}

const PENDING = '[data-quality="waiting"], [data-quality="measuring"], [data-session="open"], [data-session="joining"], [data-again]';
const QUALITY_MS = 3000; // a turn comes without an event; its end has one
let looking = 0;

// A video that waits for its scores, a session whose other parts go on: look again, while somebody may be reading.
function lookAgain() {
  clearTimeout(looking);
  if (root.querySelector(PENDING)) looking = setTimeout(document.hidden ? lookAgain : refresh, QUALITY_MS);
}

const hasEnded = () => finals.has(root.querySelector(".status [data-state]").dataset.state);

// Full figures again, at most once per second, and once more when something came in between.
const refresh = inTurn(async () => {
  const [job, figures] = await Promise.all([
    get(`/jobs/${root.dataset.job}`), get(`/dashboard/jobs/${root.dataset.job}/figures`, "text/html"),
  ]);
  const found = job.ok ? await job.json() : null;
  if (found && (finals.has(found.state) || !hasEnded())) show(found); // its end may have been told while this was on its way
  if (figures.ok) showFigures(await figures.text());
}, 1000);

// Times, memory and hashes as the server writes them; a part that says the same stays, and what is unfolded stays so.
function showFigures(html) {
  const parts = new DOMParser().parseFromString(html, "text/html");
  for (const fresh of parts.querySelectorAll("[data-figures]")) {
    const old = root.querySelector(`[data-figures="${fresh.dataset.figures}"]`);
    if (!old) continue; // somebody else's video has no such place
    const isOpen = old.querySelector("details")?.open;
    fresh.querySelector("details")?.toggleAttribute("open", Boolean(isOpen)); // so that the same is seen to be the same
    if (written(old) !== fresh.innerHTML) swap(old, fresh);
  }
  lookAgain();
}

export function startJob() {
  if (!root) return;
  refresh();
  const video = root.querySelector("video[data-player]");
  const player = video ? startPlayer(video, root.dataset.final === "yes") : null;
  on("feed", (message) => {
    const card = message.jobs.find((job) => job.id === root.dataset.job);
    if (card) {
      fill(root, card);
      patchState(root, card);
      player?.more(card.blocks_done, finals.has(card.state));
    }
    if (card || message.events.length) refresh();
  });
  root.addEventListener("sent", refresh);
  on("place", (message) => { if (message.id === root.dataset.job) refresh(); });
  onSituation(refresh);
}
