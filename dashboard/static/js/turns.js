// Asking the server again and again: answers that are slow neither overtake each other nor get lost.
const PATIENCE_MS = 20_000; // an answer that never comes must not keep the next question waiting for ever
const RETRY_MS = 3000;
const rest = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

// The answer to a question. Throws where there is none, or where the house cannot tell just now.
export async function get(address, accept = "application/json") {
  const response = await fetch(address, { headers: { Accept: accept }, signal: AbortSignal.timeout(PATIENCE_MS) });
  if (response.status >= 500) throw new Error(String(response.status));
  return response;
}

// → a function that does `work`, one at a time: what is asked for meanwhile is done once, afterwards. What failed is done again.
export function inTurn(work, restMs = 0) {
  let isBusy = false, isDue = false;
  return async () => {
    isDue = true;
    if (isBusy) return;
    isBusy = true;
    while (isDue) {
      isDue = false;
      const isDone = await work().then(() => true, () => false);
      if (!isDone) isDue = true;
      await rest(isDone ? restMs : RETRY_MS);
    }
    isBusy = false;
  };
}
