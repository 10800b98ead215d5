// Draws Block Kit. Every text becomes a text node: nothing that an app sends is ever markup here.

export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== undefined && child !== null));
  return node;
}

// Signs that every font has: a machine without an emoji font would show boxes.
const EMOJI = {
  warning: ["⚠", "#b7791f"], white_check_mark: ["✔", "#007a5a"], x: ["✘", "#e01e5a"], rotating_light: ["●", "#e01e5a"],
  hourglass_flowing_sand: ["◔", "#616061"], rocket: ["▲", "#1264a3"], rewind: ["«", "#1264a3"], zzz: ["☾", "#616061"],
  bell: ["♪", "#b7791f"], lock: ["▣", "#616061"], page_facing_up: ["▤", "#616061"], pencil2: ["✎", "#616061"], large_green_circle: ["●", "#2eb67d"],
  large_yellow_circle: ["●", "#ecb22e"], red_circle: ["●", "#e01e5a"], white_circle: ["○", "#616061"],
};
const TINTS = Object.fromEntries(Object.values(EMOJI).map(([, colour]) => [colour, `tint-${colour.slice(1)}`]));

function sign(name) {
  const [glyph, colour] = EMOJI[name];
  return el("span", { class: `sign ${TINTS[colour]}`, title: `:${name}:` }, glyph);
}

const SPANS = /```([\s\S]+?)```|`([^`\n]+)`|<([^<>]+)>|\*([^*\n]+)\*|_([^_\n]+)_|~([^~\n]+)~|:([a-z0-9_+-]+):/g;

function unescape(text) {
  return text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
}

function inWords(text, at, length) {
  const before = text[at - 1] ?? " ", after = text[at + length] ?? " ";
  return /[\p{L}\p{N}]/u.test(before) || /[\p{L}\p{N}]/u.test(after);
}

function reference(body, names) {
  const [target, label] = body.split("|");
  if (target.startsWith("@")) return el("span", { class: "mention" }, "@" + (names[target.slice(1)] ?? target.slice(1)));
  if (target.startsWith("#")) return el("span", { class: "mention" }, "#" + (names[target.slice(1)] ?? target.slice(1)));
  if (target.startsWith("!date^")) {
    const [, stamp] = target.split("^");
    return el("time", {}, new Date(Number(stamp) * 1000).toLocaleString([], { dateStyle: "medium", timeStyle: "short" }));
  }
  if (target.startsWith("!")) return el("span", { class: "mention all" }, "@" + (label ?? target.slice(1)));
  if (!/^(https?|mailto):/.test(target)) return document.createTextNode(`<${body}>`);
  return el("a", { href: target, target: "_blank", rel: "noreferrer" }, unescape(label ?? target));
}

export function mrkdwn(text, names = {}) {
  const out = document.createDocumentFragment();
  let last = 0;
  for (const found of text.matchAll(SPANS)) {
    const [whole, pre, code, link, bold, italic, strike, emoji] = found;
    const styled = bold ?? italic ?? strike;
    if (styled !== undefined && inWords(text, found.index, whole.length)) continue;
    if (emoji !== undefined && !EMOJI[emoji]) continue;
    out.append(unescape(text.slice(last, found.index)));
    if (pre !== undefined) out.append(el("pre", {}, unescape(pre.replace(/^\n/, ""))));
    else if (code !== undefined) out.append(el("code", {}, unescape(code)));
    else if (link !== undefined) out.append(reference(link, names));
    else if (emoji !== undefined) out.append(sign(emoji));
    else out.append(el(bold !== undefined ? "b" : italic !== undefined ? "i" : "s", {}, mrkdwn(styled, names)));
    last = found.index + whole.length;
  }
  out.append(unescape(text.slice(last)));
  return out;
}

function words(object, names) {
  if (object.type === "mrkdwn") return mrkdwn(object.text, names);
  const out = document.createDocumentFragment();
  out.append(object.text.replace(/:([a-z0-9_+-]+):/g, (whole, name) => (object.emoji === false ? whole : EMOJI[name]?.[0] ?? whole)));
  return out;
}

function quoted(text, names) {
  const out = el("div", { class: "text" });
  let quote = null;
  for (const line of text.split(/(?<=\n)/)) {
    if (line.startsWith("&gt;")) {
      quote ??= out.appendChild(el("blockquote"));
      quote.append(mrkdwn(line.slice(4).replace(/^ /, ""), names));
    } else {
      quote = null;
      out.append(mrkdwn(line, names));
    }
  }
  return out;
}

export function paragraph(object, names) {
  const fenced = object.type === "mrkdwn" && object.text.includes("```");
  if (object.type === "mrkdwn" && !fenced) return quoted(object.text, names);
  return el("div", { class: "text" }, words(object, names));
}

