// Create DOM elements. Text is always inserted as text, so nothing from a user becomes HTML.

const TAIL = 8; // characters that stay at the end of a long file name: the extension, and what numbers files

/** An element: `make("a", {href: "#", class: "big", onclick: f}, "text", child, …)`; null children are left out. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && !/^(list|class|for|role|aria|data|tabindex|width|height|popover)/.test(name)) element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** Replaces the children of `parent`. */
export function fill(parent, ...children) {
  parent.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined));
  return parent;
}

/** Resolves when an <img> has loaded, also one that gets its source later; rejects if that fails. */
export function loaded(image) {
  image.loading = "eager"; // a lazy picture outside the page would never load
  return new Promise((resolve, reject) => {
    if (image.complete && image.naturalWidth) resolve();
    image.addEventListener("load", resolve);
    image.addEventListener("error", reject);
  });
}

/** A labelled control: the label and the control in one element. */
export function labelled(text, control, note = null) {
  return make("label", { class: "field" }, make("span", {}, text, note), control);
}

/** A button with a shortcut, which its title names. */
export function button(text, act, { key = null, kind = null, label = null } = {}) {
  return make("button", { type: "button", class: kind, onclick: act, title: key ? `Shortcut: ${key}` : null, "aria-label": label }, text);
}

/** Options of a <select> from pairs of a value and a text. */
export const choices = (pairs, now) => pairs.map(([value, text]) => make("option", { value, selected: String(value) === String(now) }, text));

/** An item's key: the file name, and its folder on a line of its own. Of what is too long, the middle is left out. */
export function named(key) {
  const end = key.replace(/\/+$/, "").lastIndexOf("/") + 1;
  return make("span", { class: "name", title: key },
    end ? make("span", { class: "folder" }, cut(key.slice(0, end))) : null, make("span", { class: "file" }, cut(key.slice(end))));
}

/** A text in two parts, of which the style shortens the first. */
function cut(text) {
  const at = Math.max(0, text.length - TAIL);
  return [at ? make("span", { class: "start" }, text.slice(0, at)) : null, make("span", { class: "end" }, text.slice(at))];
}

/** A slider with its value. `changed(value)` is called for every change. */
export function slider(text, { least = 0, most = 1, step = 0.01, value = 0, off = false, show = (number) => number.toFixed(2) }, changed) {
  const readout = make("span", {}, show(value)); // not <output>, which the label would refer to
  const input = make("input", { type: "range", min: least, max: most, step, value, disabled: off });
  input.addEventListener("input", () => {
    readout.textContent = show(Number(input.value));
    changed(Number(input.value));
  });
  return labelled(text, input, readout);
}

/** Shortcuts as a line: pairs of keys and what they do. */
export const legend = (keys) => make("p", { class: "hint keys" }, keys.map(([key, text]) => make("span", {}, make("kbd", {}, key), ` ${text}`)));

/** Names and values as a list. */
export const definitions = (rows) => make("dl", { class: "facts" }, rows.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))));

/** A table with a caption. `rows` are arrays of texts or elements. It scrolls sideways if it is too wide. */
export function table(caption, heads, rows) {
  return make("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": caption }, make("table", {}, make("caption", {}, caption),
    make("thead", {}, make("tr", {}, heads.map((text) => make("th", { scope: "col" }, text)))),
    make("tbody", {}, rows.map((row) => make("tr", {}, row.map((cell) => make("td", {}, cell)))))));
}

/** Shows a message at the bottom of the page for some seconds, perhaps with a button; screen readers announce it. */
export function notice(text, action = null, act = null) {
  const place = document.getElementById("notice");
  const press = () => { fill(place); act(); };
  fill(place, text, action ? make("button", { type: "button", onclick: press }, action) : null);
  clearTimeout(notice.timer);
  notice.timer = setTimeout(() => fill(place), action ? 12000 : 6000);
}

/** Opens a dialog with a title and a close button. It is removed when it closes. */
export function dialog(title, ...children) {
  const box = make("dialog", { "aria-label": title });
  box.append(
    make("div", { class: "head" }, make("h2", {}, title),
      make("button", { type: "button", class: "quiet", onclick: () => box.close() }, "Close")),
    ...children,
  );
  box.addEventListener("click", (event) => event.target === box && box.close()); // a click outside
  box.addEventListener("close", () => box.remove());
  document.body.append(box);
  box.showModal();
  return box;
}

/** Asks the user to confirm what cannot be undone. Resolves to true or false. */
export function confirmDialog(question, action) {
  return new Promise((resolve) => {
    const answer = (yes) => () => { resolve(yes); box.close(); };
    const box = dialog(question, make("p", { class: "bar" },
      make("button", { type: "button", class: "danger", onclick: answer(true) }, action),
      make("button", { type: "button", onclick: answer(false) }, "Cancel")));
    box.addEventListener("close", () => resolve(false));
  });
}

/** Whether a key press belongs to the browser, to a dialog or to a field, and not to a view. */
export const isElsewhere = (event) => event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open], :popover-open") || event.target.closest?.("input, select, textarea");
