// Many videos at once: bring files, look what each profile would become, submit the good ones or all or nothing, follow them.
import { line, saved, standing } from "./batch_rows.js";
import { bring, kindOf, zone } from "./bring.js";
import { send } from "./forms.js";
import { isHeld } from "./live.js";
import { formats, language, t } from "./words.js";

const AT_A_TIME = 20; // between so many the progress moves, and a broken line loses no more than that
const FOLLOW_MS = 3000;
const said = (error) => [error.text?.[language] || error.message, error.hint].filter(Boolean).join(" ");
const newKey = () => `page-${crypto.randomUUID?.() || String(Math.random()).slice(2)}`;

class Batch {
  constructor(root) {
    Object.assign(this, { root, items: [], brought: {}, key: root.dataset.key || newKey(), timer: 0, turn: 0 });
    this.part = (name) => root.querySelector(`[data-batch-${name}]`);
    this.bar = root.querySelector("progress");
    this.body = this.part("table").tBodies[0];
    zone(root.querySelector("[data-drop]"), root.querySelector("[data-file]"), (files) => this.take(files));
    this.part("look").addEventListener("click", () => this.look([{ name: "pasted.json", text: root.querySelector("[data-paste]").value }]));
    this.part("good").addEventListener("click", () => this.good());
    this.part("all").addEventListener("click", () => this.all());
    this.part("retry").addEventListener("click", () => this.good());
    this.part("csv").addEventListener("click", () => saved(this.items, this.key, "csv"));
    this.part("json").addEventListener("click", () => saved(this.items, this.key, "json"));
    if (root.dataset.before) this.show(JSON.parse(root.dataset.before));
  }

  say(text, look = "") {
    const place = this.part("words");
    place.hidden = !text;
    place.textContent = text;
    place.className = `own-words ${look}`;
  }

  async take(files) {
    const texts = [], media = [];
    for (const file of files) {
      const kind = /\.jsonl?$/i.test(file.name) || file.type === "application/json" ? "json" : kindOf(file);
      if (kind === "json") texts.push({ name: file.name, text: await file.text() });
      else if (kind) media.push([kind, file]);
      else { this.say(t("js.own_wrong_kind", { name: file.name }), "bad"); return; }
    }
    for (const [kind, file] of media) if (!(await this.bring(kind, file))) return;
    if (texts.length) this.texts = texts;
    if (!this.texts) { this.say(t("js.batch_no_profile"), "bad"); return; }
    await this.look(this.texts);
  }

  async bring(kind, file) {
    this.bar.hidden = false;
    const most = Number(this.root.dataset[kind === "portrait" ? "mostPortrait" : "mostVoice"]);
    const answer = await bring(kind, file, most, (words, percent) => {
      this.say(words);
      if (percent === null) this.bar.removeAttribute("value"); else this.bar.value = percent;
    });
    this.bar.hidden = true;
    if (answer.error) { this.say(answer.error, "bad"); return false; }
    this.brought[file.name] = answer.file.sha256;
    return true;
  }

  async look(files) {
    const turn = ++this.turn;
    this.say(t("js.batch_reading", { count: files.length }));
    const answer = await send("/jobs/batch/check", { files, brought: this.brought });
    if (turn !== this.turn) return; // another list was brought, or one is being submitted
    if (answer.error) { this.part("out").hidden = true; this.say(said(answer.error), "bad"); return; }
    this.items = answer.items.map((item) => ({ ...item, job: null }));
    const compute = answer.compute_s == null ? t("js.batch_unknown_time") : t("js.batch_compute", { time: formats.duration(answer.compute_s) });
    this.say(t("js.batch_summary", { good: answer.good, bad: answer.bad, seconds: formats.duration(answer.seconds), compute }), answer.bad ? "" : "good");
    this.draw();
    this.part("out").hidden = this.part("choice").hidden = false;
    this.part("end").hidden = true;
    this.part("good").disabled = !answer.good;
    this.part("all").disabled = !answer.good || answer.bad > 0;
  }

