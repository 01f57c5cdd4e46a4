// The faults page: when something happens to a fault, its live part is fetched again; what a person reads below stays.
import { on } from "./live.js";
import { swap } from "./swap.js";

const WAIT_MS = 400;
let timer = null;

async function renew() {
  timer = null;
  const place = document.getElementById("faults-live");
  if (!place || document.hidden) return;
  const response = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!response.ok) return;
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html").getElementById("faults-live");
  if (fresh) swap(place, fresh);
}

export function startFaults() {
  if (document.body.dataset.page !== "faults") return;
  on("feed", (message) => {
    const isOurs = message.events.some((event) => /^(fault|heal|policy):/.test(event.action));
    if (isOurs && timer === null) timer = setTimeout(renew, WAIT_MS);
  });
  document.addEventListener("visibilitychange", () => { if (!document.hidden) renew(); });
}
