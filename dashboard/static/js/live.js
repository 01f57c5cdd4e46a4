// The live connection: the socket where there is one, polling where it is down; what was missed comes first.
import { t } from "./words.js";

const POLL_MS = 2000;
const handlers = new Map();
const rooms = (document.body.dataset.rooms || "pulse").split(",").filter(Boolean);
let seq = Number(document.body.dataset.seq ?? -1);
let poller = null;
let mode = "connecting";

export function on(name, handler) {
  handlers.set(name, [...(handlers.get(name) || []), handler]);
}

// While a person holds the page still, what happens is kept and shown afterwards; the header's figures go on.
const MOST_KEPT = 400;
const free = new Set(["pulse", "mode", "held"]);
let kept = null;

export const isHeld = () => kept !== null;

export function hold(isHolding) {
  if (isHolding === isHeld()) return;
  const waiting = kept || [];
  kept = isHolding ? [] : null;
  if (!isHolding && waiting.length > MOST_KEPT) { location.reload(); return; }
  if (!isHolding) for (const [name, payload] of waiting) tell(name, payload);
  tell("held", isHolding);
  sayHeld();
}

function sayHeld() {
  const place = document.querySelector("[data-held-count]");
  if (!place) return;
  const count = (kept || []).filter(([name]) => name === "feed").length;
  place.textContent = count ? ` · ${t("js.held_count", { count: count > MOST_KEPT ? `${MOST_KEPT}+` : count })}` : "";
}

function tell(name, payload) {
  if (kept && !free.has(name)) {
    if (name === "feed" && typeof payload.seq === "number") seq = Math.max(seq, payload.seq);
    if (kept.length <= MOST_KEPT) kept.push([name, payload]); // more than that: the page is loaded again
    sayHeld();
    return;
  }
  if (payload && typeof payload.seq === "number" && name === "feed") seq = Math.max(seq, payload.seq);
  for (const handler of handlers.get(name) || []) handler(payload);
}

function setMode(next) {
  if (next === mode) return;
  mode = next;
  const place = document.querySelector(".mode");
  if (place) { place.dataset.mode = next; place.textContent = t(`mode.${next}`); }
  tell("mode", next);
}

async function poll() {
  try {
    const response = await fetch(`/live.json?rooms=${encodeURIComponent(rooms.join(","))}&since=${seq}`, { headers: { Accept: "application/json" } });
    if (!response.ok) throw new Error(String(response.status));
    const answer = await response.json();
    if (poller === null) return;
    setMode("polling");
    tell("pulse", answer.pulse);
    for (const [name, payload] of answer.messages) tell(name, payload);
    if (seq < 0) seq = answer.seq;
  } catch {
    if (poller !== null) setMode("offline");
  }
}

function startPolling() {
  if (poller !== null) return;
  poller = setInterval(poll, POLL_MS);
  poll();
}

function stopPolling() {
  clearInterval(poller);
  poller = null;
}

on("reset", () => location.reload());

export function connect() {
  if (typeof io === "undefined") { startPolling(); return; }
  const socket = io({ transports: ["websocket"], reconnectionDelay: 300, reconnectionDelayMax: 3000, timeout: 4000 });
  socket.on("connect", () => {
    socket.emit("subscribe", { rooms, since: seq }, (answer) => {
      stopPolling();
      setMode("live");
      if (seq < 0 && typeof answer?.seq === "number") seq = answer.seq;
    });
  });
  for (const name of ["pulse", "feed", "order", "place", "expect", "reset"]) socket.on(name, (payload) => tell(name, payload));
  socket.on("disconnect", (reason) => {
    startPolling();
    if (reason === "io server disconnect") setTimeout(() => location.reload(), 500); // signed out, or rights changed
  });
  socket.on("connect_error", startPolling);
}