  draw() { this.body.replaceChildren(...this.items.map(line)); }

  // In small parts, one after the other. The key and what an item says make it one job, however often it is sent.
  async good() {
    this.turn += 1;
    const waiting = this.items.filter((item) => !item.error && !item.job), total = waiting.length;
    this.part("choice").hidden = this.part("retry").hidden = true;
    this.bar.hidden = false;
    for (let start = 0; start < total; start += AT_A_TIME) {
      this.bar.value = (100 * start) / total;
      this.say(t("js.batch_sending", { done: start, total }));
      const part = waiting.slice(start, start + AT_A_TIME);
      const answer = await this.sent(part, false);
      if (answer.error) {
        this.bar.hidden = true;
        this.say(`${t("js.batch_broken", { done: start, total })} ${said(answer.error)}`, "bad");
        this.part("retry").hidden = this.part("end").hidden = false;
        return;
      }
    }
    this.finish();
  }

  async all() {
    this.turn += 1;
    this.part("choice").hidden = true;
    const answer = await this.sent(this.items, true);
    if (answer.error) {
      for (const [index, found] of (answer.error.data?.items ?? []).entries()) this.items[index].error = found.error;
      this.draw();
      this.part("choice").hidden = false;
      this.part("good").disabled = !this.items.some((item) => !item.error);
      this.part("all").disabled = true;
      this.say(t("js.batch_nothing", { message: said(answer.error) }), "bad");
      return;
    }
    this.finish();
  }

  async sent(items, isAll) {
    const wish = { items: items.map(({ name, request }) => ({ name, request })), is_all_or_nothing: isAll };
    const answer = await send("/jobs/batch", wish, this.key);
    if (!answer.error) {
      answer.items.forEach((found, index) => Object.assign(items[index], { job: found.job, error: found.error, isRepeat: found.is_repeat }));
      this.draw();
      history.replaceState(null, "", `/submit/batch?key=${encodeURIComponent(this.key)}`);
    }
    return answer;
  }

  finish() {
    this.bar.hidden = true;
    const refused = this.items.filter((item) => item.error).length;
    this.say(t("js.batch_done", { taken: this.items.length - refused, refused }), refused ? "" : "good");
    this.part("end").hidden = false;
    this.part("in").hidden = true;
    this.follow();
  }

  show(batch) {
    this.items = batch.items.map((item, index) => ({ number: index + 1, name: item.name, role: item.role, priority: item.priority, error: null, job: item }));
    this.draw();
    this.part("out").hidden = this.part("end").hidden = false;
    this.standing(batch);
    this.follow();
  }

  follow() {
    clearTimeout(this.timer);
    const look = async () => {
      let isOpen = true;
      if (!isHeld() && !document.hidden) {
        const response = await fetch(`/jobs/batch/${encodeURIComponent(this.key)}`, { headers: { Accept: "application/json" } }).catch(() => null);
        const batch = response?.ok ? await response.json() : null;
        if (batch) isOpen = this.standing(batch) > 0;
      }
      if (isOpen) this.timer = setTimeout(look, FOLLOW_MS);
    };
    this.timer = setTimeout(look, 0);
  }

  standing(batch) {
    const jobs = new Map(batch.items.map((job) => [job.id, job]));
    for (const item of this.items) if (item.job && jobs.has(item.job.id)) item.job = jobs.get(item.job.id);
    standing(this.body, this.items);
    this.bar.hidden = batch.open === 0;
    this.bar.value = (100 * (batch.total - batch.open)) / Math.max(1, batch.total);
    this.say(t("js.batch_standing", batch), batch.open === 0 && batch.failed === 0 ? "good" : "");
    return batch.open;
  }
}

export function startBatch() {
  const root = document.querySelector("[data-batch]");
  if (root) new Batch(root);
}
