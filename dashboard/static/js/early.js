// Runs before the page is drawn: who is faster than the other scripts loses nothing. forms.js sends what was kept.
window.early = {
  forms: new Map(),
  keep(event) {
    if (!event.target.dataset.api) return;
    event.preventDefault();
    window.early.forms.set(event.target, event.submitter);
  },
};
addEventListener("submit", window.early.keep);

// The chosen theme, or the machine's own, before anything is drawn.
window.theme = {
  order: ["system", "light", "dark"],
  chosen() { try { return localStorage.getItem("theme") || "system"; } catch { return "system"; } },
  apply() {
    const chosen = window.theme.chosen();
    const isDark = chosen === "dark" || (chosen === "system" && matchMedia("(prefers-color-scheme: dark)").matches);
    document.documentElement.dataset.theme = isDark ? "dark" : "light";
    document.dispatchEvent(new Event("theme"));
  },
};
window.theme.apply();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", window.theme.apply);
