// The table of a batch: a line per item, how each stands, and the result as a file.
import { formats, language, named, shapes, t } from "./words.js";

const FORMULA = /^[=+\-@\t\r]/; // a spreadsheet would compute what begins so
const COLUMNS = ["source", "number", "name", "role", "priority", "seconds", "job", "state", "video", "error"];

const problem = (error) => [error.text?.[language] || error.message, error.hint].filter(Boolean).join(" ");

function cell(text, look = "", tag = "td") {
  const made = document.createElement(tag);
  made.className = look;
  made.textContent = text ?? "";
  return made;
}

function link(href, text) {
  const made = document.createElement("a");
  made.href = href;
  made.textContent = text;
  return made;
}

function outcome(item) {
  const place = cell("", "outcome");
  if (item.error) place.append(`▲ ${t("js.batch_refused", { message: problem(item.error) })}`);
  if (item.job) {
    const state = item.job.state;
    if (item.error) place.append(" ");
    place.append(link(`/dashboard/jobs/${encodeURIComponent(item.job.id)}`, item.job.id), ` ${shapes[state] ?? ""} ${named("state", state)}`);
    if (state === "RUNNING" && item.job.total_blocks) place.append(` ${item.job.blocks_done}/${item.job.total_blocks}`);
    if (item.job.video) place.append(" · ", link(`${item.job.video}?download=yes`, t("js.batch_video")));
    if (item.isRepeat) place.append(` (${t("js.batch_repeat")})`);
    if (item.job.error_message) place.append(` · ${item.job.error_message}`);
  } else if (!item.error) place.append(`✓ ${t("js.batch_fine")}`, ...(item.warnings?.length ? [` · ◆ ${item.warnings.join(" · ")}`] : []));
  return place;
}

const length = (seconds) => (seconds == null ? "–" : formats.duration(seconds));

function computing(item) {
  const whole = length(item.compute_s);
  return "preview_compute_s" in item ? `${whole} · ${t("js.batch_preview", { length: length(item.preview_compute_s) })}` : whole;
}

export function line(item) {
  const row = document.createElement("tr");
  row.classList.toggle("refused", Boolean(item.error));
  const prompt = cell("", "prompt");
  const words = document.createElement("span");
  words.textContent = item.prompt ?? "";
  words.title = item.prompt ?? "";
  prompt.append(words);
  const name = cell(item.name, "", "th");
  name.scope = "row";
  row.append(
    cell([item.source, item.number].filter(Boolean).join(" "), "small muted"), name, cell(item.role), prompt,
    cell(item.seconds == null ? "" : formats.duration(item.seconds), "num nowrap"), cell(computing(item), "num nowrap"),
    cell(item.priority, "num"), outcome(item),
  );
  return row;
}

// Only what has changed is put in place: somebody may be reading, or have a link in focus.
export function standing(body, items) {
  items.forEach((item, index) => {
    const row = body.rows[index], fresh = outcome(item);
    if (row && row.lastElementChild.textContent !== fresh.textContent) row.lastElementChild.replaceWith(fresh);
  });
}

function record(item) {
  return {
    source: item.source ?? "", number: item.number, name: item.name, role: item.role ?? "", priority: item.priority ?? "", seconds: item.seconds ?? "",
    job: item.job?.id ?? "", state: item.job?.state ?? "", video: item.job?.video ? location.origin + item.job.video : "",
    error: item.error ? problem(item.error) : item.job?.error_message ?? "",
  };
}

function quoted(value) {
  const text = String(value);
  return `"${(FORMULA.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`;
}

export function saved(items, key, kind) {
  const rows = items.map(record);
  const csv = () => `\ufeff${[COLUMNS, ...rows.map((row) => COLUMNS.map((name) => row[name]))].map((row) => row.map(quoted).join(",")).join("\r\n")}\r\n`;
  const text = kind === "csv" ? csv() : JSON.stringify(rows, null, 1);
  const address = URL.createObjectURL(new Blob([text], { type: kind === "csv" ? "text/csv;charset=utf-8" : "application/json" }));
  const made = link(address, "");
  made.download = `batch-${key}.${kind}`;
  made.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
