// What holds everybody's waiting job (a pause, drained slots, no worker) is no job's event: the pulse alone tells of it.
import { pulse } from "./header.js";
import { isHeld, on } from "./live.js";

function held(message) {
  const slots = message.slots.map((slot) => slot.drained || !["ready", "busy"].includes(slot.state));
  return JSON.stringify([message.is_queue_paused, slots]);
}

// `change` is called when it is not what it was when the server wrote the page: its figures are never newer than its rows.
export function onSituation(change) {
  let before = held(pulse());
  on("pulse", (message) => {
    if (isHeld() || held(message) === before) return;
    before = held(message);
    change();
  });
}
