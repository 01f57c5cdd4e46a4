// Lists remember the view that a person left, and views that they gave a name; both stay in this browser.
import { t } from "./words.js";

const read = (key) => { try { return JSON.parse(localStorage.getItem(key) || "null"); } catch { return null; } };
const write = (key, value) => { try { localStorage.setItem(key, JSON.stringify(value)); } catch { /* a browser that keeps nothing */ } };

function savedViews(place, name) {
  const key = `views.${name}`;
  const shown = place.querySelector("[data-saved-views]");
  const views = read(key) || {};
  shown.replaceChildren(...Object.entries(views).flatMap(([title, query]) => {
    const link = document.createElement("a");
    link.className = "pill";
    link.href = query;
    link.textContent = `★ ${title}`;
    const remove = document.createElement("button");
    remove.type = "button";
    remove.className = "quiet";
    remove.textContent = "✕";
    remove.setAttribute("aria-label", t("js.forget_view", { title }));
    remove.addEventListener("click", () => { delete views[title]; write(key, views); savedViews(place, name); });
    return [" ", link, remove];
  }));
}

export function startLists() {
  for (const place of document.querySelectorAll("[data-views]")) {
    const name = place.dataset.views;
    write(`last.${name}`, location.search);
    const save = place.querySelector("[data-save-view]");
    if (save) {
      save.hidden = false;
      save.addEventListener("click", () => {
        const title = window.prompt(t("js.view_name"))?.trim().slice(0, 40);
        if (!title) return;
        write(`views.${name}`, { ...read(`views.${name}`), [title]: location.search });
        savedViews(place, name);
      });
    }
    savedViews(place, name);
  }
  for (const link of document.querySelectorAll("[data-last-view]:not([aria-current])")) {
    const last = read(`last.${link.dataset.lastView}`);
    if (typeof last === "string" && last.startsWith("?")) link.href += last;
  }
}
