// Entry point: shows the view of the page's address, and asks for an API key if the server needs one.

import { key, loadScope } from "./base/api.js";
import { dialog, fill, labelled, make, notice } from "./base/elements.js";

const VIEWS = {
  search: () => import("./search/search.js"),
  attention: () => import("./browse/attention.js"),
  clusters: () => import("./browse/clusters.js"),
  map: () => import("./browse/map.js"),
  duplicates: () => import("./moderation/duplicates.js"),
  reviews: () => import("./moderation/reviews.js"),
  collection: () => import("./collection/collection.js"),
};
const view = document.getElementById("view");
const keyButton = document.getElementById("key");
const scrollPositions = new Map(); // by address, when the user left it
let shown = {};

/** "#/search?least=0.5" as ["search", URLSearchParams]. */
function address() {
  const [name, query = ""] = location.hash.replace(/^#\//, "").split("?");
  return [name in VIEWS ? name : "search", new URLSearchParams(query)];
}

/** Shows the view of the address. Each visit has its own element, so that a slow view never draws over the next. */
async function show(event) {
  const [name, query] = address();
  const place = make("div", { class: "view", "aria-busy": "true" });
  const visit = {};
  if (event?.oldURL) scrollPositions.set(new URL(event.oldURL).hash, scrollY);
  shown.close?.();
  shown = visit;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#/${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${name[0].toUpperCase()}${name.slice(1)} · Copysight`;
  const inside = view.contains(document.activeElement);
  fill(view, place);
  scrollTo(0, 0);
  if (inside) view.focus({ preventScroll: true });
  try {
    const opened = await (await VIEWS[name]()).show(place, query);
    if (shown !== visit) return opened.close?.();
    Object.assign(visit, opened);
    if (visit.early) visit.receive?.(visit.early);
  } catch (error) {
    if (shown !== visit) return;
    fill(place, make("p", { class: "error", role: "alert" }, error.message));
    if (error.status === 401) askForKey(error.message);
  }
  place.removeAttribute("aria-busy");
  if (scrollY === 0) scrollTo(0, scrollPositions.get(location.hash) ?? 0); // only if the user has not scrolled meanwhile
}

/** Passes files to the current view; while it loads they wait. */
function receive(files) {
  if (!files.length) return;
  if (view.querySelector("[aria-busy]")) shown.early = files;
  else shown.receive?.(files);
}

function askForKey(why) {
  document.querySelector("dialog.key")?.close();
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
    make("p", { class: "hint" }, "The key is kept in this tab and only sent to this server."));
  box.classList.add("key");
  input.focus();
}

async function start() {
  try {
    const scope = await loadScope();
    document.body.dataset.scope = scope;
    keyButton.hidden = !key.get();
    keyButton.textContent = `Key: ${scope}`;
    await show();
  } catch (error) {
    if (error.status !== 401) return fill(view, make("p", { class: "error", role: "alert" }, error.message));
    keyButton.hidden = false;
    keyButton.textContent = "Enter a key";
    fill(view, make("p", { class: "empty" }, "This server needs an API key."));
    askForKey(key.get() ? error.message : "This server needs an API key. Its operator can create one with: copysight keys add");
  }
}

keyButton.addEventListener("click", () => askForKey(key.get() ? "Change the key, or forget it." : "This server needs an API key."));
history.scrollRestoration = "manual"; // the browser would scroll before the view is drawn
addEventListener("hashchange", show);
addEventListener("paste", (event) => {
  receive([...(event.clipboardData?.files ?? [])]);
});
// A picture dropped outside the drop zone is handled, too; otherwise the browser would open it instead of the page.
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => {
  event.preventDefault();
  const files = [...(event.dataTransfer?.files ?? [])];
  if (!event.target.closest?.(".dropzone")) receive(files);
});
addEventListener("unhandledrejection", (event) => notice(event.reason?.message ?? "An unexpected error occurred."));
start();
