import { blocks, el, mrkdwn } from "/static/blocks.js";

const $ = (id) => document.getElementById(id);
let state = null, drawnFor = "";
const at = { team: null, user: null, channel: null, home: false, dialog: null };

async function act(name, body) {
  const answer = await fetch(`/do/${name}`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  const said = await answer.json();
  if (!said.ok) toast(`Slack refused: ${said.error} ${(said.response_metadata?.messages ?? []).join(" ")}`);
  await refresh();
  return said;
}

function toast(text) {
  $("toast").textContent = text;
  $("toast").hidden = false;
  setTimeout(() => ($("toast").hidden = true), 5000);
}

function names(team) {
  return Object.fromEntries([...Object.values(team.people), ...Object.values(team.channels)].map((each) => [each.id, each.name]));
}

function ask(confirm, go) {
  show(el("form", { method: "dialog" },
    el("h2", {}, confirm.title.text), el("p", {}, confirm.text.text),
    el("div", { class: "actions end" },
      el("button", { class: "button" }, confirm.deny.text),
      el("button", { class: `button ${confirm.style ?? "primary"}`, onclick: go }, confirm.confirm.text))), "confirm");
}

function show(content, key) {
  at.dialog = key;
  $("dialog").replaceChildren(content);
  if (!$("dialog").open) $("dialog").showModal();
}

function side(team) {
  const mine = Object.values(team.channels).filter((each) => !each.direct || each.members.includes(at.user));
  const link = (label, active, go) => el("button", { class: `channel ${active ? "active" : ""}`, onclick: go }, label);
  $("side").replaceChildren(
    el("label", {}, "Workspace", choice(Object.values(state.teams).map((each) => [each.id, each.name]), at.team, (id) => pick({ team: id, user: null, channel: null }))),
    el("label", {}, "You are", choice(Object.values(team.people).filter((each) => !each.bot).map((each) => [each.id, each.name]), at.user, (id) => pick({ user: id }))),
    el("h2", {}, "Channels"),
    ...mine.filter((each) => !each.direct).map((each) => link(`# ${each.name}`, each.id === at.channel && !at.home, () => pick({ channel: each.id, home: false }))),
    el("h2", {}, "App"),
    link("Tuneloop · Home", at.home, async () => { pick({ home: true }); await act("open_home", { team: at.team, user: at.user }); }),
    ...mine.filter((each) => each.direct).map((each) => link("Tuneloop · Messages", each.id === at.channel && !at.home, () => pick({ channel: each.id, home: false }))),
    el("p", { class: "tools" },
      el("button", { class: "button small", onclick: addPerson }, "Add a person"),
      el("button", { class: "button small", onclick: addChannel }, "Add a channel")));
}

function choice(pairs, current, change) {
  const select = el("select", { class: "select" }, ...pairs.map(([id, name]) => el("option", { value: id, selected: id === current }, name)));
  select.addEventListener("change", () => change(select.value));
  return select;
}

function form(title, fields, go) {
  const inputs = fields.map(([name, label]) => el("div", { class: "field" }, el("label", { for: name }, label), el("input", { id: name, name, required: true })));
  show(el("form", { onsubmit: (event) => {
    event.preventDefault();
    $("dialog").close();
    go(Object.fromEntries(new FormData(event.target)));
  } }, el("h2", {}, title), ...inputs, el("div", { class: "actions end" }, el("button", { class: "button primary" }, "Add"))), "form");
}

const addPerson = () => form("Add a person", [["name", "Name"], ["email", "E-mail"]], (given) => act("add_person", { team: at.team, ...given }));
const addChannel = () => form("Add a channel", [["name", "Name"]], (given) => act("add_channel", { team: at.team, ...given }));

function message(team, each, on) {
  const author = team.people[each.user];
  const app = each.user === team.bot_user;
  const time = new Date(Number(each.ts) * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  return el("article", { class: `message ${each.ephemeral_to ? "ephemeral" : ""} ${each.thread_ts ? "reply" : ""}`, "data-ts": each.ts },
    el("div", { class: `avatar ${app ? "app" : ""}` }, app ? "T" : (author?.name ?? "?")[0]),
    el("div", { class: "content" },
      el("p", { class: "by" }, el("b", {}, author?.name ?? "Slackbot"), app ? el("span", { class: "badge" }, "APP") : null, el("time", {}, time),
        each.edited ? el("small", {}, "(edited)") : null),
      each.ephemeral_to ? el("p", { class: "only" }, "Only visible to you") : null,
      each.blocks?.length ? blocks(each.blocks, on) : el("div", { class: "text" }, mrkdwn(each.text, on.names))),
    el("menu", {},
      el("button", { class: "button small", title: "Reply in thread", onclick: () => reply(each) }, "Reply"),
      el("button", { class: "button small", title: "Message shortcut", onclick: () => act("shortcut", { team: at.team, user: at.user, channel: each.channel, ts: each.ts, callback: "answer_was_wrong" }) }, "This answer was wrong")));
}

function reply(each) {
  form("Reply in thread", [["text", "Message"]], (given) => act("say", { team: at.team, user: at.user, channel: at.channel, text: given.text, thread: each.thread_ts ?? each.ts }));
}

function inOrder(list) {
  const roots = list.filter((each) => !each.thread_ts);
  return roots.flatMap((root) => [root, ...list.filter((each) => each.thread_ts === root.ts)]).concat(
    list.filter((each) => each.thread_ts && !roots.some((root) => root.ts === each.thread_ts)));
}

function main(team) {
  const channel = team.channels[at.channel];
  const on = { team: at.team, names: names(team), ask };
  $("composer").hidden = at.home;
  if (at.home) {
    $("place").textContent = "Tuneloop · Home";
    const view = team.homes[at.user];
    $("messages").replaceChildren(view ? blocks(view.blocks, { ...on, use: (action, value) => act("click_in_view", { team: at.team, user: at.user, view: "home", action, value: value ?? null }) }) : "");
    return;
  }
  const here = channel.direct ? "Tuneloop" : `# ${channel.name}`;
  const inside = channel.direct || channel.members.includes(team.bot_user);
  $("place").replaceChildren(here, inside || !team.bot_user ? "" : el("button", { class: "button small", onclick: () => act("invite", { team: at.team, channel: at.channel }) }, "/invite @Tuneloop"));
  const seen = team.messages.filter((each) => each.channel === at.channel && (!each.ephemeral_to || each.ephemeral_to === at.user));
  const notices = team.notices.filter((each) => each.user === at.user).slice(-1);
  const bottom = $("messages").scrollHeight - $("messages").scrollTop - $("messages").clientHeight < 80;
  $("messages").replaceChildren(
    ...inOrder(seen).map((each) => message(team, each, { ...on, use: (action, value, block) => act("click", { team: at.team, user: at.user, channel: at.channel, ts: each.ts, action, value: value ?? null, block: block ?? "" }) })),
    ...notices.filter((each) => Date.now() / 1000 - Number(each.ts) < 20).map((each) => el("p", { class: "notice" }, `⚠️ ${each.text}`)));
  if (bottom) $("messages").scrollTop = $("messages").scrollHeight;
}

function modal(team) {
  const view = Object.values(team.views).filter((each) => each.user === at.user).at(-1);
  if (!view) {
    if (at.dialog?.startsWith("V")) $("dialog").close();
    return;
  }
  const key = view.id + view.hash + JSON.stringify(view.errors);
  if (at.dialog === key && $("dialog").open) return;
  const on = { team: at.team, names: names(team), ask, errors: view.errors, use: (action, value) => act("click_in_view", { team: at.team, user: at.user, view: view.id, action, value: value ?? null }) };
  const kept = at.dialog?.startsWith(view.id) ? new FormData($("dialog").querySelector("form")) : null;
  const body = el("form", { onsubmit: (event) => {
    event.preventDefault();
    act("submit", { team: at.team, user: at.user, view: view.id, values: Object.fromEntries(new FormData(event.target)) });
  } },
    el("h2", {}, view.body.title.text), blocks(view.body.blocks, on),
    view.errors[""] ? el("p", { class: "error" }, view.errors[""]) : null,
    el("div", { class: "actions end" },
      el("button", { type: "button", class: "button", onclick: () => act("close", { team: at.team, view: view.id }) }, view.body.close?.text ?? "Cancel"),
      view.body.submit ? el("button", { class: "button primary" }, view.body.submit.text) : null));
  for (const [name, value] of kept ?? []) if (body.elements[name]) body.elements[name].value = value;
  show(body, key);
}

function consent() {
  const query = Object.fromEntries(new URLSearchParams(location.search));
  const team = state.teams[at.team];
  show(el("form", { onsubmit: async (event) => {
    event.preventDefault();
    const said = await act("allow", { query, team: at.team, user: at.user });
    if (said.ok) location.href = said.url;
  } },
    el("h2", {}, `Tuneloop asks to join ${team.name}`),
    el("label", {}, "Workspace", choice(Object.values(state.teams).map((each) => [each.id, each.name]), at.team, (id) => { pick({ team: id, user: null }); consent(); })),
    el("label", {}, "as", choice(Object.values(team.people).filter((each) => !each.bot).map((each) => [each.id, each.name]), at.user, (id) => pick({ user: id }))),
    el("p", {}, "It will be able to:"), el("ul", {}, ...(query.scope ?? "").split(",").map((each) => el("li", {}, el("code", {}, each)))),
    el("div", { class: "actions end" }, el("button", { class: "button primary" }, "Allow"))), "consent");
}

function pick(change) {
  Object.assign(at, change);
  const team = state.teams[at.team] ?? Object.values(state.teams)[0];
  if (!team) return;
  at.team = team.id;
  if (!team.people[at.user]) at.user = Object.values(team.people).find((each) => !each.bot)?.id;
  if (!team.channels[at.channel]) at.channel = Object.values(team.channels)[0].id;
  drawnFor = "";
  draw();
}

function draw() {
  const key = `${state.revision} ${at.team} ${at.user} ${at.channel} ${at.home}`;
  const team = state.teams[at.team];
  if (!team || key === drawnFor) return;
  drawnFor = key;
  side(team);
  main(team);
  if (location.pathname === "/") modal(team);
}

async function refresh() {
  state = await (await fetch("/state")).json();
  if (!state.teams[at.team]) pick({});
  draw();
}

$("dialog").addEventListener("cancel", (event) => { if (at.dialog?.startsWith("V")) event.preventDefault(); });
$("composer").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = $("words").value.trim();
  if (!text) return;
  $("words").value = "";
  const [command, ...rest] = text.split(" ");
  if (command.startsWith("/")) await act("command", { team: at.team, user: at.user, channel: at.channel, text: rest.join(" "), command });
  else await act("say", { team: at.team, user: at.user, channel: at.channel, text });
});

await refresh();
if (location.hash) pick({ channel: location.hash.slice(1).split("-")[0] });
if (location.pathname.startsWith("/oauth")) consent();
setInterval(refresh, 1000);
