// The shell: which view is shown follows from the address, and the key from what the server wants.

import { key, learnScope } from "./api.js";
import { dialog, fill, labelled, make, notice } from "./elements.js";

const VIEWS = {
  search: () => import("./search.js"),
  attention: () => import("./attention.js"),
  clusters: () => import("./clusters.js"),
  collection: () => import("./collection.js"),
};
const view = document.getElementById("view");
const keyButton = document.getElementById("key");
let shown = {};

/** "#/search?least=0.5" as ["search", URLSearchParams]. */
function address() {
  const [name, query = ""] = location.hash.replace(/^#\//, "").split("?");
  return [name in VIEWS ? name : "search", new URLSearchParams(query)];
}

async function show() {
  const [name, query] = address();
  shown.close?.();
  shown = {};
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#/${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${name[0].toUpperCase()}${name.slice(1)} · Copysight`;
  fill(view);
  try {
    const module = await VIEWS[name]();
    if (address()[0] === name) shown = (await module.show(view, query)) ?? {};
  } catch (error) {
    if (error.status === 401) return askForKey(error.message);
    fill(view, make("p", { class: "error", role: "alert" }, error.message));
  }
}

function askForKey(why) {
  const input = make("input", { type: "password", autocomplete: "off", required: true, id: "key-value" });
  const save = async (event) => {
    event.preventDefault();
    key.set(input.value.trim());
    box.close();
    await start();
  };
  const forget = () => { key.set(null); box.close(); start(); };
  const box = dialog("API key",
    make("p", {}, why),
    make("form", { onsubmit: save }, labelled("Key", input),
      make("p", { class: "bar" }, make("button", { class: "primary" }, "Use this key"),
        key.get() ? make("button", { type: "button", onclick: forget }, "Forget the key") : null)),
    make("p", { class: "hint" }, "It stays in this tab and goes to this server alone."));
  input.focus();
}

async function start() {
  try {
    const scope = await learnScope();
    document.body.dataset.scope = scope;
    keyButton.hidden = !key.get();
    keyButton.textContent = `Key: ${scope}`;
    await show();
  } catch (error) {
    keyButton.hidden = false;
    askForKey(key.get() ? error.message : "This server asks for a key. Whoever runs it can make one: copysight keys add.");
  }
}

keyButton.addEventListener("click", () => askForKey("Change the key, or forget it."));
addEventListener("hashchange", show);
addEventListener("paste", (event) => {
  const files = [...(event.clipboardData?.files ?? [])];
  if (files.length) shown.receive?.(files);
});
// A picture that is dropped beside the drop zone must not replace the page.
for (const kind of ["dragover", "drop"]) addEventListener(kind, (event) => event.preventDefault());
addEventListener("unhandledrejection", (event) => notice(event.reason?.message ?? "something went wrong"));
start();
