// The faults page: when something happens to a fault, its live part is fetched again; what a person reads below stays.
import { on } from "./live.js";
import { swap } from "./swap.js";
import { get, inTurn } from "./turns.js";

const WAIT_MS = 400;
let timer = null;

const renew = inTurn(async () => {
  const place = document.getElementById("faults-live");
  if (!place || document.hidden) return;
  const response = await get(location.href, "text/html");
  if (!response.ok) return;
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html").getElementById("faults-live");
  if (fresh) swap(place, fresh);
});

const soon = () => { timer ??= setTimeout(() => { timer = null; renew(); }, WAIT_MS); };

export function startFaults() {
  if (document.body.dataset.page !== "faults") return;
  on("feed", (message) => {
    const isOurs = message.events.some((event) => /^(fault|heal|policy):/.test(event.action));
    if (isOurs) soon();
  });
  document.addEventListener("visibilitychange", () => { if (!document.hidden) renew(); });
}
