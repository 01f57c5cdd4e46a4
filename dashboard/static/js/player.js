// Plays a video while it is being made: appends the growing stream to a MediaSource, a range at a time.
import { t } from "./words.js";

const RETRY_MS = 1500;
const TRIES = 5; // of the finished file, where the server has no seat for one more reader

export function startPlayer(video, isFinal) {
  const url = video.dataset.player;
  const words = document.querySelector("[data-player-words]");
  const empty = document.querySelector("[data-no-video]");
  let buffer = null;
  let source = null;
  let offset = 0;
  let isBusy = false;
  let isDone = isFinal;
  let isWanted = false;
  let isPlain = false;

  const say = (key) => { if (words) words.textContent = key ? t(key) : ""; };
  const reveal = () => { video.hidden = false; if (empty) empty.hidden = true; };

  function plain() { // the finished file: the browser's own player with ranges
    say("");
    isPlain = true;
    let left = TRIES;
    video.onerror = () => { if (left-- > 0) setTimeout(() => video.load(), 4 * RETRY_MS); };
    video.src = url;
    reveal();
  }

  function appended(data) {
    return new Promise((resolve, reject) => {
      buffer.addEventListener("updateend", resolve, { once: true });
      buffer.addEventListener("error", reject, { once: true });
      buffer.appendBuffer(data);
    });
  }

  async function begin(mime) {
    if (!("MediaSource" in window) || !MediaSource.isTypeSupported(mime)) return false;
    source = new MediaSource();
    video.src = URL.createObjectURL(source);
    await new Promise((resolve) => source.addEventListener("sourceopen", resolve, { once: true }));
    buffer = source.addSourceBuffer(mime);
    return true;
  }

  function toFinished() { // goes on at the same moment in the finished file
    const [at, isPlaying] = [video.currentTime, !video.paused];
    plain();
    video.addEventListener("loadedmetadata", () => {
      video.currentTime = Math.min(at, video.duration || at);
      if (isPlaying) video.play().catch(() => {});
    }, { once: true });
  }

  async function step() {
    const response = await fetch(`${url}?from=${offset}`);
    if (response.headers.get("X-Video-State") === "finished") {
      isDone = true;
      toFinished();
      return false;
    }
    if (response.status === 204) return false;
    if (!response.ok) throw new Error(String(response.status));
    if (!buffer && !(await begin(response.headers.get("Content-Type")))) { plain(); isDone = true; return false; }
    const data = await response.arrayBuffer();
    await appended(data);
    offset += data.byteLength;
    reveal();
    if (video.paused && video.currentTime === 0) video.play().catch(() => {});
    return true;
  }

  async function pump() {
    isWanted = true;
    if (isBusy) return;
    isBusy = true;
    try {
      while (isWanted) {
        isWanted = false;
        if (await step()) isWanted = true;
      }
      say(isDone ? "" : "js.growing");
    } catch {
      say("js.player_waits");
      if (!isPlain) setTimeout(pump, RETRY_MS);
    } finally {
      isBusy = false;
    }
  }

  if (isFinal) { if (!video.hidden) plain(); } else if (!video.hidden) pump();
  return {
    more(blocks, isFinalNow) {
      if (isFinalNow && !isDone) { isDone = true; pump(); } else if (blocks > 0 && !isDone) pump();
    },
  };
}
