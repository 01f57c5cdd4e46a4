// What is wider or longer than its place scrolls; without anything to press inside, the keyboard must be able to reach it.
const PLACES = ".scroll, .story, .log, pre";
const PRESSABLE = "a[href], button, input, select, textarea, summary, [tabindex]";
let frame = null;

function look() {
  frame = null;
  for (const place of document.querySelectorAll(PLACES)) {
    const isLarger = place.scrollWidth > place.clientWidth + 1 || place.scrollHeight > place.clientHeight + 1;
    if (isLarger && !place.querySelector(PRESSABLE)) place.tabIndex = 0;
    else if (place !== document.activeElement) place.removeAttribute("tabindex");
  }
}

// A part's content as the server wrote it, to be compared with what it would write now: without the errors its reader was shown.
export function written(part) {
  const copy = part.cloneNode(true);
  for (const place of copy.querySelectorAll(PLACES)) place.removeAttribute("tabindex");
  for (const place of copy.querySelectorAll("form .error")) { place.hidden = true; place.textContent = ""; }
  for (const field of copy.querySelectorAll("[aria-invalid]")) field.removeAttribute("aria-invalid");
  return copy.innerHTML;
}

const soon = () => { frame ??= requestAnimationFrame(look); };

export function startScrollers() {
  look();
  const here = document.querySelector("nav [aria-current]"), bar = here?.parentElement; // on a telephone the navigation scrolls
  if (bar && bar.scrollWidth > bar.clientWidth) bar.scrollLeft = here.offsetLeft - bar.offsetLeft - (bar.clientWidth - here.offsetWidth) / 2;
  addEventListener("resize", soon);
  document.addEventListener("toggle", look, true); // an unfolded part
  const main = document.querySelector("main");
  if (main) new MutationObserver(soon).observe(main, { childList: true, subtree: true });
}
