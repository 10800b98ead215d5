// Time spent on a client: a beat every half minute while the page is looked at and used, and one when it is left.
const EVERY = 30_000;
const QUIET = 60_000;
const { work, activity } = document.body.dataset;
const token = JSON.parse(document.body.getAttribute("hx-headers") ?? "{}")["X-CSRF-Token"];
let usedAt = -Infinity;
let beatAt = -Infinity;

function beat() {
  beatAt = performance.now();
  return fetch(work, {
    method: "POST",
    keepalive: true,
    headers: { "Content-Type": "application/json", "X-CSRF-Token": token },
    body: JSON.stringify({ activity }),
  }).catch(() => undefined); // the next beat says it too
}
function used() {
  usedAt = performance.now();
  if (document.visibilityState === "visible" && usedAt - beatAt >= EVERY) beat();
}
function leave() {
  if (performance.now() - usedAt < QUIET && usedAt > -Infinity) beat();
}
for (const kind of ["pointerdown", "pointermove", "keydown", "scroll"]) {
  addEventListener(kind, used, { passive: true, capture: true });
}
setInterval(() => {
  const now = performance.now();
  if (document.visibilityState === "visible" && now - usedAt < QUIET && now - beatAt >= EVERY) beat();
}, 5_000);
document.addEventListener("visibilitychange", () => document.visibilityState === "hidden" && leave());
