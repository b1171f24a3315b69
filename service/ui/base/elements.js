// Create DOM elements. Text is always inserted as text, so nothing from a user becomes HTML.

/** An element: `make("a", {href: "#", class: "big", onclick: f}, "text", child, …)`; null children are left out. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && !/^(list|class|for|role|aria|data|tabindex|width|height)/.test(name)) element[name] = value;
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

/** An item's key on one line. If it is too long, the folder is shortened first, because the file name tells pictures apart. With `longest`, the middle of a longer file name is left out. */
export function named(key, longest = Infinity) {
  const end = key.replace(/\/+$/, "").lastIndexOf("/") + 1;
  return make("span", { class: "name", title: key },
    end ? make("span", { class: "folder" }, key.slice(0, end)) : null, make("span", { class: "file" }, shortened(key.slice(end), longest)));
}

function shortened(text, longest) {
  const half = Math.floor(longest / 2);
  return text.length > longest ? `${text.slice(0, half)}…${text.slice(1 - half)}` : text;
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

/** Shows a message at the bottom of the page for a few seconds; screen readers announce it. */
export function notice(text) {
  const place = document.getElementById("notice");
  place.textContent = text;
  clearTimeout(notice.timer);
  notice.timer = setTimeout(() => (place.textContent = ""), 6000);
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

/** Asks the user to confirm an action. Resolves to true or false. */
export function confirmDialog(question, action) {
  return new Promise((resolve) => {
    const answer = (yes) => () => { resolve(yes); box.close(); };
    const box = dialog(question, make("p", { class: "bar" },
      make("button", { type: "button", class: "danger", onclick: answer(true) }, action),
      make("button", { type: "button", onclick: answer(false) }, "Cancel")));
    box.addEventListener("close", () => resolve(false));
  });
}

/** "1 picture", "2 pictures", "10,000 pictures". */
export const counted = (number, one, many = `${one}s`) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;

/** Bytes as "214 kB" or "12.3 MB". */
export const megabytes = (bytes) => (bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toLocaleString("en", { maximumFractionDigits: 1 })} MB`);

/** Seconds since the epoch as "3 hours ago". */
export function ago(seconds) {
  if (!seconds) return "never";
  const past = Math.max(0, Date.now() / 1000 - seconds);
  const [size, unit] = [[86400, "day"], [3600, "hour"], [60, "minute"], [1, "second"]].find(([s]) => past >= s) ?? [1, "second"];
  return new Intl.RelativeTimeFormat("en").format(-Math.floor(past / size), unit);
}
