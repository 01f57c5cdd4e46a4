// Put a part's new content in the place of the old: what was unfolded stays so, who walks by keyboard stays where they were,
// and what a form holds of its reader (words not sent yet, the error shown to them) goes over to the same form in the new content.
const STOPS = "a[href], button, summary, input, select, textarea";
const stops = (part) => [...part.querySelectorAll(STOPS)];
const isSame = (form) => (other) => other.dataset.api === form.dataset.api && other.dataset.fixed === form.dataset.fixed;
const sameIn = (place, form) => [...place.querySelectorAll("form[data-api]")].find(isSame(form));

// The form that stands where this one stood, when its part was written anew meanwhile; itself where nothing was.
export const living = (form) => (form.isConnected ? form : sameIn(document, form) ?? form);

const isTouched = (field) => (field.options
  ? [...field.options].some((one) => one.selected !== one.defaultSelected)
  : field.value !== field.defaultValue || field.checked !== field.defaultChecked);

function handOver(form, heir) {
  for (const field of form.elements) {
    const other = field.name && field.matches('input:not([type="hidden"]), select, textarea') && heir.elements.namedItem(field.name);
    if (!other?.matches) continue; // several fields of one name (a radio group) stay as the server says
    if (isTouched(field)) { other.value = field.value; other.checked = field.checked; }
    if (field.ariaInvalid) other.ariaInvalid = field.ariaInvalid;
  }
  const error = form.querySelector(".error"), place = heir.querySelector(".error");
  if (error && place && !error.hidden) { place.hidden = false; place.textContent = error.textContent; }
}

export function swap(old, fresh) {
  const held = document.activeElement, at = stops(old).indexOf(held);
  const caret = held?.selectionStart != null ? [held.selectionStart, held.selectionEnd] : null;
  const isOpen = [...old.querySelectorAll("details")].map((one) => one.open);
  [...fresh.querySelectorAll("details")].forEach((one, index) => { if (isOpen[index]) one.open = true; });
  for (const form of old.querySelectorAll("form[data-api]")) {
    const heir = sameIn(fresh, form);
    if (heir) handOver(form, heir);
  }
  old.replaceChildren(...fresh.childNodes);
  if (at < 0) return;
  const next = stops(old)[at];
  next?.focus({ preventScroll: true });
  if (caret && next?.value === held.value) next.setSelectionRange(...caret);
}
