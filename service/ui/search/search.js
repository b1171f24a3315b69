// Search view: one picture gets an answer, several get a table; each answer opens from there.

import { button, fill, make, notice } from "../base/elements.js";
import { dropzone } from "../base/dropzone.js";
import { collectionChoices, indexState } from "../base/index.js";
import { counted } from "../base/words.js";
import { add } from "../collection/adding.js";
import { Answer } from "./answer.js";
import { examples } from "./examples.js";
import { address, controls, read } from "./options.js";
import { QueriesTable } from "./queries_table.js";
import { Query } from "./query.js";
import { welcome } from "./welcome.js";

const AT_ONCE = 4;
const REDRAW = 150; // milliseconds between two drawings of the table while answers come

/** Shows the view. `query` may hold `id`, the item to search for, and options (`options.js`). */
export async function show(view, query) {
  const options = read(query);
  const about = await indexState();
  const tries = make("p", { class: "examples" });
  const place = make("div", { class: "results" });
  const progress = make("div", { class: "progress" });
  const filters = controls(options, { ...about, choices: collectionChoices(about) }, changed);
  const table = new QueriesTable({ open: (one) => open(one), remove, add: addThese });
  let [queries, opened, answer, timer] = [[], null, null, null];

  /** Searches for pictures, a few at a time; the latest ones are on top. */
  async function searchFor(given) {
    const added = given.map((one) => new Query(one, options, about.bundle.explanations));
    queries = [...added, ...queries];
    opened = queries.length === 1 ? queries[0] : null;
    draw();
    await findAll(added);
  }

  async function findAll(these) {
    const waiting = [...these];
    const work = async () => {
      for (let one = waiting.shift(); one; one = waiting.shift()) {
        const searching = one.find();
        if (one === opened) answer?.draw();
        if (await searching) arrived(one);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  }

  function arrived(one) {
    if (one === opened) {
      answer.draw();
      if (isIdle()) place.querySelector(".card, summary")?.focus({ preventScroll: true });
    } else if (!opened) timer ??= setTimeout(() => { timer = null; if (!opened && queries.length > 1) table.show(queries); }, REDRAW);
  }

  /** Whether the focus is nowhere in particular, so that it can go to the answer. */
  const isIdle = () => !document.querySelector("dialog[open], :popover-open") && (document.activeElement === document.body || document.activeElement.matches("#view, .dropzone"));

  /** Draws what there is: the first steps, one answer, or the table. */
  function draw() {
    answer?.close();
    answer = null;
    filters.hidden = !queries.length;
    if (!queries.length) {
      fill(place, welcome(about, tries));
      if (!tries.childNodes.length) examples(tries, "search", "Or try one of these:").catch(() => null);
    } else if (opened) {
      answer = new Answer(opened, searched, () => remove(opened));
      fill(place, queries.length > 1 ? way() : null, answer.section);
      answer.draw();
    } else {
      fill(place, progress, table.element);
      table.show(queries);
    }
  }

  /** The way back to the table, and to the answers before and after. */
  function way() {
    const rows = table.rows.includes(opened) ? table.rows : queries;
    const at = rows.indexOf(opened);
    const to = (number, text, key) => {
      const made = button(text, () => open(rows[number]), { key });
      made.disabled = !rows[number];
      return made;
    };
    return make("div", { class: "bar between" }, button(`← All ${queries.length} pictures`, () => open(null), { key: "Esc", kind: "quiet" }),
      make("span", { class: "bar" }, make("span", { class: "hint" }, `${at + 1} of ${rows.length}`), to(at - 1, "Previous", "k"), to(at + 1, "Next", "j")));
  }

  function open(one) {
    const from = opened;
    opened = one;
    draw();
    if (!one) table.grid.made.get(table.rows.indexOf(from))?.querySelector(".open").focus();
    else place.querySelector(".card")?.focus({ preventScroll: true });
  }

  /** What was searched, in words: "2,002 pictures". */
  function searched() {
    const { collections } = about;
    const total = options.collection ? collections[options.collection] ?? 0 : Object.values(collections).reduce((sum, count) => sum + count, 0);
    return options.field ? "the pictures that the filter leaves" : counted(total, "picture");
  }

  async function addThese(these) {
    const outcomes = await add(these.map((one) => one.file), options.collection || "default", progress);
    notice(`${outcomes.added} added, ${outcomes.known} already in the collection, ${outcomes.failed} failed.`);
  }

  function remove(...these) {
    these.forEach((one) => one.close());
    queries = queries.filter((one) => !these.includes(one));
    opened = queries.length === 1 ? queries[0] : null;
    draw();
    if (!queries.length) history.replaceState(null, "", address(options));
  }

  function changed(again) {
    history.replaceState(null, "", address(options, queries.length === 1 ? queries[0].id : null));
    if (again) return void findAll(queries);
    queries.forEach((one) => one.choose());
    if (opened) answer.draw();
    else table.show(queries);
  }

  const pressed = (event) => {
    if (!opened || queries.length < 2 || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open], :popover-open") || event.target.closest?.("input, select")) return;
    const rows = table.rows.includes(opened) ? table.rows : queries;
    const next = { j: rows[rows.indexOf(opened) + 1], k: rows[rows.indexOf(opened) - 1] }[event.key];
    if (event.key === "Escape") open(null);
    else if (next) open(next);
  };
  addEventListener("keydown", pressed);
  const receive = (files) => searchFor(files.map((file) => ({ name: file.name, file })));
  fill(view, make("h1", {}, "Have we seen this picture before?"), dropzone("Search for pictures", receive), filters, place);
  const id = Number(query.get("id"));
  if (id) searchFor([{ name: `item ${id}`, id }]);
  else draw();
  return { receive, close: () => { removeEventListener("keydown", pressed); clearTimeout(timer); answer?.close(); table.close(); queries.forEach((one) => one.close()); } };
}
