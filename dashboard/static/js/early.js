// Runs before the page is drawn: who is faster than the other scripts loses nothing. What was pressed is pressed again for
// them when they are there: a form that the browser cannot send by itself, a button that does nothing without them.
{
  const kept = new Map();
  const keep = (event) => {
    const form = event.type === "submit" ? event.target : null, button = form ? event.submitter : event.target.closest?.('button[type="button"]');
    if (form ? form.hasAttribute("method") : !button) return;
    event.preventDefault();
    kept.set(form ?? button, form ? () => form.requestSubmit(button) : () => button.click());
  };
  for (const name of ["submit", "click"]) addEventListener(name, keep);
  window.early = {
    end() {
      for (const name of ["submit", "click"]) removeEventListener(name, keep);
      for (const press of kept.values()) press();
    },
  };
}

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
