// The switch that holds a page still: rows, lists and charts wait, the header goes on.
import { hold, isHeld } from "./live.js";
import { t } from "./words.js";

export function startHold() {
  const button = document.querySelector("[data-hold]");
  if (!button) return;
  const press = () => {
    hold(!isHeld());
    button.setAttribute("aria-pressed", String(isHeld()));
    button.firstElementChild.textContent = t(isHeld() ? "js.go_on" : "js.hold");
    document.body.classList.toggle("held", isHeld());
  };
  button.hidden = false;
  button.addEventListener("click", press);
}
