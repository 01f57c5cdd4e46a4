// Put a part's new content in the place of the old: what was unfolded stays so, and who walks by keyboard stays where they were.
const STOPS = "a[href], button, summary, input, select, textarea";
const stops = (part) => [...part.querySelectorAll(STOPS)];

export function swap(old, fresh) {
  const held = stops(old).indexOf(document.activeElement);
  const isOpen = [...old.querySelectorAll("details")].map((one) => one.open);
  [...fresh.querySelectorAll("details")].forEach((one, index) => { if (isOpen[index]) one.open = true; });
  old.replaceChildren(...fresh.childNodes);
  if (held >= 0) stops(old)[held]?.focus({ preventScroll: true });
}
