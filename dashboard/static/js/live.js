// The live connection: the socket where there is one, polling where it is down; what was missed comes first.
import { t } from "./words.js";

const POLL_MS = 2000;
const PATIENCE_MS = 10_000; // with an answer; then it is asked anew
const handlers = new Map();
const rooms = (document.body.dataset.rooms || "pulse").split(",").filter(Boolean);
let seq = Number(document.body.dataset.seq ?? -1); // up to here all that concerns this page has been told
let poller = null; // the present turn of polling
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

// What the house says; the line anew to whoever comes back and by every poll: handlers hear of it when it is another.
const line = new Map();

function isSameLine(name, payload) {
  if (name !== "order" && name !== "place") return false;
  const key = `${name} ${payload.id ?? ""}`, text = JSON.stringify(payload);
  const isSame = line.get(key) === text;
  line.set(key, text);
  return isSame;
}

const hear = (name, payload) => { if (!isSameLine(name, payload)) tell(name, payload); };

function tell(name, payload) {
  if (kept && !free.has(name)) {
    if (kept.length <= MOST_KEPT) kept.push([name, payload]); // more than that: the page is loaded again
    sayHeld();
    return;
  }
  for (const handler of handlers.get(name) || []) handler(payload);
}

function setMode(next) {
  if (next === mode) return;
  mode = next;
  const place = document.querySelector(".mode");
  if (place) { place.dataset.mode = next; place.textContent = t(`mode.${next}`); }
  tell("mode", next);
}

// One question at a time; an answer to an earlier turn is older than what the socket has told since.
async function poll(turn) {
  try {
    const address = `/live.json?rooms=${encodeURIComponent(rooms.join(","))}&since=${seq}`;
    const response = await fetch(address, { headers: { Accept: "application/json" }, signal: AbortSignal.timeout(PATIENCE_MS) });
    if (!response.ok) throw new Error(String(response.status));
    const answer = await response.json();
    if (turn !== poller) return;
    setMode("polling");
    hear("pulse", answer.pulse);
    for (const [name, payload] of answer.messages) hear(name, payload);
    seq = Math.max(seq, answer.seq);
  } catch {
    if (turn === poller) setMode("offline");
  }
  if (turn === poller) setTimeout(poll, POLL_MS, turn);
}

function startPolling() {
  if (poller !== null) return;
  poller = {};
  poll(poller);
}

function stopPolling() {
  poller = null;
}

on("reset", () => location.reload());

export function connect() {
  if (typeof io === "undefined") { startPolling(); return; }
  const socket = io({ transports: ["websocket"], reconnectionDelay: 300, reconnectionDelayMax: 3000, timeout: 4000 });
  socket.on("connect", () => {
    stopPolling();
    socket.timeout(PATIENCE_MS).emit("subscribe", { rooms, since: seq }, (error, answer) => {
      if (error && socket.connected) socket.disconnect().connect();
      if (error) return;
      setMode("live");
      if (seq < 0 && typeof answer?.seq === "number") seq = answer.seq;
    });
  });
  // A pulse comes after all that was told before it: where the line breaks in between, that is told again.
  socket.on("pulse", (payload) => { seq = Math.max(seq, payload.seq); });
  for (const name of ["pulse", "feed", "order", "place", "expect", "reset"]) socket.on(name, (payload) => hear(name, payload));
  socket.on("disconnect", (reason) => {
    startPolling();
    if (reason === "io server disconnect") setTimeout(() => location.reload(), 500); // signed out, or rights changed
  });
  socket.on("connect_error", () => {
    startPolling();
    if (!socket.active) setTimeout(() => socket.connect(), PATIENCE_MS); // refused, which may be for a moment only
  });
}
