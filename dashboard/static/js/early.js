// Runs before the page is drawn: who is faster than the other scripts loses nothing. forms.js sends what was kept.
window.early = {
  forms: new Set(),
  keep(event) {
    if (!event.target.dataset.api) return;
    event.preventDefault();
    window.early.forms.add(event.target);
  },
};
addEventListener("submit", window.early.keep);
