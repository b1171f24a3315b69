// Entry point: shows the view of the page's address, and asks for an API key if the server needs one.

import { key, loadScope, may } from "./base/api.js";
import { fill, make, notice } from "./base/elements.js";
import { askForKey } from "./base/key_dialog.js";
import { shortcuts } from "./base/shortcuts.js";

const VIEWS = {
  search: { title: "Search", letter: "s", load: () => import("./search/search.js") },
  duplicates: { title: "Duplicates", letter: "d", load: () => import("./moderation/duplicates.js") },
  reviews: { title: "Reviews", letter: "r", load: () => import("./moderation/reviews.js") },
  collection: { title: "Collection", letter: "c", load: () => import("./collection/collection.js") },
  clusters: { title: "Clusters", letter: "l", load: () => import("./browse/clusters.js") },
  map: { title: "Map", letter: "m", load: () => import("./browse/map.js") },
  attention: { title: "Attention", letter: "t", load: () => import("./browse/attention.js") },
  admin: { title: "Admin", letter: "a", load: () => import("./admin/admin.js"), scope: "admin" },
};
const view = document.getElementById("view");
const keyButton = document.getElementById("key");
const links = document.querySelector("nav");
const scrollPositions = new Map(); // by address, when the user left it
const mine = () => Object.entries(VIEWS).filter(([, { scope }]) => may(scope ?? "read"));
let shown = {};

/** "#/search?least=0.5" as ["search", URLSearchParams]. */
function address() {
  const [name, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  return [name || "search", new URLSearchParams(query)];
}

/** Shows the view of the address. Each visit has its own element, so that a slow view never draws over the next. */
async function show(event) {
  const [name, query] = address();
  const place = make("div", { class: "view", "aria-busy": "true" });
  const visit = {};
  if (event?.oldURL) scrollPositions.set(new URL(event.oldURL).hash, scrollY);
  shown.close?.();
  shown = visit;
  for (const link of links.children) {
    if (link.hash === `#/${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  centre(links.querySelector("[aria-current]"));
  document.title = `${VIEWS[name]?.title ?? "Not found"} · Copysight`;
  const inside = view.contains(document.activeElement);
  fill(view, place);
  scrollTo(0, 0);
  if (inside) view.focus({ preventScroll: true });
  try {
    if (!Object.hasOwn(VIEWS, name)) fill(place, unknown(name));
    else if (!may(VIEWS[name].scope ?? "read")) fill(place, refused(VIEWS[name]));
    else {
      const opened = await (await VIEWS[name].load()).show(place, query);
      if (shown !== visit) return opened?.close?.();
      Object.assign(visit, opened);
      if (visit.early) visit.receive?.(visit.early);
    }
  } catch (error) {
    if (shown !== visit) return;
    fill(place, make("p", { class: "error", role: "alert" }, error.message));
    if (error.status === 401) ask(error);
  }
  place.removeAttribute("aria-busy");
  if (scrollY === 0) scrollTo(0, scrollPositions.get(location.hash) ?? 0); // only if the user has not scrolled meanwhile
}

/** Scrolls the row of links, which is wider than a phone. `scrollIntoView` would also move where the next Tab starts. */
function centre(link) {
  if (!link) return;
  const [row, place] = [links.getBoundingClientRect(), link.getBoundingClientRect()];
  links.scrollLeft += place.left + place.width / 2 - row.left - row.width / 2;
}

const unknown = (name) => [make("h1", {}, "There is nothing at this address"),
  make("p", {}, `This page has no view “${name}”. Its views are:`),
  make("ul", {}, mine().map(([one, { title }]) => make("li", {}, make("a", { href: `#/${one}` }, title))))];

const refused = ({ title, scope }) => [make("h1", {}, title), make("p", { class: "empty" }, `This view needs a key of scope ${scope}.`)];

/** Passes files to the current view; while it loads they wait. */
function receive(files) {
  if (!files.length) return;
  if (view.querySelector("[aria-busy]")) shown.early = files;
  else shown.receive?.(files);
}

const NEEDED = "This server needs an API key.";
const HOW = `${NEEDED} Its operator can create one with: copysight keys add`;
const ask = (error) => askForKey(key.get() ? NEEDED : HOW, start, key.get() ? error.message : null);

async function start() {
  try {
    const scope = await loadScope();
    keyButton.hidden = !key.get();
    keyButton.textContent = `Key: ${scope}`;
    fill(links, mine().map(([name, { title, letter }]) => make("a", { href: `#/${name}`, title: `Shortcut: g ${letter}` }, title)));
    await show();
  } catch (error) {
    if (error.status !== 401) return fill(view, make("p", { class: "error", role: "alert" }, error.message));
    keyButton.hidden = false;
    keyButton.textContent = "Enter a key";
    fill(view, make("p", { class: "empty" }, NEEDED));
    ask(error);
  }
}

document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // its address would be that of a view
  view.focus();
});
keyButton.addEventListener("click", () => askForKey(key.get() ? "Change the key, or forget it." : HOW, start));
shortcuts(Object.entries(VIEWS).map(([name, { letter, title }]) => [letter, name, title]), (name) => { location.hash = `#/${name}`; view.focus(); });
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
