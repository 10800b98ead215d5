// Behaviour of the pages. Everything works without it but charts, live progress and trying a prompt.
const root = document.documentElement;

function isDark() {
  return root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

// ---- times: the server writes UTC, the reader sees the local clock
const clock = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
function localise(within) {
  for (const time of within.querySelectorAll("time[datetime]")) time.title = clock.format(new Date(time.dateTime));
}

// ---- charts: each .chart holds its Vega-Lite specification
const drawn = new Map();
const themes = JSON.parse(document.getElementById("themes").textContent);
let library;
function charts() {
  const address = document.querySelector('meta[name="charts"]').content;
  library ??= new Promise((done, failed) => {
    const script = document.createElement("script");
    script.src = address;
    script.onload = done;
    script.onerror = () => failed(new Error("the chart library did not load"));
    document.head.append(script);
  });
  return library;
}
async function draw(place) {
  const data = place.querySelector("script[type='application/json']");
  if (!data) return;
  await charts();
  const spec = JSON.parse(data.textContent);
  const target = place.querySelector(".canvas");
  drawn.get(place)?.finalize();
  const result = await vegaEmbed(target, spec, {
    ast: true, actions: false, renderer: "svg", defaultStyle: false, config: themes[isDark() ? "dark" : "light"],
    tooltip: { disableDefaultStyle: true },
  });
  drawn.set(place, result);
  place.dataset.drawn = "yes";
}
const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    seen.unobserve(entry.target);
    draw(entry.target);
  }
}, { rootMargin: "300px" });
function redraw() {
  for (const place of drawn.keys()) draw(place);
}

// ---- theme
document.addEventListener("click", (event) => {
  const toggle = event.target.closest("[data-toggle-theme]");
  if (!toggle) return;
  root.dataset.theme = isDark() ? "light" : "dark";
  localStorage.setItem("theme", root.dataset.theme);
  redraw();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);

// ---- a step that can't be taken back asks once more
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.confirm && !form.dataset.sure) {
    event.preventDefault();
    const dialog = document.getElementById("confirm");
    dialog.querySelector("p").textContent = form.dataset.confirm;
    dialog.onclose = () => {
      if (dialog.returnValue !== "yes") return;
      form.dataset.sure = "yes";
      form.requestSubmit();
    };
    dialog.returnValue = "";
    dialog.showModal();
    return;
  }
  if (form.method === "post" && !form.hasAttribute("hx-post")) {
    for (const button of form.querySelectorAll("button")) setTimeout(() => (button.disabled = true));
  }
});
addEventListener("pageshow", () => {
  for (const button of document.querySelectorAll("form button[disabled]")) button.disabled = false;
});

// ---- a time zone that nobody has chosen is the reader's own
for (const zones of document.querySelectorAll("[data-own-zone]")) {
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if ([...zones.options].some((each) => each.value === own)) zones.value = own;
}

// ---- choose all of a list, or none
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-choose-all]");
  if (!button) return;
  const boxes = [...document.querySelectorAll(`input[type=checkbox][name="${CSS.escape(button.dataset.chooseAll)}"]`)];
  const all = boxes.some((box) => !box.checked);
  for (const box of boxes) box.checked = all;
});

// ---- what a form has made and is shown once: to read the page anew is no reason to make another
for (const place of document.querySelectorAll("[data-shown-once]")) history.replaceState(null, "", place.dataset.shownOnce);

// ---- copy a snippet
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
  button.textContent = "Copied";
});

// ---- keys: "g" and a letter goes somewhere, "?" lists them
let goes = false;
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select")) return;
  if (document.querySelector("dialog[open]")) return;
  if (event.key === "?") document.getElementById("keys")?.showModal();
  else if (goes) document.querySelector(`[data-key="${CSS.escape(event.key)}"]`)?.click();
  goes = event.key === "g" && !goes;
});

// ---- live progress by server-sent events; a new state of the cycle is a new page
function sayProgress({ stage = "waiting for a worker", step, steps, seconds_left: left }) {
  const parts = [stage];
  if (steps) parts.push(`step ${step} of ${steps}`);
  if (left > 0) parts.push(left < 90 ? `${Math.round(left)} s left` : `${Math.round(left / 60)} min left`);
  return parts.join(", ");
}
function follow(place) {
  const source = new EventSource(place.dataset.events);
  const bar = place.querySelector("progress");
  source.addEventListener("moment", (event) => {
    const { state, progress } = JSON.parse(event.data);
    if (state !== place.dataset.state) return location.reload();
    if (progress.steps) bar.value = progress.step / progress.steps;
    else bar.removeAttribute("value");
    place.querySelector("[data-words]").textContent = sayProgress(progress);
    const stage = place.querySelector("[data-stage]");
    if (progress.stage && stage.textContent !== progress.stage) stage.textContent = progress.stage;
    const rows = (progress.losses ?? []).map(([step, value]) => ({ step, value, series: "training" }));
    const view = drawn.get(place.querySelector(".chart"))?.view;
    if (view && rows.length) view.data("loss", rows).runAsync();
  });
  source.addEventListener("over", () => {
    source.close();
    location.reload();
  });
  // Before, not when the page is left: a reload would call off the way to the page that was asked for.
  addEventListener("beforeunload", () => source.close());
}

// ---- what waits for somebody or something elsewhere: once it is otherwise there, the page is read anew
const WATCH_MS = 4000;
function watch(place) {
  let known;
  async function look() {
    if (document.hidden) return;
    const answer = await fetch(place.dataset.watch).catch(() => null);
    if (!answer?.ok) return;
    const found = await answer.json();
    const now = JSON.stringify([found.state, found.questions, found.comparison?.look]);
    known ??= now;
    if (found.state !== place.dataset.state || now !== known) return location.reload();
    const words = place.querySelector("[data-words]");
    if (!words || !found.progress) return;
    words.textContent = sayProgress(found.progress);
    if (found.progress.steps) place.querySelector("progress").value = found.progress.step / found.progress.steps;
  }
  look();
  setInterval(look, WATCH_MS);
  document.addEventListener("visibilitychange", look);
}

function enliven(within) {
  localise(within);
  for (const place of within.querySelectorAll(".chart")) seen.observe(place);
  for (const place of within.querySelectorAll("[data-events]")) follow(place);
  for (const place of within.querySelectorAll("[data-watch]")) watch(place);
}
document.addEventListener("htmx:load", (event) => event.detail.elt !== document.body && enliven(event.detail.elt));
enliven(document);
