// Asking the server again and again: answers that are slow neither overtake each other nor get lost.
const PATIENCE_MS = 20_000; // an answer that never comes must not keep the next question waiting for ever
const RETRY_MS = 3000;
const rest = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

class Unanswered extends Error {}

// The whole answer to a question. Throws Unanswered where there is none, or where the house cannot tell just now.
export async function get(address, accept = "application/json") {
  let response, text;
  try {
    response = await fetch(address, { headers: { Accept: accept }, signal: AbortSignal.timeout(PATIENCE_MS) });
    text = await response.text();
  } catch (error) {
    throw new Unanswered(address, { cause: error });
  }
  if (response.status >= 500) throw new Unanswered(`${address}: ${response.status}`);
  return { ok: response.ok, text: () => text, json: () => JSON.parse(text) };
}

// → a function that does `work`, one at a time: what is asked for meanwhile is done once, afterwards. What the house did not
// answer is asked again; any other error is the page's own, and is told.
export function inTurn(work, restMs = 0) {
  let isBusy = false, isDue = false;
  return async () => {
    isDue = true;
    if (isBusy) return;
    isBusy = true;
    while (isDue) {
      isDue = false;
      try {
        await work();
        await rest(restMs);
      } catch (error) {
        if (error instanceof Unanswered) isDue = true;
        else reportError(error);
        await rest(RETRY_MS);
      }
    }
    isBusy = false;
  };
}
