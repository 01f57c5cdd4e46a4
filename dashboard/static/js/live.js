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

function tell(name, payload) {
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
  for (const name of ["pulse", "feed", "order", "place", "reset"]) socket.on(name, (payload) => tell(name, payload));
  socket.on("disconnect", (reason) => {
    startPolling();
    if (reason === "io server disconnect") setTimeout(() => location.reload(), 500); // signed out, or rights changed
  });
  socket.on("connect_error", startPolling);
}
