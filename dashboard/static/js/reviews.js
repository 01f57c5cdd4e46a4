// Notes on a video: marks along the player, a note at the player's position, answers; a press on a mark goes there.
import { formats, t } from "./words.js";

const place = document.querySelector("[data-talk]");
const video = document.querySelector("video[data-player]");
const form = document.querySelector("[data-note-form]");
const moments = document.querySelector("[data-moments]");
const HAIR = 1e-3; // a seek to a frame's first instant may show the one before
let pinned = null; // the moment that the note being written is about; null: where the player is

const part = (name) => form.querySelector(`[data-note-${name}]`);
const field = (name) => form.elements.namedItem(name);
const now = () => (video && Number.isFinite(video.currentTime) ? video.currentTime : 0);

function showMoment() {
  if (moments) moments.querySelector("[data-playhead]").style.left = `${Math.min(100, (100 * now()) / (Number(moments.dataset.whole) || 1))}%`;
  if (!form) return;
  const at = pinned ?? now();
  const isWhole = part("whole").checked || field("answers").value !== "";
  part("at").textContent = formats.moment(at);
  part("here").disabled = part("whole").checked;
  field("video_s").value = isWhole ? "" : String(Math.round(at * 1000) / 1000);
}

function pin() {
  if (field("answers").value !== "" || part("whole").checked) return;
  pinned = now();
  showMoment();
}

function answer(number, name) {
  field("answers").value = number || "";
  part("answers").hidden = !number;
  part("moment").hidden = Boolean(number);
  part("answers-words").textContent = number ? t("js.answer_to", { name }) : "";
  showMoment();
  if (number) field("text").focus();
}

function clear() {
  pinned = null;
  form.reset();
  answer(null);
}

function seek(button) {
  if (!video) return;
  video.pause();
  video.currentTime = Number(button.dataset.seek) + HAIR;
  const note = button.dataset.noteLink && document.getElementById(button.dataset.noteLink);
  if (note) note.focus();
  else video.scrollIntoView({ block: "nearest" });
}

function startForm() {
  part("here").addEventListener("click", () => { pin(); field("text").focus(); });
  part("whole").addEventListener("change", () => { pinned = null; showMoment(); });
  part("plain").addEventListener("click", () => answer(null));
  field("text").addEventListener("focus", () => { if (pinned === null && field("text").value === "") { video?.pause(); pin(); } });
  field("text").addEventListener("blur", () => { if (field("text").value === "") { pinned = null; showMoment(); } });
  form.addEventListener("sent", clear);
}

export function startReviews() {
  if (!place) return;
  for (const name of ["timeupdate", "seeked", "loadedmetadata"]) video?.addEventListener(name, showMoment);
  document.addEventListener("click", (event) => {
    const [goes, answers] = [event.target.closest("[data-seek]"), event.target.closest("[data-answer]")];
    if (goes) seek(goes);
    if (answers && form) answer(answers.dataset.answer, answers.dataset.answerTo);
  });
  moments?.addEventListener("click", (event) => {
    if (event.target.closest("[data-seek]")) return;
    const box = moments.getBoundingClientRect();
    const wanted = ((event.clientX - box.left) / box.width) * Number(moments.dataset.whole);
    const end = video.seekable.length ? video.seekable.end(video.seekable.length - 1) : 0;
    video.currentTime = Math.max(0, Math.min(wanted, end));
  });
  place.addEventListener("sent", (event) => { if (event.target.id === "judge") event.target.reset(); });
  if (form) startForm();
  showMoment();
}
