// Parts of a page that the server draws: fetched again when something moves, at most every few seconds, never under the pointer.
import { isHeld, on } from "./live.js";
import { written } from "./scrollers.js";
import { swap } from "./swap.js";
import { get, inTurn } from "./turns.js";

const WAIT_MS = 5000;
let timer = null;

async function page(address) {
  const response = await get(address, "text/html");
  return response.ok ? new DOMParser().parseFromString(await response.text(), "text/html") : null;
}

const renew = inTurn(async () => {
  const parts = [...document.querySelectorAll("[data-renew]")];
  if (document.hidden || isHeld()) return;
  const fresh = await page(location.href);
  for (const part of fresh ? parts : []) {
    const other = fresh.getElementById(part.id);
    if (other && !part.matches(":hover, :focus-within") && written(part) !== other.innerHTML) swap(part, other);
  }
});

const soon = () => { timer ??= setTimeout(() => { timer = null; renew(); }, WAIT_MS); };

const load = (place) => inTurn(async () => {
  const fresh = await page(place.dataset.load);
  if (fresh) place.replaceChildren(...fresh.body.childNodes);
})();

export function startRenew() {
  for (const place of document.querySelectorAll("[data-load]")) load(place);
  if (!document.querySelector("[data-renew]")) return;
  for (const name of ["feed", "order", "expect"]) on(name, soon);
  on("held", (held) => { if (!held) soon(); });
  document.addEventListener("visibilitychange", () => { if (!document.hidden) soon(); });
  setInterval(soon, 15_000); // the line of now moves by itself
}
