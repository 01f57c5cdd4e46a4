// A portrait and a voice of one's own in the form: bring, look at the cut, listen, use another, remove.
import { bring, zone } from "./bring.js";
import { send, toast } from "./forms.js";
import { formats, named, t } from "./words.js";

const moment = (seconds) => formats.window([Math.floor(seconds / 60) * 60, Math.floor(seconds / 60) * 60]);
const warnings = (file) => file.warning_codes.map((code, index) => { const words = named("js.file_warning", code); return words === code ? file.warnings[index] : words; });

function facts(file) {
  const size = formats.size(file.bytes);
  const first = file.kind === "portrait"
    ? t("js.own_portrait_facts", { width: file.width, height: file.height, format: file.format, size })
    : t("js.own_voice_facts", { length: formats.duration(file.seconds), rate: file.rate / 1000, level: file.loudness_db, noise: file.noise_db });
  const lines = [first];
  if (file.kind === "voice") lines.push(t("js.own_voice_video", { video: formats.duration(file.video_s), blocks: file.blocks }));
  lines.push(file.warnings.length ? `◆ ${warnings(file).join(" · ")}` : `✓ ${t("js.own_fine")}`);
  lines.push(file.expires_at ? t("js.own_goes", { at: moment(file.expires_at) }) : t("js.own_used", { count: file.jobs }));
  return lines;
}

async function total() {
  const response = await fetch("/uploads", { headers: { Accept: "application/json" } }).catch(() => null);
  const found = response?.ok ? await response.json() : null;
  if (found) document.querySelector("[data-own-total]").textContent = t("js.own_used_bytes", { used: formats.size(found.used_bytes), quota: formats.size(found.quota_bytes) });
}

class Own {
  constructor(place, form, known) {
    Object.assign(this, { place, form, known, kind: place.dataset.own, number: 0 });
    this.hidden = place.querySelector("input[type=hidden]");
    this.words = place.querySelector(".own-words");
    this.bar = place.querySelector("progress");
    this.shown = place.querySelector(".own-shown");
    this.earlier = place.querySelector("[data-earlier]");
    zone(place.querySelector("[data-drop]"), place.querySelector("[data-file]"), (files) => this.take(files));
    this.earlier.addEventListener("change", (event) => { event.stopPropagation(); this.use(this.known.get(this.earlier.value) || null); });
    place.querySelector("[data-own-back]").addEventListener("click", () => this.use(null));
    place.querySelector("[data-own-remove]").addEventListener("click", () => this.remove());
    this.use(this.known.get(this.hidden.value) || null, true);
  }

  say(text, look = "") {
    this.words.hidden = !text;
    this.words.textContent = text;
    this.words.className = `own-words ${look}`;
  }

  async take(files) {
    if (files.length !== 1) { this.say(t("js.own_one", { count: files.length }), "bad"); return; }
    const [file] = files, number = ++this.number;
    this.bar.hidden = false;
    this.say(t("js.own_sending", { name: file.name, percent: 0 }));
    const answer = await bring(this.kind, file, Number(this.place.dataset.most), (words, percent) => {
      if (number !== this.number) return;
      this.say(words);
      if (percent === null) this.bar.removeAttribute("value"); else this.bar.value = percent;
    });
    if (number !== this.number) return; // another was brought meanwhile
    this.bar.hidden = true;
    if (answer.error) { this.say(answer.error, "bad"); return; }
    const is_new = !this.known.has(answer.file.sha256);
    this.known.set(answer.file.sha256, answer.file);
    if (is_new) this.earlier.append(new Option(`${answer.file.name} · ${formats.size(answer.file.bytes)}`, answer.file.sha256));
    this.earlier.closest("label").hidden = false;
    this.use(answer.file);
    total();
    this.say(t(answer.file.is_known ? "js.own_known" : "js.own_kept", { name: answer.file.name }), "good");
  }

  use(file, isFirst = false) {
    this.file = file;
    this.hidden.value = file ? file.sha256 : "";
    this.earlier.value = this.hidden.value;
    this.shown.hidden = !file;
    if (!isFirst) this.say("");
    if (file) {
      const lines = facts(file).flatMap((line) => [line, document.createElement("br")]);
      this.place.querySelector(".own-facts").replaceChildren(...lines.slice(0, -1));
      if (this.kind === "portrait") this.place.querySelector("img").src = file.content;
      else {
        this.place.querySelector("audio").src = file.content;
        const meter = this.place.querySelector("meter");
        meter.value = file.loudness_db;
        meter.setAttribute("aria-label", `${t("js.own_level")}: ${file.loudness_db} dB`);
      }
      this.frame(null);
    }
    if (!isFirst) this.form.dispatchEvent(new Event("input", { bubbles: true }));
  }

  // The cut as the worker will make it: scaled, then the centre; what is not covered is black.
  frame(picture) {
    const box = this.place.querySelector("[data-frame]");
    if (!box || !this.file) return;
    const image = box.querySelector("img"), old = this.place.querySelector("[data-cut]");
    old?.remove();
    const words = document.createElement("span");
    words.dataset.cut = "";
    words.className = "block muted";
    this.place.querySelector(".own-facts").append(words);
    box.classList.toggle("is-cut", Boolean(picture));
    if (!picture) { box.style.aspectRatio = `${this.file.width} / ${this.file.height}`; image.removeAttribute("style"); words.textContent = t("js.own_frame_unknown"); return; }
    const { width, height, scaled, left, top } = picture;
    box.style.aspectRatio = `${width} / ${height}`;
    Object.assign(image.style, { width: `${(100 * scaled[0]) / width}%`, height: `${(100 * scaled[1]) / height}%`, left: `${(-100 * left) / width}%`, top: `${(-100 * top) / height}%` });
    const covered = Math.min(width, scaled[0]) * Math.min(height, scaled[1]);
    const share = Math.round((100 * covered) / (scaled[0] * scaled[1]));
    words.textContent = t(left < 0 || top < 0 ? "js.own_frame_bars" : "js.own_frame", { width, height, share });
  }

  async remove() {
    if (!this.file || !window.confirm(t("js.own_remove_sure"))) return;
    const answer = await send(`/uploads/${this.file.sha256}`, {}, null, "DELETE");
    if (answer.error) { this.say([answer.error.message, answer.error.hint].filter(Boolean).join(" "), "bad"); return; }
    this.known.delete(this.file.sha256);
    this.earlier.querySelector(`option[value="${this.file.sha256}"]`)?.remove();
    this.use(null);
    total();
    toast(t("js.own_removed"));
  }
}

export function startOwnFiles() {
  const part = document.querySelector("[data-own-files]");
  if (!part?.dataset.ownFiles) return;
  const form = part.closest("form"), known = new Map(JSON.parse(part.dataset.ownFiles).map((file) => [file.sha256, file]));
  const owns = [...part.querySelectorAll("[data-own]")].map((place) => new Own(place, form, known));
  form.addEventListener("would", (event) => { for (const own of owns) own.frame(event.detail.picture || null); });
}
