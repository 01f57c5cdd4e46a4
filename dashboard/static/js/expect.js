// When jobs are expected to start and to be done: windows in rows, slots and on the job page, patched in place.
import { formats, named, t } from "./words.js";
import { on } from "./live.js";

const basis = (shown) => (shown.runs ? t("expect.basis", { runs: shown.runs }) : named("expect.unknown", shown.estimate_state));

function patch(root, shown) {
  for (const place of root.querySelectorAll("[data-expect]")) {
    const text = formats.window(shown[place.dataset.expect]);
    if (place.textContent !== text) place.textContent = text;
    place.title = basis(shown);
  }
}

function patchJob(shown) {
  const line = document.querySelector("[data-expect-job]");
  if (!line) return;
  line.hidden = shown.estimate_state === "over";
  patch(line, shown);
  for (const part of line.querySelectorAll("[data-expect-part]")) part.hidden = !shown[part.dataset.expectPart];
  line.querySelector("[data-expect-basis]").textContent = basis(shown);
  const moved = shown.moved && t(shown.moved.by_s > 0 ? "expect.moved_later" : "expect.moved_sooner", {
    at: formats.clock(shown.moved.at), by: formats.duration(Math.abs(shown.moved.by_s)),
    why: t(`expect.moved.${shown.moved.cause}`, { count: shown.moved.count }),
  });
  line.querySelector("[data-expect-moved]").textContent = moved || "";
}

export function startExpect() {
  const page = document.getElementById("job")?.dataset.job;
  on("expect", (message) => {
    for (const shown of message.jobs) {
      const id = CSS.escape(shown.id);
      for (const row of document.querySelectorAll(`tr[data-job="${id}"], [data-slot][data-job="${id}"]`)) patch(row, shown);
      if (shown.id === page) patchJob(shown);
    }
  });
}
