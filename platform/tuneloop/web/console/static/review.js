// The review card: a key for each answer, a filter for many, and the time an answer took.
let shownAt = performance.now();

function card() {
  return document.getElementById("card");
}

function usable(button) {
  return button && !button.hidden && !button.disabled;
}

function press(button) {
  if (usable(button)) button.click();
}

function choose(button) {
  const text = document.getElementById("expected");
  if (button.dataset.fill === undefined || !text) return press(button);
  text.value = button.dataset.fill;
  text.focus();
}

document.addEventListener("click", (event) => {
  const offer = event.target.closest("[data-fill]");
  if (offer) choose(offer);
});

// ---- many labels: what is typed filters them, Enter takes the first
function filter(field) {
  const wanted = field.value.trim().toLowerCase().split(/[\s_]+/);
  const buttons = [...document.querySelectorAll("#labels button")];
  const rank = (button) => (button.value.toLowerCase().startsWith(wanted[0]) ? 0 : 1);
  const fits = buttons.filter((button) => wanted.every((word) => button.value.toLowerCase().includes(word)));
  fits.sort((left, right) => rank(left) - rank(right));
  for (const button of buttons) {
    button.hidden = !fits.includes(button);
    button.classList.toggle("first", field.value !== "" && button === fits[0]);
    button.style.removeProperty("order");
  }
  document.querySelector("#labels .none").hidden = fits.length > 0;
  return field.value === "" ? undefined : fits[0];
}
document.addEventListener("input", (event) => event.target.id === "filter" && filter(event.target));

// ---- keys
document.addEventListener("keydown", (event) => {
  if (!card()?.dataset.ready || event.altKey || event.target.closest("dialog")) return;
  const field = event.target.closest("input:not([type=checkbox]), textarea, select");
  if (field) {
    if (event.key === "Escape") field.blur();
    if (event.key === "Enter" && field.id === "filter") {
      event.preventDefault();
      press(filter(field));
    }
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && field.form?.id === "answer") {
      event.preventDefault();
      press(document.querySelector("#answer [data-save]"));
    }
    return;
  }
  if (event.ctrlKey || event.metaKey || event.repeat) return;
  if (event.key === "/") {
    event.preventDefault();
    document.getElementById("filter")?.focus();
    return;
  }
  const key = CSS.escape(event.key.toLowerCase());
  const found = card().querySelector(`[data-choice="${key}"], [data-command="${key}"]`);
  if (!found) return;
  event.preventDefault();
  found.dataset.choice ? choose(found) : press(found);
});

// ---- one answer after the other; a key counts for a card that is shown and wired, never for the one to come
document.addEventListener("htmx:load", () => card() && (card().dataset.ready = "yes"));
document.addEventListener("submit", (event) => {
  const seconds = event.target.elements?.namedItem("seconds");
  if (seconds) seconds.value = ((performance.now() - shownAt) / 1000).toFixed(2);
}, { capture: true });
document.addEventListener("htmx:beforeRequest", () => {
  delete card()?.dataset.ready;
  for (const button of card()?.querySelectorAll("button") ?? []) setTimeout(() => (button.disabled = true));
});
function trouble(words) {
  const place = document.getElementById("trouble");
  place.querySelector("span").textContent = words;
  place.hidden = false;
  card().dataset.ready = "yes";
  for (const button of card().querySelectorAll("button")) button.disabled = false;
}
document.addEventListener("htmx:responseError", (event) => {
  let words = "That did not work.";
  try {
    words = JSON.parse(event.detail.xhr.response).error.message;
  } catch {
    // not one of our answers
  }
  trouble(words);
});
document.addEventListener("htmx:sendError", () => trouble("The server does not answer; try again."));
document.addEventListener("htmx:afterSettle", () => {
  shownAt = performance.now();
  document.getElementById("trouble").hidden = true;
  const now = card();
  now.dataset.ready = "yes";
  document.getElementById("said").textContent = now.dataset.said;
  const first = document.getElementById("filter") ?? document.getElementById("question");
  first?.focus({ preventScroll: true });
});
