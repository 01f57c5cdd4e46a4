// Sending one file of one's own: the body as it is, with progress; an answer, or an error in words.
import { formats, named, t } from "./words.js";

const csrf = document.querySelector('meta[name="csrf"]')?.content || "";
const PICTURE = /\.(png|jpe?g|webp)$/i, SOUND = /\.(wav|flac|mp3|ogg|oga|m4a)$/i;

// "portrait", "voice" or null; only to know where to send it: what it really is, the house finds out.
export function kindOf(file) {
  if (file.type.startsWith("image/") || PICTURE.test(file.name)) return "portrait";
  return file.type.startsWith("audio/") || SOUND.test(file.name) ? "voice" : null;
}

function problem(name, error) {
  const known = named("js.file_problem", error.code);
  const message = document.documentElement.lang === "en" || known === error.code ? [error.message, error.hint].filter(Boolean).join(" ") : known;
  return { error: t("js.own_failed", { name, message }) };
}

// → { file } or { error }. `tell(words, percent)`: how far it is; percent is null while the house looks at it.
export function bring(kind, file, most, tell) {
  if (most && file.size > most) return Promise.resolve({ error: t("js.own_too_large", { name: file.name, size: formats.size(file.size), most: formats.size(most) }) });
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/uploads?kind=${kind}&name=${encodeURIComponent(file.name)}`);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.setRequestHeader("Accept", "application/json");
    if (csrf) request.setRequestHeader("X-CSRF-Token", csrf);
    request.upload.addEventListener("progress", (event) => {
      const percent = Math.round((100 * event.loaded) / Math.max(1, event.total));
      if (percent < 100) tell(t("js.own_sending", { name: file.name, percent }), percent);
    });
    request.upload.addEventListener("load", () => tell(t("js.own_checking", { name: file.name }), null));
    const cut = () => resolve({ error: t("js.own_cut", { name: file.name }) });
    request.addEventListener("error", cut);
    request.addEventListener("abort", cut);
    request.addEventListener("load", () => {
      let answer;
      try { answer = JSON.parse(request.responseText); } catch { cut(); return; }
      resolve(answer.error ? problem(file.name, answer.error) : { file: answer });
    });
    request.send(file);
  });
}

// A zone that takes dropped or chosen files; `take` gets them as an array.
export function zone(place, input, take) {
  const over = (event, is) => { event.preventDefault(); place.classList.toggle("over", is); };
  for (const kind of ["dragenter", "dragover"]) place.addEventListener(kind, (event) => over(event, true));
  place.addEventListener("dragleave", (event) => over(event, false));
  place.addEventListener("drop", (event) => { over(event, false); take([...event.dataTransfer.files]); });
  const chosen = () => { if (input.files.length) take([...input.files]); input.value = ""; };
  input.addEventListener("change", chosen);
  if (input.files.length) setTimeout(chosen); // before this script was there; after whoever calls has put itself together
}