function options(element) {
  return element.options ?? (element.option_groups ?? []).flatMap((group) => group.options);
}

function confirmed(confirm, ask, go) {
  if (!confirm) return go();
  ask(confirm, go);
}

function interactive(element, block, on) {
  const use = (value) => confirmed(element.confirm, on.ask, () => on.use(element.action_id, value, block.block_id));
  if (element.type === "button") {
    const button = el("button", { type: "button", class: `button ${element.style ?? ""}`, "data-action": element.action_id },
      words(element.text, on.names));
    button.addEventListener("click", () => {
      if (element.url) window.open(element.url, "_blank", "noreferrer");
      use(element.value);
    });
    return button;
  }
  if (element.type === "static_select" || element.type === "overflow") {
    const label = element.type === "overflow" ? "⋯" : element.placeholder?.text ?? "Select";
    const select = el("select", { class: "select", "data-action": element.action_id, "aria-label": label },
      el("option", { value: "" }, label),
      ...options(element).map((option) => el("option", { value: option.value }, option.text.text)));
    select.addEventListener("change", () => select.value && use(select.value));
    return select;
  }
  return el("span", { class: "unknown" }, element.type);
}

function image(block, on) {
  const source = block.slack_file ? `/file/${on.team}/${block.slack_file.id}` : block.image_url;
  return el("figure", {},
    block.title ? el("figcaption", {}, words(block.title, on.names)) : null,
    el("img", { src: source, alt: block.alt_text, loading: "lazy" }));
}

function input(block, on) {
  const { element } = block, name = block.block_id, id = `in-${name}`;
  let field;
  if (element.type === "plain_text_input") {
    field = el(element.multiline ? "textarea" : "input", { id, name, placeholder: element.placeholder?.text, maxlength: element.max_length, rows: element.multiline ? 4 : null });
    field.value = element.initial_value ?? "";
  } else {
    field = el("select", { id, name, class: "select" },
      el("option", { value: "" }, element.placeholder?.text ?? "Select"),
      ...options(element).map((option) => el("option", { value: option.value, selected: element.initial_option?.value === option.value }, option.text.text)));
  }
  return el("div", { class: "field" },
    el("label", { for: id }, block.label.text, block.optional ? el("small", {}, " (optional)") : null),
    field,
    block.hint ? el("small", { class: "hint" }, block.hint.text) : null,
    on.errors?.[name] ? el("p", { class: "error" }, on.errors[name]) : null);
}

function drawn(block, on) {
  switch (block.type) {
    case "header": return el("h2", {}, words(block.text, on.names));
    case "divider": return el("hr");
    case "image": return image(block, on);
    case "input": return input(block, on);
    case "actions": return el("div", { class: "actions" }, ...block.elements.map((each) => interactive(each, block, on)));
    case "context": return el("div", { class: "context" }, ...block.elements.map((each) =>
      each.type === "image" ? el("img", { src: each.image_url, alt: each.alt_text }) : el("span", {}, words(each, on.names))));
    case "section": {
      const accessory = block.accessory
        ? block.accessory.type === "image" ? image(block.accessory, on) : interactive(block.accessory, block, on) : null;
      return el("div", { class: "section" },
        el("div", { class: "body" },
          block.text ? paragraph(block.text, on.names) : null,
          block.fields ? el("div", { class: "fields" }, ...block.fields.map((each) => paragraph(each, on.names))) : null),
        accessory);
    }
    default: return el("div", { class: "unknown" }, block.type);
  }
}

// on: {team, names, use(action, value, block), ask(confirm, go), errors}
export function blocks(list, on) {
  return el("div", { class: "blocks" }, ...list.map((block) => drawn(block, on)));
}
